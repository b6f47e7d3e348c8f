"""A playbook file: a title people read, what it acts on, how risky it is, its parameters, guards and steps."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from ronde.model.expressions import parse_expression
from ronde.model.inventory.fields import Duration, Entry, PlaybookName
from ronde.model.inventory.rings import RingsEntry
from ronde.model.playbook.actions import (
    CHANGES,
    ON_VCENTER,
    AssertAction,
    CheckName,
    Condition,
    Fact,
    FetchAction,
    Identifier,
    Include,
    Patch,
    Plain,
    PowerAction,
    Reboot,
    RotateKeyAction,
    Run,
    ScriptAction,
    ServiceAction,
    SnapshotCreateAction,
    SnapshotRemoveAction,
    SnapshotRevertAction,
    StepRetry,
    SweepAction,
    UploadAction,
    WaitAction,
    templates_of,
)
from ronde.model.playbook.parameters import Parameter, Text
from ronde.model.units import parse_duration
from ronde.model.words import listed

DEFAULT_LIMIT: Final = parse_duration("1h")
DEFAULT_TIMEOUT: Final = parse_duration("10m")  # of one step
GUARDS: Final = ("window", "finish", "backup", "maintenance", "lock")
DEFAULT_GUARDS: Final = ("maintenance", "lock")
Risk = Literal["read", "change", "destructive"]
GuardName = Literal["window", "finish", "backup", "maintenance", "lock"]
SECTIONS: Final = ("steps", "rescue", "always")
AMBIENT: Final = frozenset({"target", "before"})  # names every expression knows besides parameters and earlier steps


class StepEntry(Entry):
    """One step: an id, exactly one action, and when and how it is done.

    Attributes:
        when: it is skipped, with the reason, unless this holds.
        timeout: how long it may take; the process on the target is ended with it.
        retry: only for steps that may be repeated.
        become: run as root, by `sudo -n`.
        changed_when: whether it changed something; left out, a step that acts has.
        expect: must hold afterwards; left out, a program must have ended with status 0.
        repeat: `safe` when doing it twice does no harm; a step that changes something is `never` unless said otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=True)

    id: Identifier
    when: Condition | None = None
    timeout: Duration | None = None
    retry: StepRetry | None = None
    become: bool = False
    changed_when: Condition | None = None
    expect: Condition | None = None
    repeat: Literal["safe", "never"] | None = None
    use: CheckName | None = None
    parameters: Plain = Field(default_factory=dict)
    fact: Fact | None = None
    run: Run | None = None
    script: ScriptAction | None = None
    upload: UploadAction | None = None
    service: ServiceAction | None = None
    reboot: Reboot | None = None
    patch: Patch | None = None
    wait_for: WaitAction | None = None
    claim: AssertAction | None = Field(default=None, alias="assert")
    fetch: FetchAction | None = None
    rotate_key: RotateKeyAction | None = None
    snapshot_create: SnapshotCreateAction | None = Field(default=None, alias="vsphere.snapshot_create")
    snapshot_remove: SnapshotRemoveAction | None = Field(default=None, alias="vsphere.snapshot_remove")
    snapshot_revert: SnapshotRevertAction | None = Field(default=None, alias="vsphere.snapshot_revert")
    power: PowerAction | None = Field(default=None, alias="vsphere.power")
    sweep: SweepAction | None = Field(default=None, alias="vsphere.sweep")
    playbook: Include | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_reboot(cls, value: object) -> object:
        """`reboot:` or `patch:` with nothing after it is a reboot or a patch run, not the lack of one."""
        if isinstance(value, Mapping):
            return {**value, **{word: {} for word in ("reboot", "patch") if word in value and value[word] is None}}
        return value

    @model_validator(mode="after")
    def _one_action(self) -> "StepEntry":
        found = [word for word in CHANGES if self._under(word) is not None]
        if len(found) != 1:
            which = f"this one has {listed(found)}" if found else "this one has none"
            raise ValueError(f"a step has exactly one action, one of {listed(CHANGES)}; {which}")
        if self.parameters and self.use is None:
            raise ValueError("parameters are for a check (use); an action takes its own")
        if self.become and self.action in {"use", "assert", "rotate_key", *ON_VCENTER}:
            raise ValueError(f"become is for what runs on a host, not {self.action}")
        if self.become and self.action == "patch":
            raise ValueError("patch asks for root's rights by itself, and only where it needs them")
        if self.retry is not None and CHANGES[self.action] and self.repeat != "safe":
            raise ValueError("a step that changes something is not retried; say repeat: safe if twice does no harm")
        return self

    def _under(self, word: str) -> object:
        return getattr(self, _FIELD_OF.get(word, word))

    @property
    def action(self) -> str:
        """The word of its action: `run`, `service`, `vsphere.power`, …."""
        return next(word for word in CHANGES if self._under(word) is not None)

    @property
    def content(self) -> Plain:
        """What stands under that word, as JSON values."""
        inner = self._under(self.action)
        return {"name": inner} if isinstance(inner, str) else inner.model_dump(mode="json")  # type: ignore[attr-defined]  # an Entry

    def changes(self, risk: Risk) -> bool:
        """Whether it changes the target; a program of a playbook that only reads is believed to read."""
        said = CHANGES[self.action]
        return risk != "read" if said is None else said

    def repeats(self, risk: Risk) -> bool:
        """Whether doing it twice does no harm."""
        return self.repeat == "safe" if self.repeat is not None else not self.changes(risk)

    def names(self) -> frozenset[str]:
        """The names that its expressions and templates start from, its own id's excepted where that is known."""
        conditions = [text for text in (self.when,) if text is not None]
        afterwards = [text for text in (self.changed_when, self.expect) if text is not None]
        if self.claim is not None:
            conditions.append(self.claim.that)
        found = frozenset().union(*(parse_expression(text).names for text in conditions))
        found |= frozenset().union(*(parse_expression(text).names for text in afterwards)) - {self.id}
        return found | templates_of({key: value for key, value in self.content.items() if key != "script"})


