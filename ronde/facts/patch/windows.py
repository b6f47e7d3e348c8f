"""Questions to Windows Update over OpenSSH and what the answers mean; not verified on Windows.

Windows refuses to search, download or install for a network logon, which an SSH session is (E_ACCESSDENIED), and its
children die with the session. So a job runs as a scheduled task of SYSTEM and leaves its result in a file: start, poll,
delete. Every step may be repeated; a job is started once.

An update is named by its identity (a GUID) and revision: the identity is the package, the revision its version.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ronde.facts.patch.reading import common_failure, cut, not_understood
from ronde.facts.patch.windows_scripts import DELETE, FOLDER, JOB, LAUNCHER, POLL, START
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable, instant, items, loads, mapping, text, whole, words
from ronde.model.check import Finding, Json
from ronde.model.command import Answer, Command
from ronde.model.patch.outcome import Miss, Outcome
from ronde.model.patch.packages import Kept, KeptReason, Package, Pending, Simulation, Transaction
from ronde.model.patch.reboot import Signal
from ronde.model.patch.thresholds import critical, unknown

CALL_LIMIT = 120.0  # seconds for one step; PowerShell alone may take ten to start
IDLE_LIMIT = 60.0  # about one host in thirty hangs in mid session (ansible.windows issue 838)
SEARCH_LIMIT_S, INSTALL_LIMIT_S = 3600, 4 * 3600
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_SIGNATURES = frozenset({"KB2267602", "KB4052623"})  # Defender: always another one pending
_SIGNATURE_CATEGORY = "Definition Updates"
_SECURITY_CATEGORY = "Security Updates"
_CODES = {0: "not started", 1: "in progress", 3: "installed with errors", 4: "failed", 5: "aborted"}
_DONE = 2
NEVER_RUN = "0x00041303"  # SCHED_S_TASK_HAS_NOT_RUN: what the task scheduler says of a task that was never started
# What tells one offer of a monthly series from the next; what is left names the series.
_OF_THE_MONTH = re.compile(r"\b\d{4}-\d{2}\b|\(?\bKB\d+\b\)?|\(Version [\d.]+\)", re.IGNORECASE)


class State(StrEnum):
    STARTED = "started"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"  # it neither runs nor has left a result
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Update:
    """One update that Windows offers; `hidden` by somebody on the host, who does not want it there."""

    id: str
    revision: int
    title: str
    kb: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    severity: str = ""
    cves: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def called(self) -> str:
        """What people call it: its title, with its articles where the title does not name them."""
        unnamed = [article for article in self.kb if article not in self.title]
        return f"{self.title} ({', '.join(unnamed)})" if unnamed else self.title

    @property
    def series(self) -> str:
        """What month after month replaces itself under a new identity: the hole is as old as its first offer."""
        return " ".join(_OF_THE_MONTH.sub(" ", self.title).split())

    @property
    def package(self) -> Package:
        return Package(self.id, "", str(self.revision))

    @property
    def signature(self) -> bool:
        """Virus signatures come several times a day and by themselves: never part of a patch round."""
        return bool(_SIGNATURES & set(self.kb)) or _SIGNATURE_CATEGORY in self.categories


@dataclass(frozen=True, slots=True)
class Result:
    """What a job left.

    Attributes:
        updates: everything offered when it began, signatures included.
        results: by (identity, revision): Windows' result code (None: no longer offered) and its HRESULT.
        boot: when the host was last started; its change is the proof of a reboot.
        complete: whether the search itself succeeded, so that an absent update is not offered; `error` why it did not.
        system, version: the host's name of its Windows and its number (`10.0.20348`); empty when not told.
    """

    job: str
    ended: datetime
    boot: datetime
    reboot: Signal
    complete: bool
    updates: tuple[Update, ...] = ()
    results: Mapping[tuple[str, int], tuple[int | None, str]] = field(default_factory=dict)
    error: str = ""
    system: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job is; the result once it is done, the task scheduler's code when it is dead."""

    state: State
    result: Result | None = None
    code: str = ""


