"""Captured answers of apt and dpkg against what is made of them; add a case by adding a file.

A case may name the naive rule that it defeats: by that rule the answer looks like good news, and it is none.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ronde.facts.patch import apt, apt_locks, apt_run, apt_simulation, apt_waiting, dpkg, health, kernel, needrestart
from ronde.facts.patch.leftovers import parse_leftovers
from ronde.facts.patch.release import parse_release
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Audit, Leftovers, Manager, Metadata, OldServices, Release
from ronde.model.patch.conclusion import judge_integrity, judge_metadata
from ronde.model.patch.health import Load
from ronde.model.patch.outcome import Outcome, judge_outcome
from ronde.model.patch.packages import Change, Database, Simulation, Transaction
from ronde.model.patch.reboot import Signal
from ronde.model.verdict import Verdict, worst

CASES = sorted((Path(__file__).parents[2] / "cases" / "patch").glob("apt-*.yaml"))
AT = datetime(2026, 11, 27, 22, tzinfo=UTC)
Case = Mapping[str, Any]


def load(path: Path) -> Case:
    return dict(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


def answer_of(raw: Case) -> Answer:
    said = (raw.get("stdout", "").encode(), raw.get("stderr", "").encode())
    return Answer(Command(("tool",)), raw["exit_status"], *said, AT, AT, truncated=raw.get("truncated", False))


def known(piece: Any) -> Any:
    assert not isinstance(piece, Finding), piece
    return piece


def refresh(answer: Answer, version: str) -> Any:
    manager = Manager("apt", tuple(map(int, (version or "2.6.2").split("."))))
    return apt.parse_refresh(answer, manager)


def sources(answer: Answer, _: str) -> Any:
    return apt.metadata(apt.parse_sources(answer), (), answer), apt.parse_sources(answer)


ONE_ANSWER: Mapping[str, Callable[[Answer, str], Any]] = {
    "version": lambda answer, _: apt.parse_version(answer),
    "refresh": refresh,
    "sources": sources,
    "names": lambda answer, _: apt.parse_names(answer),
    "run": lambda answer, _: apt_simulation.parse_run(answer),
    "explain": lambda answer, _: apt_run.explain(answer),
    "database": lambda answer, _: dpkg.parse_database(answer),
    "leftovers": lambda answer, _: parse_leftovers(answer),
    "holders": lambda answer, _: apt_locks.parse_holders(answer),
    "kernel": lambda answer, _: kernel.parse_kernel(answer),
    "marker": lambda answer, _: kernel.parse_marker(answer),
    "restart": lambda answer, _: needrestart.parse_restart(answer),
    "scan": lambda answer, _: needrestart.parse_scan(answer),
    "release": lambda answer, _: parse_release(answer),
    "units": lambda answer, _: health.parse_units(answer),
    "sockets": lambda answer, _: health.parse_sockets(answer),
    "mounts": lambda answer, _: health.parse_mounts(answer),
    "load": lambda answer, _: health.parse_load(answer),
}


def look(answers: Mapping[str, Answer]) -> Simulation:
    names = ("planned", "unphased", "free", "unpinned")
    found = known(apt.parse_sources(answers["sources"]))
    return apt_waiting.simulation(
        apt_waiting.Look(
            known(apt_simulation.parse_runs(*(answers[name] for name in names))),
            known(apt_waiting.parse_versions(answers["versions"], found)),
            found,
            known(apt.parse_names(answers["held"])),
            known(dpkg.parse_database(answers["database"])),
        )
    )


def integrity(answers: Mapping[str, Answer]) -> tuple[Finding, ...]:
    holders = apt_locks.parse_holders(answers["holders"])
    piece = dpkg.parse_integrity(answers["journal"], answers["audit"], answers["check"], holders)
    audit = Audit(integrity=piece, database=dpkg.parse_database(answers["database"]))
    return (*judge_integrity(audit), *([piece] if isinstance(piece, Finding) else []))


def outcome(answers: Mapping[str, Answer], plan: Case) -> Outcome:
    planned = Transaction(upgrade=tuple(Change(*words) for words in plan.get("upgrade", [])))
    return judge_outcome(planned, *(dpkg.parse_database(answers[name]) for name in ("before", "after")))


def read(case: Case) -> Any:
    question, _, version = case["question"].partition(" ")
    if "answers" not in case:
        return ONE_ANSWER[question](answer_of(case), version)
    raw = dict(case["answers"])
    plan = raw.pop("plan", {})
    answers = {name: answer_of(one) for name, one in raw.items()}
    if question == "waiting":
        return look(answers)
    return integrity(answers) if question == "integrity" else outcome(answers, plan)


def summary(fact: Any) -> dict[str, Any]:
    """What a fact says, in the words of the case files."""
    for kind, say in SAYS:
        if isinstance(fact, kind):
            return say(fact)
    raise AssertionError(fact)


def _pair(fact: Any) -> dict[str, Any]:
    match fact:
        case (Metadata() as metadata, (*found,)):
            told = [" ".join([s.vendor, s.archive, s.label, *["*"] * s.security]) for s in found]
            return {"sources": told, "rules": sorted({one.rule for one in judge_metadata(metadata, AT)})}
        case (Signal() as signal, OldServices(services, others)):
            return {"needed": signal.needed, "services": list(services), "others": len(others)}
    return _listed(fact)


def _listed(fact: Any) -> dict[str, Any]:
    """A tuple of one kind of value; of none at all it is whatever the case asks for."""
    if any(isinstance(one, Finding) for one in fact):
        severities = {str(one.severity) for one in fact}
        return {"rules": sorted({one.rule for one in fact}), "severity": ", ".join(sorted(severities))}
    return {
        "rules": [],
        "faults": [getattr(one, "name", "") for one in fact],
        "release_changed": any(getattr(one, "release_changed", False) for one in fact),
        "holders": [re.sub(r";.*", "", one) for one in fact if isinstance(one, str)],
        "mounts": [f"{m.place} {m.kind} {m.size} {m.free}" for m in fact if hasattr(m, "kind")],
    }


def _set(fact: frozenset[Any]) -> dict[str, Any]:
    words = sorted(map(str, fact))
    return {"names": words, "sockets": words, "units": words}


def _database(fact: Database) -> dict[str, Any]:
    return {
        "installed": sorted(package.label for package in fact.healthy),
        "broken": [entry.package.label for entry in fact.broken],
        "held": sorted(fact.holds),
    }


def _simulation(fact: Simulation) -> dict[str, Any]:
    return {
        "pending": {one.label: one.security for one in fact.pending},
        "kept": {one.name: str(one.reason) for one in fact.kept},
        "new": [package.label for package in fact.transaction.new_dependencies],
        "upgrade": len(fact.transaction.upgrade),
    }


def _run(fact: apt_simulation.Run) -> dict[str, Any]:
    goes = [list(pair) for pair in fact.goes]
    kept, deferred = sorted(fact.kept), sorted(fact.deferred)
    return {"steps": len(fact.steps), "goes": goes, "kept": kept, "deferred": deferred}


def _release(fact: Release) -> dict[str, Any]:
    end = fact.end_of_life.isoformat() if fact.end_of_life else None
    return {"id": fact.id, "version": fact.version, "end_of_life": end}


def _outcome(fact: Outcome) -> dict[str, Any]:
    return {
        "done": [package.label for package in fact.done],
        "failed": [miss.label for miss in fact.failed],
        "marks": [miss.found for miss in fact.failed],
        "rules": sorted({one.rule for one in fact.findings}),
    }


SAYS: tuple[tuple[type, Callable[[Any], dict[str, Any]]], ...] = (
    (Finding, lambda one: {"rule": one.rule, "severity": str(one.severity), "says": one.message}),
    (Signal, lambda one: {"needed": one.needed, "settles": one.settles, "says": one.reason}),
    (Manager, lambda one: {"version": list(one.version)}),
    (Leftovers, lambda one: {"paths": list(one.paths)}),
    (OldServices, lambda one: {"services": list(one.services), "others": len(one.others)}),
    (Load, lambda one: {"processors": one.processors}),
    (Simulation, _simulation),
    (apt_simulation.Run, _run),
    (Database, _database),
    (Release, _release),
    (Outcome, _outcome),
    (frozenset, _set),
    (tuple, _pair),
)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_an_answer_is_read_as_its_case_says(path: Path) -> None:
    case = load(path)

    said = summary(read(case))

    expected = dict(case["expect"])
    assert expected.pop("says", "") in said.get("says", "")
    assert set(expected.pop("has", [])) <= set(said.get("names", []))
    assert not set(expected.pop("lacks", [])) & set(said.get("names", []))
    told = [text.split(" (process")[0] for text in said.get("holders", [])]
    assert [str(one) for one in expected.pop("holders", told)] == told
    assert {key: said.get(key) for key in expected} == expected


def _last_origin(case: Case) -> bool:
    """The candidate's last origin is no security archive for something that is a security update."""
    lines = re.findall(r"^Inst (\S+) .* (\S+) \[all\]\)", case["answers"]["planned"]["stdout"], re.MULTILINE)
    secure = {f"{name}:all" for name, origin in lines if "ecurity" in origin}
    return secure < {name for name, security in case["expect"]["pending"].items() if security}


