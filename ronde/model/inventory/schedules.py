"""When a client's playbooks and reports are due."""

from typing import Literal

from pydantic import model_validator

from ronde.model.inventory.fields import Cron, Duration, Entry, PlaybookName, Words
from ronde.model.units import parse_duration


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
        on: `all`, host or vCenter names, or `tag:NAME`.
        catch_up: how late is still useful; left out, fifteen minutes.
    """

    playbook: PlaybookName | None = None
    report: Literal["night"] | None = None
    at: Cron
    on: Words = ("all",)
    catch_up: CatchUp = CatchUp(within=GRACE)
    enabled: bool = True

    @model_validator(mode="after")
    def _one_purpose(self) -> "Schedule":
        if (self.playbook is None) == (self.report is None):
            raise ValueError("a schedule has either a playbook or a report")
        return self

    @property
    def purpose(self) -> str:
        """What it starts, as runs record it: the playbook's name, or `report/NAME`."""
        return self.playbook or f"report/{self.report}"
