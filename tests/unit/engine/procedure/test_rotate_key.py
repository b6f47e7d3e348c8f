"""Replacing our key: the secret in force opens every host at every moment, wherever it is cut off."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.adapters.files.playbooks import load_playbooks
from ronde.engine.ordering import Request
from ronde.engine.parts import Engine
from ronde.engine.redacting import KnownSecrets
from ronde.model.authorized_keys import holds
from ronde.model.errors import ConnectionLost
from ronde.model.inventory import Client
from ronde.model.playbook import Named
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from tests.doubles.engine import CLIENT, SCOPE, Surroundings, client, inventory
from tests.doubles.key_hosts import Fuse, FusedSecrets, KeyHosts, Killed, carried_through, fuse_ledger

Playbooks = dict[str, Named]
KEY = "age://commune/ssh"
OTHERS = ("# who may come in", 'from="198.51.100.7",command="echo \\"hi\\" #1" ssh-rsa AAAAB3 someone', "")
OPTIONS = 'from="203.0.113.4",restrict,pty '
PLAYBOOK = """\
title: {fr: Clés, en: Keys}
description: {fr: Clés, en: Keys}
target: linux
risk: change
parameters: {shared: {type: bool, default: false}}
steps: [{id: rotate, rotate_key: {comment: "ronde 2027", shared_secrets: "{{ shared }}"}, repeat: safe}]
"""


def entries(*names: str, key: str = KEY, **more: Any) -> dict[str, Any]:
    return {name: {"address": f"{name}.example", "user": "ronde", "key": key, **more} for name in names}


@dataclass
class World:
    """An engine, hosts that share a key, and everything that can go wrong between them."""

    around: Surroundings
    secrets: FusedSecrets
    hosts: KeyHosts
    engine: Engine

    @property
    def fuse(self) -> Fuse:
        return self.hosts.fuse

    @property
    def kept(self) -> dict[str, bytes]:
        """Every key in the store."""
        return {name: value for name, value in self.secrets.values.items() if not name.endswith(".rotation")}

    def opens(self, host: str, reference: str = KEY) -> bool:
        return self.hosts.lets_in(host, self.secrets.values[reference])

    def check(self) -> None:
        for host in self.hosts.files:
            assert self.opens(host), f"{host} is lost"
            rest = [line for line in self.hosts.files[host].split("\n") if not line.startswith(OPTIONS)]
            assert tuple(rest) == OTHERS

    def rotate(self, *hosts: str, **more: Any) -> list[JobRecord]:
        return carried_through(self.around, self.engine, Request("adhoc/keys", (CLIENT,), hosts, "alice", **more))


def world(playbooks: Playbooks, *names: str, customer: Client | None = None) -> World:
    fuse = Fuse()
    secrets = FusedSecrets(fuse)
    around = Surroundings(secrets=secrets)
    secrets.values[KEY] = around.keys.make()
    hosts = KeyHosts(secrets, around.keys, fuse)
    our = f"{OPTIONS}{around.keys.public_line(secrets.values[KEY])} ronde"
    hosts.files = dict.fromkeys(names, "\n".join([OTHERS[0], our, *OTHERS[1:]]))
    around.inventories.inventory = inventory(customer or client(hosts=entries(*names)))
    engine = replace(around.engine(), shells=hosts, secrets=KnownSecrets(secrets), playbooks=playbooks)
    made = World(around, secrets, hosts, engine)
    fuse.watch = made.check
    fuse_ledger(around, fuse)
    return made


@pytest.fixture(scope="module")
def playbooks(tmp_path_factory: pytest.TempPathFactory) -> Playbooks:
    folder = tmp_path_factory.mktemp("playbooks")
    (folder / "adhoc").mkdir()
    (folder / "adhoc" / "keys.yaml").write_text(PLAYBOOK, encoding="utf-8")
    return load_playbooks(folder)


def facts(made: World, host: str) -> dict[str, Any]:
    return dict(made.around.ledger.last_facts(SCOPE, "adhoc/keys", host)["rotate"])


def reason(made: World) -> str:
    run = made.around.runs()[0]
    return str(run.jobs[0].trouble)


def test_one_host_is_rotated_at_once(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv")
    before = made.secrets.values[KEY]
    (job,) = made.rotate("srv")
    assert (job.state, job.verdict) == (JobState.SUCCEEDED, Verdict.OK), job.trouble
    assert made.kept == {KEY: b"PRIVATE KEY 2"}
    assert not made.hosts.lets_in("srv", before)
    line = f"{OPTIONS}{made.around.keys.public_line(b'PRIVATE KEY 2')} ronde 2027"
    assert made.hosts.files["srv"] == "\n".join([OTHERS[0], line, *OTHERS[1:]])
    assert facts(made, "srv")["complete"] is True


def test_the_new_key_is_kept_before_any_host_hears_of_it(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv")
    seen: list[bool] = []
    put = made.hosts.put

    def noted(host: str, command: Any) -> str:
        seen.append(f"{KEY}.next" in made.secrets.values)
        return put(host, command)

    made.hosts.put = noted  # type: ignore[method-assign]  # looked at before it acts
    made.rotate("srv")
    assert seen == [True, False]  # adding it; taking the old one away, when it is the secret itself


def test_hosts_that_share_a_key_all_get_the_new_one_first(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv-a", "srv-b", "srv-c")
    (job,) = made.rotate("srv-a")
    assert (job.state, job.verdict) == (JobState.SUCCEEDED, Verdict.WARNING)
    told = made.around.runs()[0].jobs[0].checks[0].findings[0]
    assert told.message.startswith("new key proven on 1 of 3 hosts; the old one stays until srv-b and srv-c have it")
    assert made.secrets.values[KEY] == b"PRIVATE KEY 1"
    made.rotate("srv-b")
    assert made.secrets.values[KEY] == b"PRIVATE KEY 1"
    made.rotate("srv-c")
    assert made.secrets.values[KEY] == b"PRIVATE KEY 2"
    assert [made.opens(host, f"{KEY}.former") for host in ("srv-a", "srv-b", "srv-c")] == [True, True, False]
    made.rotate("srv-b")
    assert facts(made, "srv-b")["left"] == ["srv-a"]
    (last,) = made.rotate("srv-a")
    assert last.verdict is Verdict.OK
    assert made.kept == {KEY: b"PRIVATE KEY 2"}


def test_one_run_over_all_and_another_is_enough(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv-a", "srv-b", "srv-c")
    made.rotate("srv-a", "srv-b", "srv-c")
    jobs = made.rotate("srv-a", "srv-b", "srv-c")
    assert {job.state for job in jobs} == {JobState.SUCCEEDED}
    assert made.kept == {KEY: b"PRIVATE KEY 2"}
    assert {text.count("ssh-ed25519") for text in made.hosts.files.values()} == {1}


def test_a_later_run_replaces_the_key_again(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv")
    made.rotate("srv")
    made.rotate("srv")
    assert made.kept == {KEY: b"PRIVATE KEY 3"}


def test_a_host_that_joins_meanwhile_is_waited_for(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv-a", "srv-b")
    made.rotate("srv-a")
    made.hosts.files["srv-c"] = made.hosts.files["srv-b"]
    made.around.inventories.inventory = inventory(client(hosts=entries("srv-a", "srv-b", "srv-c")))
    made.rotate("srv-b")
    assert made.secrets.values[KEY] == b"PRIVATE KEY 1"
    made.rotate("srv-c")
    assert made.secrets.values[KEY] == b"PRIVATE KEY 2"


def test_a_host_that_left_is_not_waited_for(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv-a", "srv-b")
    made.rotate("srv-a")
    made.around.inventories.inventory = inventory(client(hosts=entries("srv-a")))
    made.fuse.watch = lambda: None
    made.rotate("srv-a")
    assert made.kept == {KEY: b"PRIVATE KEY 2"}


def test_a_new_key_that_is_refused_is_taken_out_again(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv")
    before = made.hosts.files["srv"]
    made.hosts.refusing = {"srv": frozenset({made.around.keys.public_line(b"PRIVATE KEY 2")})}
    (job,) = made.rotate("srv")
    assert job.state is JobState.FAILED
    assert "refuses the new key" in reason(made)
    assert made.hosts.files["srv"] == before
    assert made.opens("srv")


def test_what_was_taken_away_is_put_back_when_the_host_no_longer_opens(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv")
    new = made.around.keys.public_line(b"PRIVATE KEY 2")
    put, kept = made.hosts.put, []

    def barred(host: str, command: Any) -> str:
        kept.append(made.hosts.files[host])
        why = put(host, command)
        made.hosts.refusing = {host: frozenset({new} if len(kept) == 2 else ())}  # as a broken sshd would
        return why

    made.fuse.watch = lambda: None
    made.hosts.put = barred  # type: ignore[method-assign]  # it breaks when the old key goes
    (job,) = made.rotate("srv")
    assert job.state is JobState.FAILED
    assert "put back" in reason(made)
    assert made.hosts.files["srv"] == kept[1]
    assert made.opens("srv", f"{KEY}.former")


def test_an_old_key_that_still_opens_the_host_is_told(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv")
    old = made.around.keys.public_line(b"PRIVATE KEY 1")
    lets_in = made.hosts.lets_in
    made.hosts.lets_in = lambda host, private: (  # type: ignore[method-assign]  # as AuthorizedKeysCommand does
        lets_in(host, private) or made.around.keys.public_line(private) == old
    )
    (job,) = made.rotate("srv")
    assert job.state is JobState.FAILED
    assert "still opens the host" in reason(made)
    assert f"{KEY}.former" in made.secrets.values


def test_a_key_that_stands_in_no_file_is_left_alone(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv")
    made.fuse.watch = lambda: None
    lets_in = made.hosts.lets_in
    made.hosts.files["srv"] = "ssh-rsa AAAAB3 someone\n"
    made.hosts.lets_in = lambda host, private: lets_in(host, private) or private == b"PRIVATE KEY 1"  # type: ignore[method-assign]  # from a directory
    (job,) = made.rotate("srv")
    assert "in no file of ~/.ssh" in reason(made)
    assert made.hosts.files["srv"] == "ssh-rsa AAAAB3 someone\n"
    assert job.state is JobState.FAILED


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        (entries("srv", key="cred://ssh"), "cannot be changed"),
        (entries("srv", key="env://SSH"), "cannot be changed"),
        (entries("srv") | entries("win", system="windows"), "opens win, whose keys can only be replaced by hand"),
        (entries("srv") | entries("twin", key="age://commune/copy", address="srv.example"), "use one reference"),
    ],
)
def test_a_key_that_cannot_be_replaced_safely_is_refused(playbooks: Playbooks, hosts: Any, words: str) -> None:
    hosts = {name: {**entry} for name, entry in hosts.items()}
    made = world(playbooks, "srv", customer=client(hosts=hosts))
    made.fuse.watch = lambda: None
    for reference in (KEY, "cred://ssh", "env://SSH", "age://commune/copy"):
        made.secrets.values[reference] = b"PRIVATE KEY 1"
    before = dict(made.secrets.values), dict(made.hosts.files)
    (job,) = made.rotate("srv")
    assert job.state is JobState.FAILED
    assert words in reason(made)
    assert (made.secrets.values, made.hosts.files) == before


def test_a_key_of_two_clients_is_refused_without_naming_the_other(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv")
    other = client(hosts=entries("elsewhere")).model_copy(update={"client": "hidden", "name": "Hidden"})
    made.around.inventories.inventory = inventory(client(hosts=entries("srv")), other)
    (job,) = made.rotate("srv")
    assert job.state is JobState.FAILED
    assert "another client" in reason(made)
    assert "hidden" not in reason(made)
    assert "elsewhere" not in reason(made)


def test_workers_elsewhere_would_be_locked_out(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv")
    made.around.ledger.worker_seen("other:7:worker", ("work",), "0.1", made.around.hands.now())
    made.rotate("srv")
    assert "workers on other read their own secrets" in reason(made)
    (job,) = made.rotate("srv", parameters={"shared": "true"})
    assert job.state is JobState.SUCCEEDED, job.trouble


def test_a_dry_run_tells_who_shares_the_key_and_changes_nothing(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv-a", "srv-b")
    before = dict(made.secrets.values), dict(made.hosts.files)
    made.rotate("srv-a", dry=True)
    told = str(made.around.runs()[0].jobs[0].checks[0].facts["reason"])
    assert "opens srv-a and srv-b; this adds a new key here, the old one stays until srv-b have it" in told
    assert (made.secrets.values, made.hosts.files) == before
    made.rotate("srv-a")
    made.rotate("srv-b", dry=True)
    assert "then takes the old one away" in str(made.around.runs()[0].jobs[0].checks[0].facts["reason"])


def test_no_private_key_leaves_the_worker(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv-a", "srv-b")
    for _ in range(2):
        made.rotate("srv-a", "srv-b")
    said = repr(made.around.ledger._t) + repr(made.around.spoken) + repr(made.hosts.files)
    said += repr([(command.argv, command.stdin, command.env) for command in made.hosts.asked])
    assert "PRIVATE KEY" not in said
    assert made.engine.secrets.redactor().redact(b"PRIVATE KEY 2") == b"[redacted]"


def test_a_host_that_goes_away_for_good_is_a_failure_and_no_riddle(playbooks: Playbooks) -> None:
    made = world(playbooks, "srv")
    link, allowed = Fuse(), made.hosts.put
    made.hosts.fuse = link  # of its own: ledger and store are not behind it

    def away(host: str, command: Any) -> str:
        link.left, link.how = 0, gone
        return allowed(host, command)

    def gone() -> BaseException:
        link.left = 0
        return lost()

    made.hosts.put = away  # type: ignore[method-assign]  # the link goes with the writing, and stays away
    (job,) = made.rotate("srv")
    assert job.state is JobState.FAILED, job.trouble
    link.left = None
    made.hosts.put = allowed  # type: ignore[method-assign]  # it is back
    made.rotate("srv")
    assert made.kept == {KEY: b"PRIVATE KEY 2"}


def lost() -> ConnectionLost:
    return ConnectionLost("the link broke")


cuts = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 45), st.sampled_from([Killed, lost])), max_size=8)


@given(count=st.integers(1, 3), cuts=cuts)
@settings(max_examples=80)
def test_wherever_it_is_cut_off_every_host_stays_open(playbooks: Playbooks, count: int, cuts: Any) -> None:
    """`World.check` looks after every single trace: the secret in force opens every host, other lines are untouched."""
    names = ["srv-a", "srv-b", "srv-c"][:count]
    made = world(playbooks, *names)
    for host, traces, how in cuts:
        made.fuse.left, made.fuse.how = traces, how
        (job,) = made.rotate(names[host % count])
        assert job.state in (JobState.SUCCEEDED, JobState.FAILED), job.trouble  # nothing is ever left to a person
    made.fuse.left = None
    for _ in range(2):
        jobs = made.rotate(*names)
        assert {job.state for job in jobs} == {JobState.SUCCEEDED}
        if list(made.kept) == [KEY]:
            break
    assert list(made.kept) == [KEY]
    assert made.kept[KEY] != b"PRIVATE KEY 1"
    for text in made.hosts.files.values():
        assert holds(text, made.around.keys.public_line(made.secrets.values[KEY]))
        assert text.count("ssh-ed25519") == 1


@pytest.mark.parametrize("how", [Killed, lost])
@pytest.mark.parametrize("traces", range(56))
def test_one_host_is_rotated_exactly_once_wherever_it_is_cut_off(
    playbooks: Playbooks, traces: int, how: Callable[[], BaseException]
) -> None:
    made = world(playbooks, "srv")
    made.fuse.left, made.fuse.how = traces, how
    (job,) = made.rotate("srv")
    assert job.state is JobState.SUCCEEDED, job.trouble
    new = {value for reference, value in made.secrets.written if reference == f"{KEY}.next"}
    assert made.kept == {KEY: new.pop()}
    assert not new