def _plan_tells_all(case: Case) -> bool:
    shown = set(re.findall(r"^Inst (\S+)", case["answers"]["planned"]["stdout"], re.MULTILINE))
    return not {name.partition(":")[0] for name, security in case["expect"]["pending"].items() if security} <= shown


def _text_order(case: Case) -> bool:
    lines = case["stdout"].splitlines()
    newest = max(re.findall(r"linux-image-(\d\S*)", case["stdout"]))
    return bool(newest == lines[0])


def _wrongly_failed(case: Case) -> bool:
    return case["answers"]["run"]["exit_status"] != 0 and bool(case["expect"]["done"])


# What each naive rule would take for good news (or, of a whole run, for bad); all are rules that tools really use.
NAIVE: Mapping[str, Callable[[Case], bool]] = {
    "status 0 is success": lambda case: case["exit_status"] == 0,
    "dpkg --audit tells": lambda case: not case["answers"]["audit"].get("stdout"),
    "apt-get check tells": lambda case: case["answers"]["check"]["exit_status"] == 0,
    "the candidate's last origin tells": _last_origin,
    "the plan shows every security update": _plan_tells_all,
    "what is installed is all there is": lambda case: "0 newly installed" in case["stdout"],
    "the exit status is the outcome of all": _wrongly_failed,
    "ii is success": lambda case: "ii \tbadpre\t" in case["answers"]["after"]["stdout"],
    "the planned packages are all that counts": lambda case: not case["answers"]["plan"],
    "only 2 and 3 are yes, the rest is no": lambda case: not re.search(r"KSTA: [23]", case["stdout"]),
    "no service named is none": lambda case: "SVC" not in case.get("stdout", "") + case.get("stderr", ""),
    "text order": _text_order,
    "the release is the kernel": lambda case: f"linux-image-{case['stdout'].splitlines()[0]}\t" in case["stdout"],
}


@pytest.mark.parametrize("path", [path for path in CASES if "naive" in load(path)], ids=lambda path: path.stem)
def test_the_naive_rule_would_have_been_wrong(path: Path) -> None:
    case = load(path)
    assert NAIVE[case["naive"]](case)
    fact = read(case)
    findings = fact if isinstance(fact, tuple) and fact and isinstance(fact[0], Finding) else ()
    assert not findings or worst(one.severity.verdict for one in findings) is not Verdict.OK


def test_every_naive_rule_is_met_and_there_are_cases() -> None:
    assert {load(path)["naive"] for path in CASES if "naive" in load(path)} == set(NAIVE)
    assert len(CASES) >= 60
