"""What one step can do: the words of a playbook's steps, each with what it needs.

A text may hold `{{ expression }}` where its type is `Argv` or `Filled`. What an argument comes to is handed to the
program as that one argument; nothing is ever pasted into shell text.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from ronde.model.expressions import ExpressionError, parse_expression, parse_template
from ronde.model.inventory.fields import Duration, Entry, PlaybookName, Size
from ronde.model.units import parse_duration, parse_size


def _condition(text: str) -> str:
    parse_expression(text)
    return text


def _template(text: str) -> str:
    parse_template(text)
    return text


def _as_text(value: object) -> object:
    """A condition may be written as `true` or a number; a word of a command as a number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Condition = Annotated[str, BeforeValidator(_as_text), AfterValidator(_condition)]
Filled = Annotated[str, BeforeValidator(_as_text), AfterValidator(_template)]
Argv = Annotated[tuple[Filled, ...], Field(min_length=1, max_length=256)]
Mode = Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^0?[0-7]{3}$")]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,100}$")]


class FactAction(Entry):
    """Ask something of the target, by name; the answer's fields can be used in later steps.

    Attributes:
        given: what the fact takes, such as the path whose disk is meant.
    """

    name: Identifier
    given: Mapping[Identifier, Filled] = Field(default_factory=dict)


def _fact(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class RunAction(Entry):
    """Run a program, or a script given here whose arguments arrive as positional parameters `$1`, `$2`, ….

    Attributes:
        argv: the program and its arguments; or
        line: one line that is split into words as a shell would split it, and run without one; or
        script: the text of a script, run by `shell` with `args`. It holds no template.
        stdin: what is fed to standard input; a parameter of type secret is read where the worker runs.
        secret: name of a secret parameter that is fed to standard input instead.
    """

    argv: Argv | None = None
    line: Filled | None = None
    script: Annotated[str, Field(min_length=1, max_length=60_000)] | None = None
    shell: Literal["sh", "bash", "python3", "powershell"] = "sh"
    args: tuple[Filled, ...] = ()
    stdin: Filled | None = None
    secret: Identifier | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "RunAction":
        if sum(one is not None for one in (self.argv, self.line, self.script)) != 1:
            raise ValueError("run has one of argv, line and script")
        if self.script is None and self.args:
            raise ValueError("args are for a script; other arguments stand in argv or line")
        if self.stdin is not None and self.secret is not None:
            raise ValueError("run has either stdin or secret")
        return self


def _run(value: object) -> object:
    return {"argv": value} if isinstance(value, list | tuple) else value


class ScriptAction(Entry):
    """Run a file of the playbook's folder `files/` on the target, its arguments as positional parameters."""

    file: FileName
    shell: Literal["sh", "bash", "python3", "powershell"] = "sh"
    args: tuple[Filled, ...] = ()
    secret: Identifier | None = None


class UploadAction(Entry):
    """Put a file on the target: written beside its place, then moved there, never half there.

    Attributes:
        content: its text; or `file`, a file of the playbook's folder `files/`.
        backup: keep what stood there before as `DESTINATION.ronde-before`.
    """

    to: Filled
    content: Filled | None = None
    file: FileName | None = None
    mode: Mode = "0644"
    owner: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.-]*(:[a-z_][a-z0-9_.-]*)?$")] | None = None
    backup: bool = True

    @model_validator(mode="after")
    def _one_source(self) -> "UploadAction":
        if (self.content is None) == (self.file is None):
            raise ValueError("upload has either content or file")
        return self


class ServiceAction(Entry):
    """Bring a unit into a state. What is already so is left alone, and says so; a restart always acts."""

    name: Filled
    state: Literal["started", "stopped", "restarted", "reloaded"] | None = None
    enabled: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> "ServiceAction":
        if self.state is None and self.enabled is None:
            raise ValueError("service says what is wanted: state or enabled")
        return self


class RebootAction(Entry):
    """Reboot the target and wait until it is back, proven by another boot id.

    Attributes:
        within: how long it may be away.
        when_needed: reboot only when the target says that it needs it; otherwise nothing is done, and said so.
    """

    within: Duration = parse_duration("15m")
    when_needed: bool = False


def _reboot(value: object) -> object:
    return {} if value in (None, True) else value


class WaitAction(Entry):
    """Wait until one thing is so; at most the step's timeout.

    Attributes:
        port: a TCP port that accepts connections, on the target itself (`address` for another place).
        unit: a systemd unit that is active; `file`: a path that exists.
        http: an address that answers with one of `status`, asked from the target.
        absent: wait until it is not so any more.
    """

    port: Filled | None = None
    address: Filled = "127.0.0.1"
    unit: Filled | None = None
    file: Filled | None = None
    http: Filled | None = None
    status: tuple[int, ...] = (200, 204, 301, 302)
    absent: bool = False

    @model_validator(mode="after")
    def _one_thing(self) -> "WaitAction":
        if sum(thing is not None for thing in (self.port, self.unit, self.file, self.http)) != 1:
            raise ValueError("wait_for has one of port, unit, file and http")
        return self


class AssertAction(Entry):
    """Hold what is known against a condition.

    Attributes:
        message: one sentence for when it does not hold; may hold templates.
        severity: `critical` fails the job there and then; a `warning` is found and the steps go on.
    """

    that: Condition
    message: Filled
    severity: Literal["warning", "critical"] = "critical"


