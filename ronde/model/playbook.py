"""What a playbook file may say: a title people read, what it acts on, how risky it is, and its steps.

This is the small form of the format: checks that read. Each word here keeps its meaning in the complete form.
"""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from ronde.model.inventory.fields import Duration, Entry, Name
from ronde.model.units import parse_duration

DEFAULT_LIMIT = parse_duration("1h")


class Text(Entry):
    """One text in both languages."""

    fr: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


class Parameter(Entry):
    """What may be asked for at launch: its type, what it is when nothing is said, and a line of help."""

    type: Literal["bool", "int", "string"]
    default: bool | int | str
    help: str = ""

    def parse(self, name: str, text: str) -> bool | int | str:
        """The value that `--param name=text` means.

        Raises:
            ValueError: the text does not fit the type.
        """
        if self.type == "bool":
            if text.lower() not in ("true", "false", "yes", "no"):
                raise ValueError(f'{name}: "{text}" is neither true nor false')
            return text.lower() in ("true", "yes")
        if self.type == "int":
            try:
                return int(text)
            except ValueError:
                raise ValueError(f'{name}: "{text}" is not a whole number') from None
        return text


class StepEntry(Entry):
    """One step: `use` names the check it makes."""

    id: Name
    use: Literal["clock", "backups", "machines", "report"]
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class RetryEntry(Entry):
    """How often a job that met a passing trouble (host unreachable, link lost) is tried in all."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3


class Playbook(Entry):
    """One playbook file: either `steps` on one kind of target, or `parts`, other playbooks run as one order."""

    title: Text
    description: Text
    target: Literal["host", "vcenter", "client"] | None = None
    risk: Literal["read", "change", "destructive"]
    limit: Duration = DEFAULT_LIMIT
    retry: RetryEntry = RetryEntry()
    parameters: dict[Name, Parameter] = Field(default_factory=dict)
    steps: tuple[StepEntry, ...] = ()
    parts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")], ...] = ()

    @model_validator(mode="after")
    def _steps_or_parts(self) -> "Playbook":
        if bool(self.steps) == bool(self.parts):
            raise ValueError("a playbook has either steps or parts")
        if self.steps and self.target is None:
            raise ValueError("a playbook with steps names its target: host, vcenter or client")
        names = [step.id for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError("two steps have the same id")
        return self


class Named(Entry):
    """A playbook with its name (`backup/check`) and the SHA-256 of its text."""

    name: str
    digest: str
    playbook: Playbook