_FIELD_OF: Final = {
    "assert": "claim",
    "vsphere.snapshot_create": "snapshot_create",
    "vsphere.snapshot_remove": "snapshot_remove",
    "vsphere.snapshot_revert": "snapshot_revert",
    "vsphere.power": "power",
    "vsphere.sweep": "sweep",
}


UNVERIFIED: Final = Text(en="not verified on Windows", fr="non vérifié sur Windows")
"""What is said of every playbook for Windows: none of them was ever run on a real one."""


class RetryEntry(Entry):
    """How often a job that met a passing trouble (host unreachable, link lost) is tried in all."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3


class Playbook(Entry):
    """One playbook file: either `steps` on one kind of target, or `parts`, other playbooks run as one order.

    Attributes:
        target: `linux` or `windows` (hosts), `vcenter`, `client`; `host` is a host that has backups.
        risk: `read` changes nothing and is never held up; `change` meets the guards; `destructive` also waits for a
            second technician.
        guards: what must be so before each target of a change; left out, not in maintenance and no other change there.
        rings: in what order a change goes through its targets, and what stops it; left out, all at once.
        rescue: done when a step failed; `always`: done in any case. Both know what became of the steps.
        note: a caution that lists show, such as what was never tried on the real thing.
    """

    title: Text
    description: Text
    target: Literal["linux", "windows", "host", "vcenter", "client"] | None = None
    risk: Risk
    limit: Duration = DEFAULT_LIMIT
    retry: RetryEntry = RetryEntry()
    note: Text | None = None
    parameters: dict[Identifier, Parameter] = Field(default_factory=dict)
    guards: tuple[GuardName, ...] | None = None
    rings: RingsEntry | None = None
    steps: tuple[StepEntry, ...] = ()
    rescue: tuple[StepEntry, ...] = ()
    always: tuple[StepEntry, ...] = ()
    parts: tuple[PlaybookName, ...] = ()

    @model_validator(mode="after")
    def _steps_or_parts(self) -> "Playbook":
        if bool(self.steps) == bool(self.parts):
            raise ValueError("a playbook has either steps or parts")
        if self.steps and self.target is None:
            raise ValueError("a playbook with steps names its target: linux, windows, host, vcenter or client")
        if self.risk == "read" and self.guards:
            raise ValueError("what only reads is never held up; guards are for risk: change or destructive")
        if self.rings is not None and (self.risk == "read" or self.parts):
            raise ValueError("rings are for steps that change something; what only reads, or only has parts, has none")
        return self

    @property
    def caution(self) -> Text | None:
        """What whoever is about to use it has to know first: its own note, and what holds of all of its kind."""
        if self.target != "windows":
            return self.note
        if self.note is None:
            return UNVERIFIED
        return Text(en=f"{UNVERIFIED.en}; {self.note.en}", fr=f"{UNVERIFIED.fr} ; {self.note.fr}")

    @property
    def guarded_by(self) -> tuple[GuardName, ...]:
        """The guards in force."""
        if self.risk == "read":
            return ()
        return DEFAULT_GUARDS if self.guards is None else self.guards

    def every_step(self) -> Iterator[tuple[str, int, StepEntry]]:
        """Section, place in it, and step, in the order they would be done."""
        for section in SECTIONS:
            for place, step in enumerate(getattr(self, section)):
                yield section, place, step


class Named(Entry):
    """A playbook with its name (`backup/check`), the SHA-256 of its text and files, and the content of these files."""

    name: str
    digest: str
    playbook: Playbook
    files: Mapping[str, str] = Field(default_factory=dict)
