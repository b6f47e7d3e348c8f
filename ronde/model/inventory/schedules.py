"""When a client's playbooks and reports are due."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from ronde.model.inventory.fields import Cron, Duration, Entry, PlaybookName, Words
from ronde.model.inventory.rings import RingsEntry
from ronde.model.units import format_duration, parse_duration


class CatchUp(Entry):
    """What happens to an occurrence that could not start in time.

    Attributes:
        within: how late it is still useful; later than that it is recorded as missed. The newest missed occurrence is
            caught up, older ones are recorded as missed, never run in a row.
    """

    within: Duration


GRACE = parse_duration("15m")  # without catch_up, an occurrence later than this is missed; several roll calls long


class Schedule(Entry):
    """One line of a client's `schedules`.

    Attributes:
        playbook: `area/name` of the playbook to run; or
        report: the report to send.
        at: five-field cron, read in the client's time zone.
        on: a selection: `all`, names, `tag:NAME`, `tag:files and not srv-old`; a list of them is added together.
        parameters: what the playbook asks for, as `--param` would give it; frozen on each run.
        policy, reboot, exclude, bake: the parameters of a patch round by these names, said without `parameters:`.
        window: names of the client's windows; its targets are begun in these alone, and in none that they have not.
        reason: why; recorded with each run.
        catch_up: how late is still useful; left out, fifteen minutes.
        rings: in what order a change goes through its hosts, in place of what the playbook says.
    """

    playbook: PlaybookName | None = None
    report: Literal["night"] | None = None
    at: Cron
    on: Words = ("all",)
    parameters: Mapping[str, str | int | bool] = Field(default_factory=dict)
    reason: str = ""
    catch_up: CatchUp = CatchUp(within=GRACE)
    enabled: bool = True
    rings: RingsEntry | None = None
    window: Words = ()
    policy: Literal["security", "all"] | None = None
    reboot: Literal["if-needed", "never", "always"] | None = None
    exclude: Words = ()
    bake: Duration | None = None

    @model_validator(mode="after")
    def _one_purpose(self) -> "Schedule":
        if (self.playbook is None) == (self.report is None):
            raise ValueError("a schedule has either a playbook or a report")
        if self.report is not None and (self.parameters or self._short):
            raise ValueError("parameters are for a playbook")
        if self.report is not None and (self.rings is not None or self.window):
            what = "rings" if self.rings is not None else "a window"
            verb = "are" if self.rings is not None else "is"
            raise ValueError(f"a report is of the whole client; {what} {verb} for playbooks that change hosts")
        return self

    @model_validator(mode="after")
    def _said_once(self) -> "Schedule":
        twice = [name for name in self._short if name in self.parameters]
        if twice:
            raise ValueError(f"{twice[0]} stands here and among the parameters; keep one of them")
        return self

    @property
    def given(self) -> dict[str, str]:
        """The parameters as texts, wherever they were said."""
        written = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self.parameters.items()
        }
        return written | self._short

    @property
    def _short(self) -> dict[str, str]:
        """The parameters of a patch round that the schedule says itself."""
        said = {
            "policy": self.policy,
            "reboot": self.reboot,
            "exclude": " ".join(self.exclude),
            "bake": format_duration(self.bake) if self.bake is not None else None,
        }
        return {name: text for name, text in said.items() if text}

    @property
    def purpose(self) -> str:
        """What it starts, as runs record it: the playbook's name, or `report/NAME`."""
        return self.playbook or f"report/{self.report}"
