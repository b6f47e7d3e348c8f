"""What may be asked for at launch: typed, checked before anything runs, and frozen in the plan."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from ronde.model.check import Json
from ronde.model.inventory.fields import SECRET_PATTERN, Entry
from ronde.model.units import parse_duration
from ronde.model.words import hint, listed

MOST_CHARACTERS: Final = 4096  # of one text given at launch, unless its parameter allows another length
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CONTROL_LINES: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f'"{pattern}" is not a regular expression: {error}') from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class Text(Entry):
    """One text in both languages."""

    fr: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


class Parameter(Entry):
    """One parameter. Without a default it has to be given.

    Attributes:
        type: `bool`, `int`, `duration` (seconds, where it is used), `choice` (one of `choices`, or of what the fact
            `choices_from` lists on the target), `string` (on one line, whole `pattern` when there is one), `text`
            (several lines), `secret` (a reference such as `age://…`; the secret itself is read where the worker runs,
            and only ever travels on standard input).
        choices_from: `FACT.FIELD`, asked of each target before anything is done there.
        least, most: bounds of an int, or of a duration as text.
        longest: most characters of a string or text.
    """

    type: Literal["bool", "int", "duration", "choice", "string", "text", "secret"]
    default: bool | int | str | None = None
    help: str | Text = ""
    pattern: Pattern | None = None
    choices: tuple[str, ...] = ()
    choices_from: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")] | None = None
    least: int | str | None = None
    most: int | str | None = None
    longest: Annotated[int, Field(ge=1, le=1024 * 1024)] = MOST_CHARACTERS

    @model_validator(mode="after")
    def _fits(self) -> "Parameter":
        if self.type == "choice" and bool(self.choices) == bool(self.choices_from):
            raise ValueError("a choice has either choices or choices_from")
        if self.type != "choice" and (self.choices or self.choices_from):
            raise ValueError(f"choices are for the type choice, not {self.type}")
        if self.type not in ("string", "text") and self.pattern:
            raise ValueError(f"a pattern is for the types string and text, not {self.type}")
        if self.default is not None:
            self.parse("default", self.default if isinstance(self.default, str) else str(self.default).lower())
        return self

    @property
    def required(self) -> bool:
        return self.default is None

    @property
    def initial(self) -> Json:
        """The value when nothing is given."""
        if self.default is None:
            return None
        return self.parse("default", self.default if isinstance(self.default, str) else str(self.default).lower())

    def parse(self, name: str, text: str) -> bool | int | str:
        """The value that `--param name=text` means.

        Raises:
            ValueError: the text does not fit; the sentence says what would.
        """
        match self.type:
            case "bool":
                return _bool(name, text)
            case "int":
                return self._within(name, _whole(name, text), text)
            case "duration":
                return self._within(name, _seconds(name, text), text)
            case "choice":
                if self.choices and text not in self.choices:
                    raise ValueError(f'{name}: "{_cut(text)}" is not one of {listed(self.choices)}{_near(text, self)}')
                return self._text(name, text)
            case "secret":
                if not re.fullmatch(SECRET_PATTERN, text):
                    raise ValueError(f"{name}: must be a reference such as age://FOLDER/NAME, never the secret itself")
                return text
            case _:
                return self._text(name, text)

    def _text(self, name: str, text: str) -> str:
        unwanted = _CONTROL_LINES if self.type == "text" else _CONTROL
        if len(text) > self.longest:
            raise ValueError(f"{name}: is {len(text)} characters long; at most {self.longest} are allowed")
        if (found := unwanted.search(text)) is not None:
            raise ValueError(f"{name}: holds the character U+{ord(found[0]):04X}, which is not allowed here")
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise ValueError(f'{name}: "{_cut(text)}" does not match {self.pattern}')
        return text

    def _within(self, name: str, value: int, text: str) -> int:
        least, most = (_bound(self.type, bound) for bound in (self.least, self.most))
        if least is not None and value < least:
            raise ValueError(f"{name}: {text} is less than {self.least}")
        if most is not None and value > most:
            raise ValueError(f"{name}: {text} is more than {self.most}")
        return value


def parse_parameters(known: Mapping[str, Parameter], given: Mapping[str, str], playbook: str) -> dict[str, Json]:
    """The values of a playbook's parameters, from texts; all mistakes at once.

    Raises:
        ValueError: one is unknown, missing or does not fit; one line each.
    """
    problems = [f'{playbook} has no parameter "{name}"{hint(name, known)}' for name in given if name not in known]
    values: dict[str, Json] = {}
    for name, parameter in known.items():
        if name not in given:
            if parameter.required:
                problems.append(f"{playbook}: --param {name}=… is needed{_help(parameter)}")
            values[name] = parameter.initial
            continue
        try:
            values[name] = parameter.parse(name, given[name])
        except ValueError as error:
            problems.append(f"{playbook}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return values


def help_text(parameter: Parameter) -> str:
    """Its help in English."""
    return parameter.help if isinstance(parameter.help, str) else parameter.help.en


def _help(parameter: Parameter) -> str:
    text = help_text(parameter)
    return f" ({text})" if text else ""


def _near(text: str, parameter: Parameter) -> str:
    near = hint(text, parameter.choices)
    return near if "did you mean" in near else ""


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"


def _bool(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false", "yes", "no"):
        raise ValueError(f'{name}: "{_cut(text)}" is neither true nor false')
    return text.lower() in ("true", "yes")


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,18}", text.strip()):
        raise ValueError(f'{name}: "{_cut(text)}" is not a whole number')
    return int(text)


def _seconds(name: str, text: str) -> int:
    try:
        return int(parse_duration(text).total_seconds())
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _bound(kind: str, bound: int | str | None) -> int | None:
    if bound is None or isinstance(bound, int):
        return bound
    return int(parse_duration(bound).total_seconds()) if kind == "duration" else int(bound)
