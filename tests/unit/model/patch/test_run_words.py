"""What a patch run is told, what it says of itself, and what it keeps for whoever takes it up."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.check import Finding
from ronde.model.errors import InputError
from ronde.model.patch.audit import Audit, Integrity, Manager, Metadata, RepositoryFault
from ronde.model.patch.before import MB, broken_in, unfit, unknown_in
from ronde.model.patch.health import Health, Load, Mount, Socket
from ronde.model.patch.options import RebootPolicy, RevertPolicy, SnapshotPolicy, read_options
from ronde.model.patch.packages import (
    Change,
    Database,
    Entry,
    Kept,
    KeptReason,
    Package,
    Simulation,
    State,
    Transaction,
)
from ronde.model.patch.policy import KERNELS, Scope
from ronde.model.patch.stored import health_from_json, health_json, packed, unpacked
from ronde.model.patch.thresholds import unknown
from ronde.model.patch.words import left_words, plan_words

WORDS = {
    "policy": "security", "reboot": "if-needed", "snapshot": "auto", "revert": "never", "bake": "24h", "within": "15m",
    "approved": "",
}  # fmt: skip
GLOBS = {"exclude": "", "new": "", "remove": ""}
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
WHOLE = Audit(
    manager=Manager("apt", (2, 6, 1)), metadata=Metadata(2, None), simulation=Simulation(), database=Database(())
)


def test_options_are_read_from_texts() -> None:
    options = read_options({**WORDS, "bake": "7200"}, {"exclude": " nginx* , samba\n", "new": "lib*", "remove": "old"})
    assert (options.policy.scope, options.policy.exclude) == (Scope.SECURITY, ("nginx*", "samba"))
    assert (options.policy.new, options.policy.removals) == ((*KERNELS, "lib*"), ("old",))
    assert (options.reboot, options.snapshot) == (RebootPolicy.IF_NEEDED, SnapshotPolicy.AUTO)
    assert (options.revert, options.bake) == (RevertPolicy.NEVER, timedelta(hours=2))
    assert options.within == timedelta(minutes=15)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("policy", "securtiy", 'did you mean "security"'),
        ("reboot", "maybe", "it can be"),
        ("snapshot", "yes", "it can be"),
        ("revert", "on failure", 'did you mean "on-failure"'),
        ("bake", "soon", "bake"),
        ("bake", "73h", "72 hours at most"),
        ("bake", "0", "72 hours at most"),
        ("within", "at once", "within"),
        ("within", "0", "some time"),
    ],
)
def test_what_means_nothing_is_refused(name: str, value: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_options({**WORDS, name: value}, GLOBS)


def test_a_plan_is_told_in_one_sentence() -> None:
    plan = Transaction(
        upgrade=(Change("openssl", "amd64", "3.0.14", "3.0.15"), Change("vim", "amd64", "1", "2")),
        new_dependencies=(Package("linux-image-6.1.0-35-amd64", "amd64", "6.1.137-1"),),
        remove=(Package("old", "all", "1"),),
    )
    assert plan_words(plan, ["openssl:amd64"]) == (
        "install 1 security update (openssl 3.0.14 → 3.0.15), 1 other update (vim 1 → 2), "
        "1 new package (linux-image-6.1.0-35-amd64 6.1.137-1), 1 removal (old 1); reboot needed: kernel"
    )


def test_a_long_plan_names_a_few_and_counts_the_rest() -> None:
    plan = Transaction(upgrade=tuple(Change(f"p{n}", "all", "1", "2") for n in range(9)))
    assert plan_words(plan, []).endswith("p5 1 → 2 and 3 more), no removal")
    assert left_words([Kept("nginx", KeptReason.HELD), Kept("a", KeptReason.PINNED, "by us")]) == (
        "left: nginx (held), a (pinned: by us)"
    )
    assert left_words([]) == ""


PACKAGES = st.builds(Package, NAMES, NAMES, NAMES)
ENTRIES = st.lists(st.builds(Entry, PACKAGES, st.sampled_from(State), NAMES, st.booleans()), max_size=20)


@given(ENTRIES)
def test_a_database_comes_back_as_it_was_kept(entries: list[Entry]) -> None:
    assert unpacked(packed(Database(tuple(entries)))) == Database(tuple(entries))


UNREAD = st.builds(lambda why: unknown("patch-health-unknown", why), NAMES) | st.none()
MOUNTS = st.lists(st.builds(Mount, NAMES, NAMES, st.none() | st.integers(0), st.none() | st.integers(0)), max_size=4)
HEALTH = st.builds(
    Health,
    units=st.frozensets(NAMES, max_size=4) | UNREAD,
    sockets=st.frozensets(st.builds(Socket, st.sampled_from(["tcp", "udp"]), NAMES, st.integers(1, 65535)), max_size=4)
    | UNREAD,
    mounts=MOUNTS.map(tuple) | UNREAD,
    load=st.builds(Load, st.floats(0, 100), st.integers(1, 64)) | UNREAD,
)


@given(HEALTH)
def test_a_look_at_a_host_comes_back_as_it_was_kept(health: Health) -> None:
    assert health_from_json(health_json(health)) == health


def test_too_little_room_keeps_a_host_from_being_patched() -> None:
    tight = Health(mounts=(Mount("/", "ext4", 10_000 * MB, 400 * MB), Mount("/srv", "ext4", 10 * MB, MB)))
    assert [finding.evidence["place"] for finding in unfit(tight)] == ["/"]
    assert unfit(Health(mounts=(Mount("/boot", "ext4", 500 * MB, 149 * MB),)))
    assert not unfit(Health(mounts=(Mount("/", "ext4", None, None), Mount("/boot", "ext4", 500 * MB, 150 * MB))))
    assert not unfit(Health(mounts=unknown("patch-health-unknown", "nobody knows")))


@pytest.mark.parametrize(
    ("piece", "rule"),
    [
        ({"metadata": Metadata(2, None, (RepositoryFault("main", "gone"),))}, "patch-repository-failed"),
        (
            {"metadata": Metadata(2, None, (RepositoryFault("main", "new", release_changed=True),))},
            "patch-release-changed",
        ),
        ({"metadata": Metadata(0, None)}, "patch-no-repository"),
        ({"metadata": None}, "patch-not-read"),
        ({"simulation": unknown("patch-timed-out", "too long")}, "patch-timed-out"),
        ({"database": unknown("patch-answer-cut", "cut")}, "patch-answer-cut"),
    ],
)
def test_what_was_not_learnt_stops_the_planning(piece: dict[str, Any], rule: str) -> None:
    pieces = {name: getattr(WHOLE, name) for name in ("manager", "metadata", "simulation", "database")}
    found: tuple[Finding, ...] = unknown_in(Audit(**{**pieces, **piece}))
    assert [finding.rule for finding in found] == [rule]
    assert unknown_in(WHOLE) == ()


def test_everything_half_done_is_named() -> None:
    half = Database((Entry(Package("a", "all", "1"), State.BROKEN, "iF"), Entry(Package("b", "all", "1"))))
    found = broken_in(half, Integrity(journal=("0000",), unmet=("c: needs d",)))
    assert found == ("the journal of a run that was cut off (0000)", "a:all (iF)", "unmet: c: needs d")
    assert broken_in(Database(()), Integrity()) == ()
