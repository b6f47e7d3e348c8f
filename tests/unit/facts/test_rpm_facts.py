"""The questions to rpm's managers, and what their answers come to together."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.facts.patch import apk_run, dnf, dnf5, dnf5_run, dnf_run, manager, rpm, zypper, zypper_run
from ronde.facts.patch.rpm_updates import Advisory, Offer, Reasons, make_simulation
from ronde.model.check import Finding
from ronde.model.command import Answer
from ronde.model.patch.audit import Integrity
from ronde.model.patch.outcome import judge_outcome
from ronde.model.patch.packages import Change, Database, Entry, KeptReason, Package, State, Transaction
from tests.unit.facts.test_rpm_cases import FOLDER, answer_of, load

BETA, GAMMA = Package("beta", "noarch", "1.1-1"), Package("gamma", "noarch", "1.2-1")
names = st.text("abc-+.1", min_size=1, max_size=8).filter(lambda name: name.strip("-.") == name)


def recorded(name: str) -> Answer:
    return answer_of(load(FOLDER / f"{name}.yaml"))


def database(name: str) -> Database:
    found = rpm.parse_database(recorded(name))
    assert isinstance(found, Database)
    return found


def installed(*packages: Package) -> Database:
    return Database(tuple(Entry(package) for package in packages))


def upgrade(name: str, before: str, after: str) -> Transaction:
    return Transaction(upgrade=(Change(name, "noarch", before, after),))


# ---- questions


@pytest.mark.parametrize("targets", [[], [BETA], [GAMMA, BETA]])
def test_dnf_previews_and_runs_the_same_words(targets: list[Package]) -> None:
    preview = dnf_run.preview_question(targets).command.argv
    run = dnf_run.apply_command(targets).argv
    assert preview[preview.index("--assumeno") + 1 :] == run[run.index("-y") + 2 :]


@pytest.mark.parametrize("targets", [[], [BETA], [GAMMA, BETA]])
def test_zypper_previews_and_runs_the_same_words(targets: list[Package]) -> None:
    preview = zypper_run.preview_question(targets).command.argv
    assert [word for word in preview if word != "--dry-run"] == list(zypper_run.apply_command(targets).argv)
    assert not targets or preview.index("--dry-run") < preview.index(f"beta.noarch={BETA.version}")


def test_a_named_version_is_taken_strictly_by_dnf() -> None:
    argv = dnf_run.apply_command([Package("openssl", "x86_64", "1:3.0.7-2.el9")]).argv
    assert "--setopt=best=1" in argv
    assert argv[-1] == "openssl-1:3.0.7-2.el9.x86_64"


def test_no_question_and_no_run_waits_for_another_dnf() -> None:
    commands = [dnf.upgrades_question().command, dnf.refresh_question().command, dnf_run.apply_command([BETA])]
    assert all(dnf.UNWAITING in command.argv for command in commands)


def test_patches_that_want_a_reboot_are_not_left_out() -> None:
    assert "--with-interactive" in zypper_run.patch_command(security=True).argv


def test_dnf5_is_told_to_end_its_lines() -> None:
    assert dnf5.upgrades_question().command.argv[-1].endswith("\n")


def test_only_the_refresh_touches_the_network() -> None:
    dnf_questions = [dnf.upgrades_question(), dnf.advisories_question(), dnf.repositories_question()]
    assert all("-C" in question.command.argv for question in dnf_questions)
    zypper_questions = [zypper.updates_question(), zypper.patches_question(), zypper_run.preview_question()]
    assert all("--no-refresh" in question.command.argv for question in zypper_questions)


@given(names, names)
def test_a_package_is_read_as_it_is_written(name: str, arch: str) -> None:
    package = Package(name, arch.replace("-", "").replace(".", "") or "noarch", "2:1.0~rc1-3.el9")
    assert rpm.split_nevra(rpm.nevra(package)) == package


# ---- what waits


def simulate(offers: list[Offer], advisories: list[Advisory], advised: set[str], **reasons: object) -> list[object]:
    before = installed(Package("beta", "noarch", "1.0-1"), Package("gamma", "noarch", "1.0-1"))
    planned = (Transaction(), Reasons(**reasons))  # type: ignore[arg-type]  # the fields of Reasons
    return list(make_simulation(offers, advisories, advised, before, planned).pending)


def test_an_advisory_for_an_older_version_still_makes_the_newest_a_security_update() -> None:
    """gamma 1.1 mends the hole and gamma 1.2 is offered: who compares whole names says "no security update"."""
    advisory = Advisory("LAB-4", security=True, severity="Moderate", packages=frozenset({"gamma.noarch"}))
    (pending,) = simulate([Offer(GAMMA, "updates")], [advisory], {"updates"})
    assert (pending.security, pending.advisories, pending.severity) == (True, ("LAB-4",), "Moderate")  # type: ignore[attr-defined]  # of an update, as found


def test_without_advisories_in_its_repository_nobody_knows_if_an_update_is_for_security() -> None:
    (pending,) = simulate([Offer(BETA, "thirdparty")], [], {"updates"})
    assert pending.security is None  # type: ignore[attr-defined]  # of an update, as found


def test_with_advisories_in_its_repository_an_update_without_one_is_no_security_update() -> None:
    (pending,) = simulate([Offer(BETA, "updates")], [], {"updates"})
    assert pending.security is False  # type: ignore[attr-defined]  # of an update, as found


def test_the_worst_of_several_severities_is_told() -> None:
    one = Advisory("A", security=True, severity="moderate", packages=frozenset({"beta"}))
    two = Advisory("B", security=True, severity="Critical", packages=frozenset({"beta.noarch"}))
    (pending,) = simulate([Offer(BETA, "updates")], [one, two], {"updates"})
    assert pending.severity == "Critical"  # type: ignore[attr-defined]  # of an update, as found


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ({"held": ["be*"]}, KeptReason.HELD),
        ({"pinned": ["beta:noarch"]}, KeptReason.PINNED),
        ({"broken": {"beta:noarch": "nothing provides x"}}, KeptReason.BROKEN),
        ({}, KeptReason.UNKNOWN),
    ],
)
def test_what_is_offered_and_not_planned_is_kept_with_a_reason(
    reasons: dict[str, object], expected: KeptReason
) -> None:
    before = installed(Package("beta", "noarch", "1.0-1"))
    planned = (Transaction(), Reasons(**reasons))  # type: ignore[arg-type]  # the fields of Reasons
    simulation = make_simulation([Offer(BETA, "updates")], [], set(), before, planned)
    assert [(kept.name, kept.reason) for kept in simulation.kept] == [("beta:noarch", expected)]


@given(st.lists(names, unique=True, max_size=5), st.lists(names, unique=True, max_size=5))
def test_every_offer_is_either_planned_or_kept(offered: list[str], planned: list[str]) -> None:
    """Nothing that waits may vanish between the list and the plan."""
    offers = [Offer(Package(name, "noarch", "2-1"), "r") for name in offered]
    before = installed(*(Package(name, "noarch", "1-1") for name in {*offered, *planned}))
    transaction = Transaction(upgrade=tuple(Change(name, "noarch", "1-1", "2-1") for name in planned))
    simulation = make_simulation(offers, [], set(), before, (transaction, Reasons()))
    kept = {kept.name for kept in simulation.kept}
    assert {one.label for one in simulation.pending} == {f"{name}:noarch" for name in offered}
    assert kept == {f"{name}:noarch" for name in set(offered) - set(planned)}


# ---- what a run came to, from recorded runs


def test_a_skipped_package_is_a_failure_although_dnf_ended_with_0() -> None:
    run = recorded("dnf-explain-best-unset-skips")
    planned = Transaction(
        upgrade=(Change("alpha", "noarch", "1.0-1", "1.1-1"), Change("broken", "noarch", "1.0-1", "1.1-1"))
    )
    outcome = judge_outcome(planned, database("rpm-database"), database("rpm-database-after-skip"))
    assert (run.exit_status, "Complete!" in run.text) == (0, True)
    assert [miss.label for miss in outcome.failed] == ["broken:noarch"]
    assert not outcome.succeeded


def test_a_failed_post_script_is_a_failure_although_dnf_ended_with_0() -> None:
    run = recorded("dnf-scripts-post-failed")
    after = installed(Package("postfail", "noarch", "1.1-1"))
    before = installed(Package("postfail", "noarch", "1.0-1"))
    planned = upgrade("postfail", "1.0-1", "1.1-1")
    assert judge_outcome(planned, before, after).succeeded, "the database alone sees nothing wrong"
    outcome = judge_outcome(planned, before, rpm.with_failed_scripts(after, run.text + run.error_text))
    assert run.exit_status == 0
    assert [(miss.label, rpm.SCRIPT_FAILED in miss.found) for miss in outcome.failed] == [("postfail:noarch", True)]


def test_a_failed_run_may_have_done_half_of_it() -> None:
    planned = Transaction(
        upgrade=(Change("beta", "noarch", "1.0-1", "1.1-1"), Change("prefail", "noarch", "1.0-1", "1.1-1"))
    )
    outcome = judge_outcome(planned, database("rpm-database"), database("rpm-database-after-pre-failed"))
    assert recorded("dnf-explain-pre-script-failed").exit_status == 1
    assert [package.name for package in outcome.done] == ["beta"]
    assert [miss.label for miss in outcome.failed] == ["prefail:noarch"]


def test_a_killed_run_is_no_success_although_the_new_version_is_there() -> None:
    after = database("rpm-database-killed")
    assert Package("slow", "noarch", "1.1-1") in after.packages
    outcome = judge_outcome(upgrade("slow", "1.0-1", "1.1-1"), database("rpm-database"), after)
    assert not outcome.succeeded
    assert {entry.mark for entry in after.broken} == {rpm.DUPLICATE}


def test_two_kernels_are_no_duplicate() -> None:
    kernels = database("rpm-database-two-kernels").of("kernel-core", "noarch")
    assert [entry.state for entry in kernels] == [State.INSTALLED, State.INSTALLED]


def test_duplicates_are_mended_by_removing_them() -> None:
    integrity = dnf_run.parse_integrity(
        recorded("dnf-integrity-killed"), answer_of(load(FOLDER / "dnf-integrity-killed.yaml")["second"])
    )
    assert not isinstance(integrity, Finding)
    assert [command.argv[-2:] for command in dnf_run.recovery_commands(integrity)] == [("remove", "--duplicates")]


def test_duplicates_of_dnf5_are_mended_in_the_same_way() -> None:
    integrity = dnf5_run.parse_integrity(
        recorded("dnf5-integrity-killed"), answer_of(load(FOLDER / "dnf5-integrity-killed.yaml")["second"])
    )
    assert not isinstance(integrity, Finding)
    assert [command.argv for command in dnf5_run.recovery_commands(integrity)] == [
        ("dnf5", "-y", "remove", "--duplicates")
    ]
    assert dnf5_run.recovery_commands(Integrity()) == ()


def test_a_failed_script_of_dnf5_is_a_failure_of_its_package_alone() -> None:
    run = recorded("dnf5-scripts-pre-failed")
    before = installed(Package("alpha", "noarch", "1.0-1"), Package("prefail", "noarch", "1.0-1"))
    after = installed(Package("alpha", "noarch", "1.1-1"), Package("prefail", "noarch", "1.0-1"))
    planned = Transaction(
        upgrade=(Change("alpha", "noarch", "1.0-1", "1.1-1"), Change("prefail", "noarch", "1.0-1", "1.1-1"))
    )
    outcome = judge_outcome(planned, before, rpm.with_failed_scripts(after, run.text + run.error_text))
    assert [package.name for package in outcome.done] == ["alpha"]
    assert [miss.label for miss in outcome.failed] == ["prefail:noarch"]


@given(st.lists(st.sampled_from(["alpha", "beta", "gamma"]), min_size=1, unique=True))
def test_dnf5_does_in_a_run_what_it_was_asked_in_the_preview(names: list[str]) -> None:
    targets = [Package(name, "noarch", "1:1.1-1") for name in names]
    asked = dnf5_run.preview_question(targets).command.argv
    done = dnf5_run.apply_command(targets).argv
    assert asked[asked.index("--assumeno") + 1 :] == done[done.index("-y") + 1 :]
    assert "--setopt=best=1" in done


def test_a_run_that_ended_with_103_is_to_be_repeated() -> None:
    assert [status for status in range(256) if zypper_run.must_repeat(status)] == [103]


@given(st.none() | st.integers(1, 300))
def test_no_exit_status_of_zypper_but_0_is_nothing_to_speak_of(status: int | None) -> None:
    assert zypper_run.explain(status) is not None


def test_locks_of_the_host_are_marked_in_the_database() -> None:
    found = rpm.parse_database(recorded("rpm-database"), held=["kernel*", "gamma"])
    assert isinstance(found, Database)
    assert found.holds == {"kernel-core:noarch", "gamma:noarch"}


# ---- half answers are never read as whole ones


@pytest.mark.parametrize("path", sorted(FOLDER.glob("dnf-preview-all.yaml")), ids=lambda path: path.stem)
def test_a_plan_of_which_a_row_is_missing_is_no_plan(path: Path) -> None:
    case = dict(load(path))
    case["stdout"] = case["stdout"].replace(
        next(line for line in case["stdout"].splitlines() if line.startswith(" beta ")) + "\n", ""
    )
    found = dnf_run.parse_preview(answer_of(case), database("rpm-database"))
    assert isinstance(found, Finding)
    assert "it counts" in found.message


def test_a_section_that_is_not_known_is_no_plan() -> None:
    case = dict(load(FOLDER / "dnf-preview-all.yaml"))
    case["stdout"] = case["stdout"].replace("Upgrading:", "Enabling module streams:")
    assert isinstance(dnf_run.parse_preview(answer_of(case), database("rpm-database")), Finding)


def test_a_row_that_older_versions_wrap_is_read_as_one() -> None:
    case = dict(load(FOLDER / "dnf-preview-exact.yaml"))
    row = next(line for line in case["stdout"].splitlines() if line.startswith(" beta "))
    wrapped = " beta\n" + row.replace(" beta", "     ", 1)
    whole = dnf_run.parse_preview(answer_of(case), database("rpm-database"))
    case["stdout"] = case["stdout"].replace(row, wrapped)
    assert dnf_run.parse_preview(answer_of(case), database("rpm-database")) == whole


def test_a_list_of_packages_that_was_cut_is_no_list() -> None:
    case = dict(load(FOLDER / "rpm-database.yaml"))
    case["stdout"] = case["stdout"].partition("-- several --")[0]
    assert isinstance(rpm.parse_database(answer_of(case)), Finding)


def test_xml_with_declarations_is_not_read() -> None:
    case = dict(load(FOLDER / "zypper-updates.yaml"))
    case["stdout"] = case["stdout"].replace("<stream>", '<!DOCTYPE stream [<!ENTITY a "b">]>\n<stream>', 1)
    assert isinstance(zypper.parse_updates(answer_of(case)), Finding)


# ---- which manager


@given(
    st.sampled_from(["", "debian", "rocky", "fedora", "sles", "alpine", "other"]),
    st.frozensets(st.sampled_from(["apt-get", "dnf5", "dnf", "yum", "zypper", "apk", "ostree"])),
    st.sampled_from(["", "4.14.0", "dnf5 version 5.2.8.1", "nonsense"]),
)
def test_a_manager_that_is_not_there_is_never_chosen(system: str, programs: frozenset[str], said: str) -> None:
    chosen = manager.choose(manager.Probe(system, (), programs, said))
    if isinstance(chosen, manager.Choice):
        accepted = {"apt": {"apt-get"}, "dnf5": {"dnf5", "dnf"}}.get(chosen.name, {chosen.name})
        assert accepted & programs
        assert "ostree" not in programs
    else:
        assert chosen.rule == "patch-tool-missing"


def test_the_run_of_apk_is_given_its_names_and_every_step_of_its_plan() -> None:
    plan = Transaction(
        upgrade=(Change("busybox", "", "1.0-r0", "1.1-r0"),),
        new_dependencies=(Package("libnew", "", "1.0-r0"),),
        remove=(Package("libold", "", "0.9-r0"),),
    )
    command = apk_run.apply_command([Package("busybox", "", "1.1-r0")], plan)
    assert command.argv[4:] == (
        "busybox",
        "Installing/libnew/1.0-r0",
        "Purging/libold/0.9-r0",
        "Upgrading/busybox/1.1-r0",
    )


def test_the_run_of_apk_does_nothing_without_a_name(tmp_path: Path) -> None:
    tool = tmp_path / "apk"
    tool.write_text('#!/bin/sh\necho called >"$0.log"\n', encoding="utf-8")
    tool.chmod(0o755)
    argv = apk_run.apply_command([], Transaction()).argv
    done = subprocess.run(argv, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert done.returncode == 64
    assert not (tmp_path / "apk.log").exists()