def search_question(job: str) -> Question:
    """Starts a job that only looks."""
    return _start(job, "search", (), SEARCH_LIMIT_S)


def install_question(job: str, targets: Sequence[Package]) -> Question:
    """Starts a job that installs exactly these."""
    return _start(job, "install", targets, INSTALL_LIMIT_S)


def poll_question(job: str) -> Question:
    return call(POLL, {"id": _checked(job), "folder": FOLDER}, f"the state of scheduled task Ronde-{job}")


def delete_question(job: str, *, stop: bool = False) -> Question:
    """`stop`: a job that still runs is ended first; only for one that changes nothing."""
    order: dict[str, Json] = {"id": _checked(job), "folder": FOLDER, "stop": stop}
    return call(DELETE, order, f"delete scheduled task Ronde-{job}")


def _start(job: str, mode: str, targets: Sequence[Package], limit: int) -> Question:
    updates: list[Json] = [{"id": package.name, "revision": int(package.version)} for package in targets]
    order: dict[str, Json] = {"id": _checked(job), "folder": FOLDER, "mode": mode, "limit": limit, "updates": updates}
    return call(START, {**order, "job": JOB}, f"start scheduled task Ronde-{job} ({mode} with Windows Update)")


def _checked(job: str) -> str:
    """A job's id becomes a file name and the name of a task.

    Raises:
        ValueError: it is not letters, digits and dashes.
    """
    if not _ID.fullmatch(job):
        raise ValueError(f"not a job's id: {job!r}")
    return job


