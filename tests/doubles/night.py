"""A client's night, built from little: the inventory of a town hall and records to put beside it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ronde.model.check import Finding, Json
from ronde.model.inventory import Client, Provider
from ronde.model.plan import Target, TargetKind
from ronde.model.records import CheckRecord, JobRecord, Trouble
from ronde.model.run import JobState
from ronde.model.verdict import Level, Severity, Verdict
from ronde.reports.material import NightMaterial, Period

NOW = datetime(2027, 1, 13, 6, 0, tzinfo=UTC)  # 07:00 in Paris
PERIOD = Period(NOW - timedelta(hours=24), NOW, "2027-01-13T0700")
AT = datetime(2027, 1, 13, 1, 5, tzinfo=UTC)
NEWEST = datetime(2027, 1, 13, 0, 58, tzinfo=UTC)
PROVIDER = Provider(
    name="Infogérance Témoin",
    sender="ronde@msp.example",
    reply_to="support@msp.example",
    phone="02 98 00 00 00",
)
SSH_KEY = "file:///etc/ronde/key"


def restic(name: str, **more: object) -> dict[str, object]:
    """A restic backup as the inventory writes it."""
    return {"name": name, "tool": "restic", "repository": f"/srv/restic/{name}", "password": "env://RESTIC"} | more


def dump(name: str) -> dict[str, object]:
    return {"name": name, "tool": "dump", "path": f"/var/backups/{name}/*.gz", "format": "pg_dump"}


def host(*backups: dict[str, object]) -> dict[str, object]:
    """A host with the given backups."""
    return {"address": "10.20.0.11", "user": "ronde", "key": SSH_KEY, "backups": backups}


VCENTER = {"address": "vc.commune.example", "user": "ronde", "password": "env://VC", "certificate": "vc1.pem"}


def client(
    hosts: Mapping[str, object] | None = None, *, vcenters: Mapping[str, object] | None = None, **more: object
) -> Client:
    """A client with two servers and no vCenter unless told otherwise."""
    if hosts is None:
        hosts = {
            "srv-fichiers": host(restic("documents", sample="1/20", check_window="04:00-06:00")),
            "srv-compta": host(dump("mairie-db")),
        }
    entry = {
        "client": "commune-exemple",
        "name": "Commune d'Exemple",
        "contacts": [{"name": "Service informatique", "email": "informatique@commune.example", "receives": ["night"]}],
        "hosts": hosts,
        "vcenters": vcenters or {},
        "schedules": {
            "night-backups": {"playbook": "backup/check", "at": "0 2 * * *"},
            "morning-report": {"report": "night", "at": "0 7 * * 1-5"},
        },
    }
    return Client.model_validate(entry | more)


def check(
    where: str,
    subject: str,
    kind: str = "restic",
    *findings: Finding,
    level: Level | None = Level.PRESENT,
    at: datetime = AT,
    facts: Mapping[str, Json] | None = None,
    job: str = "",
) -> CheckRecord:
    """A recorded check whose verdict follows from its findings and level, as the engine records it."""
    verdicts = [Verdict.UNKNOWN if level is None else Verdict.OK, *(one.severity.verdict for one in findings)]
    return CheckRecord(
        id=f"{where}/{kind}/{subject}",
        run="8f2c1a7be0d24c55",
        job=job or f"job-{where}",
        client="commune-exemple",
        host=where,
        subject=subject,
        kind=kind,
        verdict=max(verdicts, key=lambda one: one.rank),
        level=level,
        evidence_at=None if level is None else at,
        recorded_at=at + timedelta(minutes=1),
        findings=findings,
        facts={"newest": NEWEST.isoformat(), "proofs": proofs(level, at)} if facts is None else facts,
        objective={"max_age": "1d2h", "sample": "1/20"},
    )


def proofs(level: Level | None, at: datetime) -> dict[str, Json]:
    return {} if level is None else {str(int(rung)): at.isoformat() for rung in Level if rung <= level}


def job(
    where: str,
    state: JobState = JobState.SUCCEEDED,
    *,
    kind: TargetKind = TargetKind.HOST,
    trouble: Trouble | None = None,
    attempt: int = 1,
    ended: datetime = AT + timedelta(minutes=1),
) -> JobRecord:
    """The job behind the checks of one host or vCenter."""
    area = {TargetKind.HOST: "backup/check", TargetKind.VCENTER: "vsphere/snapshots"}
    return JobRecord(
        id=f"job-{where}",
        run="8f2c1a7be0d24c55",
        target=Target("commune-exemple", kind, where),
        playbook=area.get(kind, "report/night"),
        state=state,
        verdict=None,
        attempt=attempt,
        created_at=AT - timedelta(minutes=5),
        started_at=AT,
        finished_at=ended,
        trouble=trouble,
    )


def material(checks: Sequence[CheckRecord], jobs: Sequence[JobRecord], **more: object) -> NightMaterial:
    """The night's material; the job of each check must be among the jobs for it to count."""
    return NightMaterial(PERIOD, checks, jobs, **more)  # type: ignore[arg-type]  # the caller names NightMaterial's fields


def problem(rule: str, severity: Severity = Severity.CRITICAL, **evidence: Json) -> Finding:
    """A finding with a technician's message that no client should ever read."""
    return Finding(rule, severity, f"technician's words about {rule} in /srv/secret/path", evidence)
