"""The inventory's own rules: its schema, its digest, and what a pattern says when it is missed."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from ronde.model.inventory import Client, Inventory, Provider
from ronde.model.inventory.digest import inventory_digest
from ronde.model.inventory.fields import PATTERN_WORDS, is_name
from ronde.model.inventory.problems import Problem, path_text
from ronde.model.words import hint, nearest

HOST = {"address": "10.0.0.1", "user": "ronde", "key": "age://commune/ssh"}
RESTIC = {"name": "documents", "tool": "restic", "repository": "/srv/r", "password": "age://commune/r"}
SAMPLED = {**RESTIC, "max_age": "26h", "sample": "1/20", "check_window": "04:00-06:00"}
NIGHT = {"playbook": "backup/check", "at": "0 2 * * *", "on": "all", "catch_up": {"within": "4h"}}


def client(**fields: Any) -> dict[str, Any]:
    return {"client": "commune", "name": "Commune d'Exemple", **fields}


def whole(**fields: Any) -> Inventory:
    provider = Provider(name="Coop", sender="ronde@coop.example")
    return Inventory(provider=provider, clients={"commune": Client.model_validate(client(**fields))})


def patterns(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
        return own.union(*(patterns(value) for value in schema.values()), schema.get("patternProperties", {}))
    return set().union(*(patterns(item) for item in schema)) if isinstance(schema, list) else set()


@pytest.mark.parametrize("model", [Client, Provider])
def test_every_pattern_has_words_for_people(model: type[Client] | type[Provider]) -> None:
    assert patterns(model.model_json_schema()) <= set(PATTERN_WORDS)


@pytest.mark.parametrize(
    ("document", "valid"),
    [
        (client(), 1),
        (client(hosts={"srv": {**HOST, "backups": [SAMPLED]}}), 1),
        (client(hosts={"srv": {**HOST, "host_key": "ssh-ed25519 AAAA", "tags": "files"}}), 1),
        (client(schedules={"night": NIGHT}), 1),
        (client(exempt=[{"vm": "modele", "reason": "template", "until": "2027-06-30"}]), 1),
        (client(windows={"nights": {"days": "mon-fri", "at": "22:00-02:00"}}), 1),
        (client(windows={"sunday": {"rrule": "FREQ=MONTHLY;BYDAY=1SU", "at": "08:00", "for": "4h"}}), 1),
        (client(windows={"sunday": {"rrule": "FREQ=MONTHLY;BYDAY=1SU", "at": "08:00", "lasts": "4h"}}), 0),
        (client(closed=[{"on": "2026-12-24", "until": "2027-01-02", "why": "year's end"}]), 1),
        (client(closed=[{"on": "2026-12-24"}]), 0),
        (client(holidays={"calendar": "fr", "region": "alsace-moselle", "are": "open"}), 1),
        (client(holidays={"calendar": "fr", "region": "alsace"}), 0),
        (client(hosts={"srv": {**HOST, "maintenance": {"until": "2026-12-01T18:00", "why": "disks"}}}), 1),
        (client(hosts={"srv": {**HOST, "probes": [{"unit": "nginx"}, {"port": 443}], "no_revert": True}}), 1),
        (client(hosts={"srv": {**HOST, "probes": [{"http": "ftp://x"}]}}), 0),
        (client(hosts={"srv": {**HOST, "adress": "x"}}), 0),
        (client(hosts={"srv": {**HOST, "port": 99999}}), 0),
        (client(hosts={"srv": {**HOST, "backups": [{**RESTIC, "tool": "restik"}]}}), 0),
        (client(language="de"), 0),
        ({"client": "commune"}, 0),
    ],
)
def test_the_schema_for_editors_agrees_with_the_model(document: dict[str, Any], valid: int) -> None:
    schema = Client.model_json_schema()
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(document) == bool(valid)
    if valid:
        Client.model_validate(document)
    else:
        with pytest.raises(ValidationError):
            Client.model_validate(document)


ALICE = {"name": "Alice", "email": "alice@coop.example", "roles": ["operate", "approve"], "clients": "all"}


@pytest.mark.parametrize(
    ("fields", "valid"),
    [
        ({}, 1),
        ({"technicians": {"alice": ALICE, "bob": {**ALICE, "roles": "look", "clients": ["commune"]}}}, 1),
        ({"technicians": {"alice@corp.example": ALICE}}, 1),
        ({"technicians": {"alice": {**ALICE, "roles": ["boss"]}}}, 0),
        ({"technicians": {"alice": {**ALICE, "clients": []}}}, 0),
        ({"technicians": {"alice": {**ALICE, "roles": []}}}, 0),
        ({"technicians": {"alice": {key: ALICE[key] for key in ("name", "email", "roles")}}}, 0),
        ({"approvals": {"expire_after": "4h", "rules": [{"playbook": "patch/*", "why": "asked for"}]}}, 1),
        ({"approvals": {"rules": [{"risk": "change", "hosts": "tag:dc", "clients": "commune"}]}}, 1),
        ({"approvals": {"rules": [{"risk": "change", "hosts": ["dc"]}]}}, 0),
        ({"approvals": {"rules": [{"playbook": "patch"}]}}, 0),
    ],
)
def test_the_schema_of_the_provider_agrees_with_the_model(fields: dict[str, Any], valid: int) -> None:
    document = {"name": "Coop", "sender": "ronde@coop.example", **fields}
    schema = Provider.model_json_schema()
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(document) == bool(valid)
    if valid:
        provider = Provider.model_validate(document)
        assert Provider.model_validate(provider.model_dump(mode="json")) == provider
    else:
        with pytest.raises(ValidationError):
            Provider.model_validate(document)


def test_a_client_survives_being_written_and_read_again() -> None:
    first = whole(
        hosts={
            "srv": {
                **HOST,
                "backups": [{**RESTIC, "sample": "1/20", "check_window": "22:00-02:00"}],
                "windows": "sunday",
                "maintenance": {"until": "2026-12-01T18:00", "why": "disks"},
            }
        },
        windows={
            "nights": {"days": ["mon", "wed-fri"], "at": "22:00-02:00"},
            "sunday": {"rrule": "FREQ=WEEKLY;INTERVAL=2", "since": "2027-01-03", "at": "08:00", "for": "4h"},
        },
        closed=[{"on": "2026-12-24", "why": "year's end"}],
        holidays={"calendar": "fr"},
    )
    again = Inventory.model_validate(first.model_dump(mode="json"))
    assert again == first
    assert inventory_digest(again) == inventory_digest(first)


def test_the_digest_sees_meaning_not_order() -> None:
    one = {"a": HOST, "b": {**HOST, "address": "10.0.0.2"}}
    other = {"b": {**HOST, "address": "10.0.0.2"}, "a": HOST}
    assert inventory_digest(whole(hosts=one)) == inventory_digest(whole(hosts=other))
    assert inventory_digest(whole(hosts=one)) != inventory_digest(whole(hosts={"a": HOST}))
    assert len(inventory_digest(whole())) == 64


@pytest.mark.parametrize("number", [4, 4.5, True, 0])
def test_a_bare_number_is_no_duration(number: float) -> None:
    entry = {"playbook": "backup/check", "at": "0 2 * * *", "catch_up": {"within": number}}
    with pytest.raises(ValidationError, match="is not a duration"):
        Client.model_validate(client(schedules={"night": entry}))


@pytest.mark.parametrize(
    ("word", "valid", "expected"),
    [
        ("restik", ["restic", "borg", "dump"], "restic"),
        ("RESTIC", ["restic", "borg"], "restic"),
        ("repo", ["repository", "password"], "repository"),
        ("xyz", ["restic", "borg"], None),
        ("", ["restic"], None),
        ("a", [], None),
    ],
)
def test_nearest_word(word: str, valid: list[str], expected: str | None) -> None:
    assert nearest(word, valid) == expected


def test_hints_name_the_choices_when_none_is_near_and_they_are_few() -> None:
    assert hint("xyz", ["borg", "dump", "restic"]) == "; it can be borg, dump or restic"
    assert hint("xyz", ["borg"]) == "; it can be borg"
    assert hint("xyz", [f"host-{n}" for n in range(20)]) == ""


def test_problems_read_like_a_compiler_s() -> None:
    place = path_text(("hosts", "srv", "backups", 1, "tool"))
    assert (
        str(Problem("clients/a.yml", 31, place, "is missing"))
        == "clients/a.yml:31: hosts.srv.backups[1].tool: is missing"
    )
    assert str(Problem("clients/a.yml", 1, "", "is empty")) == "clients/a.yml:1: is empty"


@pytest.mark.parametrize(
    ("text", "valid"), [("commune-exemple", 1), ("a.b_c-1", 1), ("-a", 0), ("A", 0), ("a\n", 0), ("", 0)]
)
def test_names(text: str, valid: int) -> None:
    assert is_name(text) == bool(valid)
