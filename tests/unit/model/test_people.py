"""Rights: what each role may, for whom, and that nobody learns of a client that is not his."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.inventory import Client, Inventory, Provider, TechnicianEntry
from ronde.model.people import ALLOWED, Act, Standing, clients_of, may, refusal, seen_by, technician_of

CLIENTS = ("commune-exemple", "ecole-modele", "lycee")
PEOPLE: dict[str, dict[str, Any]] = {
    "alice": {"roles": ["operate", "approve"], "clients": "all"},
    "bob": {"roles": ["operate"], "clients": ["commune-exemple"]},
    "carol": {"roles": ["look"], "clients": ["ecole-modele"]},
    "dave": {"roles": ["admin"], "clients": ["lycee"]},
    "erin": {"roles": ["approve"], "clients": ["commune-exemple"]},
    "root": {"roles": ["admin"], "clients": "all"},
}


def declared() -> dict[str, TechnicianEntry]:
    return {
        login: TechnicianEntry.model_validate({"name": login.title(), "email": f"{login}@coop.example", **entry})
        for login, entry in PEOPLE.items()
    }


def inventory(*names: str) -> Inventory:
    provider = Provider(name="Coop", sender="ronde@coop.example", technicians=declared())
    return Inventory(provider=provider, clients={name: Client(client=name, name=name.title()) for name in names})


@pytest.mark.parametrize(
    ("login", "acts"),
    [
        ("alice", {Act.LOOK, Act.ORDER, Act.APPROVE}),
        ("bob", {Act.LOOK, Act.ORDER}),
        ("carol", {Act.LOOK}),
        ("dave", set(Act)),
        ("erin", {Act.LOOK, Act.APPROVE}),
        ("root", set(Act)),
        ("mallory", set()),
    ],
)
def test_each_may_what_his_roles_say_for_his_clients_alone(login: str, acts: set[Act]) -> None:
    technician = technician_of(declared(), login)
    own = PEOPLE.get(login, {"clients": []})["clients"]
    for act, client in product(Act, (*CLIENTS, "nobody-s")):
        assert may(technician, act, client) == (act in acts and (own == "all" or client in own)), (act, client)


def test_the_house_as_a_whole_is_for_those_who_have_all_of_it() -> None:
    able = [login for login in PEOPLE if may(technician_of(declared(), login), Act.ADMINISTER, None)]
    assert able == ["root"], "an admin of one client does not prune the record of the others"
    assert may(technician_of(declared(), "alice"), Act.LOOK, None)
    assert not may(technician_of(declared(), "bob"), Act.LOOK, None)


def test_every_role_looks_and_none_but_admin_has_another_in_it() -> None:
    assert all(Act.LOOK in acts for acts in ALLOWED.values())
    assert ALLOWED["admin"] == set(Act)
    assert Act.APPROVE not in ALLOWED["operate"]
    assert Act.ORDER not in ALLOWED["approve"]


@given(st.text(min_size=1), st.sampled_from(CLIENTS))
def test_where_nobody_is_declared_anybody_may_everything_but_approve(login: str, client: str) -> None:
    technician = technician_of({}, login)
    assert technician.standing is Standing.OPEN
    assert {act for act in Act if may(technician, act, client)} == set(Act) - {Act.APPROVE}
    assert {act for act in Act if may(technician, act, None)} == set(Act) - {Act.APPROVE}
    words = refusal(technician, Act.APPROVE, client)
    assert words.endswith("declare technicians in provider.yml; an approval needs two of them")


@given(st.text().filter(lambda login: login not in PEOPLE), st.sampled_from(Act), st.sampled_from((*CLIENTS, None)))
def test_a_stranger_may_nothing_and_sees_nothing(login: str, act: Act, client: str | None) -> None:
    stranger = technician_of(declared(), login)
    assert not may(stranger, act, client)
    assert "is not among the technicians in provider.yml" in refusal(stranger, act, client)
    assert clients_of(stranger, inventory(*CLIENTS)) == frozenset()


def test_a_refusal_says_who_what_and_where_that_stands() -> None:
    bob = technician_of(declared(), "bob")
    words = refusal(bob, Act.ORDER, "ecole-modele")
    assert words.startswith("bob may not order runs for ecole-modele: roles and clients stand in provider.yml")
    assert refusal(bob, Act.ORDER, "comune-exemple").endswith('; did you mean "commune-exemple"?')
    assert refusal(bob, Act.ORDER, "commune-exemple") == ""
    assert (
        refusal(bob, Act.ADMINISTER, None, "prune the ledger of")
        == "bob may not prune the ledger of the house as a whole: roles and clients stand in provider.yml"
    )
    carol = technician_of(declared(), "carol")
    assert (
        refusal(carol, Act.ORDER, "ecole-modele", "enrol hosts of")
        == "carol may not enrol hosts of ecole-modele: roles and clients stand in provider.yml"
    )


@given(st.sampled_from(Act), st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True))
def test_another_s_client_is_refused_like_one_that_does_not_exist(act: Act, name: str) -> None:
    """The answer knows nothing of the inventory, and names no client but the one asked for and his own."""
    bob = technician_of(declared(), "bob")
    words = refusal(bob, act, name)
    known = words.replace(f" {name}: ", " ")
    assert not any(other in known for other in CLIENTS if other != "commune-exemple")


@given(st.sets(st.sampled_from(CLIENTS)), st.sampled_from([*PEOPLE, "mallory"]))
def test_what_is_seen_is_the_inventory_without_the_others(present: set[str], login: str) -> None:
    technician = technician_of(declared(), login)
    whole = inventory(*present)
    seen = seen_by(technician, whole)
    assert set(seen.clients) == clients_of(technician, whole)
    assert set(seen.clients) == {name for name in present if may(technician, Act.LOOK, name)}
    assert set(whole.clients) == present, "the whole stays whole"


def entry(**fields: Any) -> TechnicianEntry:
    return TechnicianEntry.model_validate({"name": "X", "email": "x@coop.example", **fields})


def test_one_role_and_one_client_need_no_list() -> None:
    assert entry(roles="look", clients="lycee") == entry(roles=["look"], clients=["lycee"])