class FetchAction(Entry):
    """Bring a file of the target into the run's record, redacted like everything else.

    Attributes:
        most: a larger file is cut there, and says so.
    """

    path: Filled
    most: Size = parse_size("1MB")


class PatchAllowance(Entry):
    """What a patch run may do without being asked, as shell globs over package names.

    Attributes:
        new: packages that may come along; new kernels always may.
        remove: packages that may go.
    """

    new: tuple[Filled, ...] = ()
    remove: tuple[Filled, ...] = ()


class PatchAction(Entry):
    """Bring a host's packages up to date as one transaction: planned, made safe, done, proven, kept or taken back.

    Attributes:
        policy: `security` or `all`.
        reboot: `if-needed`, `never` or `always`.
        exclude: packages that are not touched, as shell globs; one text may name several.
        snapshot: `auto` takes one where the host is a machine on one of the client's vCenters; or `never`.
        revert: `on-failure` goes back to that snapshot when the host is worse afterwards, which loses whatever was
            written since; with `never` a person decides.
        bake: how long the snapshot is kept; at most 72 hours.
        within: how long the host may be away for its reboot.
        approved: id of the run whose plan for this host has been looked at: exactly that is done, or nothing.
    """

    policy: Filled = "security"
    reboot: Filled = "if-needed"
    exclude: tuple[Filled, ...] = ()
    snapshot: Filled = "auto"
    revert: Filled = "never"
    bake: Filled = "24h"
    within: Filled = "15m"
    allow: PatchAllowance = PatchAllowance()
    approved: Filled = ""


def _patch(value: object) -> object:
    return {} if value in (None, True) else value


class SnapshotCreateAction(Entry):
    """Make a snapshot of a virtual machine, found again by its marker and never made twice."""

    vm: Filled
    purpose: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,30}$")] = "adhoc"
    quiesce: Filled = "false"
    keep: Filled = "24h"


class SnapshotRemoveAction(Entry):
    """Remove one snapshot: one of ours, or one named by its id that a person has looked at."""

    vm: Filled
    snapshot: Filled


class SnapshotRevertAction(Entry):
    """Take a virtual machine back to a snapshot of ours; whatever was written since is lost."""

    vm: Filled
    snapshot: Filled


class PowerAction(Entry):
    """Bring a virtual machine into a power state; `shutdown` and `reboot` ask the guest."""

    vm: Filled
    state: Filled


class SweepAction(Entry):
    """Remove snapshots of ours that have outlived their time; nobody else's is ever touched.

    Attributes:
        most: how many are removed at most, oldest first; the others wait for the next sweep.
        consolidate: whether disks may be consolidated where a removal leaves that to do; it can take hours.
    """

    most: Filled = "8"
    consolidate: Filled = "false"


class IncludeAction(Entry):
    """Do another playbook's steps here, with parameters of its own."""

    name: PlaybookName
    parameters: Mapping[Identifier, Filled] = Field(default_factory=dict)


def _include(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class RotateKeyAction(Entry):
    """Replace the key with which we log in: the new one is proven on every host before the old one goes.

    Attributes:
        comment: what is written behind the key on the host.
        shared_secrets: whether workers on other machines read the same secrets folder; without that, they would go on
            with the old key and be refused.
    """

    comment: Filled = "ronde"
    shared_secrets: Filled = "false"


Fact = Annotated[FactAction, BeforeValidator(_fact, json_schema_input_type=FactAction | str)]
Run = Annotated[RunAction, BeforeValidator(_run, json_schema_input_type=RunAction | tuple[str, ...])]
Reboot = Annotated[RebootAction, BeforeValidator(_reboot, json_schema_input_type=RebootAction | bool | None)]
Patch = Annotated[PatchAction, BeforeValidator(_patch, json_schema_input_type=PatchAction | bool | None)]
Include = Annotated[IncludeAction, BeforeValidator(_include, json_schema_input_type=IncludeAction | str)]
CheckName = Literal["clock", "backups", "machines", "patches", "report"]

# The words a step's action is written with, and whether it changes the target.
CHANGES: Final[Mapping[str, bool | None]] = {
    "use": False,
    "fact": False,
    "run": None,  # as the playbook says
    "script": None,
    "upload": True,
    "service": True,
    "reboot": True,
    "patch": True,
    "wait_for": False,
    "assert": False,
    "fetch": False,
    "rotate_key": True,
    "vsphere.snapshot_create": True,
    "vsphere.snapshot_remove": True,
    "vsphere.snapshot_revert": True,
    "vsphere.power": True,
    "vsphere.sweep": True,
    "playbook": None,
}
ON_VCENTER: Final = frozenset({"use", "assert"} | {word for word in CHANGES if word.startswith("vsphere.")})


class StepRetry(Entry):
    """How often a step that failed is tried in all, and how long is waited before each further try."""

    attempts: Annotated[int, Field(ge=1, le=60)] = 3
    delay: Duration = parse_duration("5s")


def templates_of(value: Any) -> frozenset[str]:
    """The names that the templates of an action start from, however deep they stand in it."""
    if isinstance(value, str):
        try:
            return parse_template(value).names
        except ExpressionError:
            return frozenset()
    if isinstance(value, Mapping):
        return frozenset().union(*(templates_of(item) for item in value.values()))
    if isinstance(value, list | tuple):
        return frozenset().union(*(templates_of(item) for item in value))
    return frozenset()


Plain = dict[str, JsonValue]
