"""Answers of dnf, zypper and apk against what the parsers make of them; add a case by adding a file.

`source` says where an answer comes from: recorded from a real tool, or written after its documentation.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ronde.facts.patch import apk, apk_run, dnf, dnf5, dnf5_run, dnf_run, manager, rpm, windows, zypper, zypper_run
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import RepositoryFault
from ronde.model.patch.packages import Database, Entry, Package
from tests.unit.facts.telling import summary

FOLDER = Path(__file__).parents[2] / "cases" / "patch"
TOOLS = ("apk", "dnf", "dnf5", "manager", "rpm", "windows", "zypper")
CASES = sorted(path for tool in TOOLS for path in FOLDER.glob(f"{tool}-*.yaml"))
AT = datetime(2026, 11, 27, 20, tzinfo=UTC)
JOB = "job-1"
Case = Mapping[str, Any]


def load(path: Path) -> Case:
    return dict(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


def answer_of(case: Case) -> Answer:
    said = (case.get("stdout", "").encode(), case.get("stderr", "").encode())
    return Answer(Command(("tool",)), case["exit_status"], *said, AT, AT, truncated=case.get("truncated", False))


def database_of(case: Case) -> Database:
    """`installed` lists what is there, as `name-version-release.arch`."""
    packages = [rpm.split_nevra(text) for text in case.get("installed", ())]
    return Database(tuple(Entry(package) for package in packages if package))


def faults_of(case: Case) -> tuple[RepositoryFault, ...]:
    return tuple(RepositoryFault(name, "gone") for name in case.get("faults", ()))


def choose(answer: Answer) -> object:
    probe = manager.parse_probe(answer)
    return manager.choose(probe) if isinstance(probe, manager.Probe) else probe


def progress_of(answer: Answer) -> windows.Progress:
    progress = windows.parse_progress(answer, JOB)
    assert isinstance(progress, windows.Progress)
    return progress


def result_of(answer: Answer) -> windows.Result:
    result = progress_of(answer).result
    assert result is not None
    return result


def install(answer: Answer, case: Case) -> object:
    planned = [Package(name, "", version) for name, version in (text.split() for text in case["planned"])]
    return windows.judge_install(planned, progress_of(answer).result)


def patches_of(case: Case) -> zypper.Patches:
    patches = zypper.parse_patches(answer_of(case))
    assert isinstance(patches, zypper.Patches)
    return patches


PARSERS: Mapping[tuple[str, str], Callable[[Answer, Case], object]] = {
    ("dnf", "version"): lambda answer, _: dnf.parse_version(answer),
    ("dnf", "refresh"): lambda answer, _: dnf.parse_refresh(answer),
    ("dnf", "repositories"): lambda answer, case: dnf.parse_repositories(answer, faults_of(case)),
    ("dnf", "upgrades"): lambda answer, _: dnf.parse_upgrades(answer),
    ("dnf", "advisories"): lambda answer, case: dnf.parse_advisories(answer, answer_of(case["second"])),
    ("dnf", "advised"): lambda answer, _: dnf.parse_advised(answer),
    ("dnf", "locks"): lambda answer, _: dnf.parse_locks(answer),
    ("dnf", "preview"): lambda answer, case: dnf_run.parse_preview(answer, database_of(case)),
    ("dnf", "explain"): lambda answer, _: dnf_run.explain(answer.exit_status, answer.text + answer.error_text),
    ("dnf", "scripts"): lambda answer, _: rpm.failed_scripts(answer.text + answer.error_text),
    ("dnf", "reboot"): lambda answer, _: dnf_run.parse_reboot(answer),
    ("dnf", "integrity"): lambda answer, case: dnf_run.parse_integrity(answer, answer_of(case["second"])),
    ("apk", "version"): lambda answer, _: apk.parse_version(answer),
    ("apk", "refresh"): lambda answer, _: apk.parse_refresh(answer),
    ("apk", "database"): lambda answer, _: apk.parse_database(answer),
    ("apk", "preview"): lambda answer, _: apk.parse_preview(answer),
    ("apk", "explain"): lambda answer, _: apk_run.explain(answer.exit_status, answer.text + answer.error_text),
    ("apk", "kernel"): lambda answer, _: apk.parse_kernel(answer),
    ("dnf5", "version"): lambda answer, _: dnf5.parse_version(answer),
    ("dnf5", "refresh"): lambda answer, _: dnf5.parse_refresh(answer),
    ("dnf5", "upgrades"): lambda answer, _: dnf5.parse_upgrades(answer),
    ("dnf5", "repositories"): lambda answer, case: dnf5.parse_repositories(answer, faults_of(case)),
    ("dnf5", "advisories"): lambda answer, case: dnf5.parse_advisories(answer, answer_of(case["second"])),
    ("dnf5", "advised"): lambda answer, _: dnf5.parse_advised(answer),
    ("dnf5", "locks"): lambda answer, _: dnf5.parse_locks(answer),
    ("dnf5", "preview"): lambda answer, case: dnf5_run.parse_preview(answer, database_of(case)),
    ("dnf5", "explain"): lambda answer, _: dnf5_run.explain(answer.exit_status, answer.text + answer.error_text),
    ("dnf5", "scripts"): lambda answer, _: rpm.failed_scripts(answer.text + answer.error_text),
    ("dnf5", "reboot"): lambda answer, _: dnf5_run.parse_reboot(answer),
    ("dnf5", "integrity"): lambda answer, case: dnf5_run.parse_integrity(answer, answer_of(case["second"])),
    ("manager", "choose"): lambda answer, _: choose(answer),
    ("windows", "progress"): lambda answer, _: windows.parse_progress(answer, JOB),
    ("windows", "waiting"): lambda answer, _: windows.simulation_of(result_of(answer)),
    ("windows", "reboot"): lambda answer, _: result_of(answer).reboot,
    ("windows", "install"): install,
    ("rpm", "database"): lambda answer, _: rpm.parse_database(answer),
    ("rpm", "kernel"): lambda answer, _: rpm.parse_kernel(answer),
    ("rpm", "holders"): lambda answer, _: rpm.parse_holders(answer),
    ("zypper", "version"): lambda answer, _: zypper.parse_version(answer),
    ("zypper", "refresh"): lambda answer, _: zypper.parse_refresh(answer),
    ("zypper", "repositories"): lambda answer, case: zypper.parse_repositories(answer, answer, faults_of(case)),
    ("zypper", "updates"): lambda answer, _: zypper.parse_updates(answer),
    ("zypper", "patches"): lambda answer, _: zypper.parse_patches(answer),
    ("zypper", "concerns"): lambda answer, case: zypper.parse_concerns(answer, patches_of(case["second"])),
    ("zypper", "carriers"): lambda answer, case: zypper.parse_carriers(answer, answer_of(case["second"])),
    ("zypper", "locks"): lambda answer, _: zypper.parse_locks(answer),
    ("zypper", "preview"): lambda answer, case: zypper_run.parse_preview(answer, database_of(case)),
    ("zypper", "explain"): lambda answer, _: zypper_run.explain(answer.exit_status),
    ("zypper", "scripts"): lambda answer, _: rpm.failed_scripts(answer.text + answer.error_text),
    ("zypper", "reboot"): lambda answer, _: zypper_run.parse_reboot(answer),
    ("zypper", "integrity"): lambda answer, _: zypper_run.parse_integrity(answer),
}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_an_answer_is_read_as_its_case_says(path: Path) -> None:
    case = load(path)

    said = summary(PARSERS[case["tool"], case["question"]](answer_of(case), case))

    expected = dict(case["expect"])
    assert expected.pop("says", "") in said.get("says", "")
    assert {key: said.get(key) for key in expected} == expected


def test_every_case_says_where_it_comes_from() -> None:
    sources = {path.stem: load(path)["source"] for path in CASES}
    assert {
        stem for stem, source in sources.items() if not source.startswith(("recorded from ", "written after "))
    } == set()


def test_there_are_cases() -> None:
    assert len(CASES) >= 60