def call(script: str, parameters: Mapping[str, Json], shown: str) -> Question:
    """The fixed launcher as `-EncodedCommand` (base64 of UTF-16LE), script and values as ASCII JSON on standard input.

    Without `env` in front, which Windows has not; every word is safe for cmd and for PowerShell as the default shell.
    """
    encoded = base64.b64encode(LAUNCHER.encode("utf-16-le")).decode("ascii")
    argv = ("powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded)
    order = json.dumps({"script": script, "parameters": parameters}, ensure_ascii=True).encode("ascii")
    command = Command(argv, stdin=order, timeout=CALL_LIMIT, idle=IDLE_LIMIT, env=())
    return Question(command, f"powershell: {shown}")


def parse_progress(answer: Answer, job: str) -> Progress | Finding:
    """What any of the three steps answered about the job."""
    if answer.exit_status != 0 or answer.truncated:
        return cut(answer) or common_failure("powershell", answer) or not_understood("powershell", answer)
    try:
        said = mapping(loads(answer.text.lstrip("\ufeff")))
        if said.get("state") == "error":
            return refused(text(said, "error"), text(said, "code", ""))
        state = State(text(said, "state"))
        result = _result(mapping(said.get("result")), job) if "result" in said else None
        return Progress(state, result, text(said, "code", ""))
    except (Unreadable, ValueError) as error:
        return not_understood("powershell", answer, str(error))


def refused(message: str, code: str) -> Finding:
    rule = "patch-denied" if code.lower() == "0x80070005" else "patch-not-understood"
    return unknown(rule, f"Windows refused: {message} ({code})", code=code)


def _result(said: Mapping[str, Any], job: str) -> Result:
    if said.get("schema") != 1 or said.get("id") != job:
        raise Unreadable(f"a result of {said.get('id')!r} with schema {said.get('schema')!r}")
    host, error = mapping(said.get("host")), said.get("error")
    return Result(
        job=job,
        ended=instant(said.get("ended")),
        boot=instant(host.get("boot")),
        reboot=_reboot(mapping(said.get("reboot"))),
        complete=error is None and said.get("code") == _DONE,
        updates=tuple(_update(mapping(entry)) for entry in items(said.get("updates"))),
        results={_key(mapping(entry)): _outcome(mapping(entry)) for entry in items(said.get("results"))},
        error="" if error is None else " ".join(str(word) for word in mapping(error).values()),
        system=text(host, "caption", ""),
        version=text(host, "version", ""),
    )


def _update(entry: Mapping[str, Any]) -> Update:
    return Update(
        id=text(entry, "id"),
        revision=whole(entry, "revision"),
        title=text(entry, "title"),
        kb=words(entry, "kb"),
        categories=words(entry, "categories"),
        severity=text(entry, "severity", ""),
        cves=words(entry, "cves"),
        hidden=entry.get("hidden") is True,
    )


def _key(entry: Mapping[str, Any]) -> tuple[str, int]:
    return text(entry, "id"), whole(entry, "revision")


def _outcome(entry: Mapping[str, Any]) -> tuple[int | None, str]:
    return (None if entry.get("code") is None else whole(entry, "code")), str(entry.get("hresult") or "")


def _reboot(said: Mapping[str, Any]) -> Signal:
    """Windows Update's and the servicing stack's own marks decide.

    Files that wait to be renamed at the next start are no reason by themselves: printers and virus scanners leave such
    all the time (PatchMon issues 772, 881).
    """
    marks = [said.get(name) for name in ("wu", "cbs")]
    if not all(isinstance(mark, bool) for mark in marks):
        raise Unreadable(f"reboot marks {marks!r}")
    evidence = f"RebootRequired {marks[0]}, RebootPending {marks[1]}, files to rename {said.get('renames')}"
    if any(marks):
        return Signal("windows", needed=True, reason="Windows waits for a restart.", evidence=evidence)
    return Signal("windows", needed=False, reason="Neither Windows Update nor servicing waits.", evidence=evidence)


def simulation_of(result: Result) -> Simulation | Finding:
    """What waits, without virus signatures. A search that failed says nothing about what waits."""
    if not result.complete:
        why = f" {result.error}" if result.error else ""
        return unknown("patch-not-understood", f"Windows' search for updates did not succeed.{why}")
    offered = [update for update in result.updates if not update.signature]
    hidden = [Kept(one.id, KeptReason.HELD, f"{one.called} is hidden on the host") for one in offered if one.hidden]
    pending = tuple(
        Pending(
            name=update.id,
            arch="",
            installed="",
            candidate=str(update.revision),
            security=_SECURITY_CATEGORY in update.categories or bool(update.severity),
            origins=("Windows Update",),
            advisories=update.kb,
            cves=update.cves,
            severity=update.severity,
            title=update.called,
            series=update.series,
        )
        for update in offered
    )
    wanted = tuple(update.package for update in offered if not update.hidden)
    return Simulation(Transaction(install=wanted), pending, tuple(hidden))


def judge_install(planned: Sequence[Package], result: Result | None) -> Outcome:
    """The outcome of an install job: an update is done when Windows says "succeeded" (2) of exactly this one.

    "Succeeded with errors" (3) is not done, and an update without any result failed. Without a result nothing is known.
    """
    if result is None:
        message = "What the run came to cannot be told: the job left no result."
        return Outcome(known=False, findings=(unknown("patch-outcome-unknown", message),))
    titles = {(update.id, update.revision): update.title for update in result.updates}
    done, failed, findings = [], [], []
    for package in sorted(planned):
        key = (package.name, int(package.version))
        code, hresult = result.results.get(key, (None, ""))
        if code == _DONE:
            done.append(package)
            continue
        found = _CODES.get(code, f"result code {code}") if code is not None else "not offered any more"
        failed.append(Miss(package.label, package.version, f"{found} {hresult}".strip()))
        message = f"{titles.get(key, package.label)}: {found} {hresult}".strip()
        findings.append(critical("patch-package-failed", message, package=package.label, hresult=hresult))
    return Outcome(done=tuple(done), failed=tuple(failed), findings=tuple(findings))
