"""An action as a person would type or say it: the same words in a dry run, in the live output and in the record."""

import base64
import hashlib
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from ronde.model.check import Json
from ronde.model.expressions import ExpressionError, parse_template
from ronde.model.units import format_duration, parse_duration

Values = Mapping[str, Json]
Content = Mapping[str, Any]


def filled(template: object, values: Values) -> str:
    """A template's text; raises ExpressionError as `Template.render`."""
    return parse_template(str(template)).render(values)


def argv_of(content: Content, values: Values) -> tuple[str, ...]:
    """The program and arguments of a `run` or `script`, without its standard input."""
    if content.get("argv") is not None:
        return tuple(filled(word, values) for word in content["argv"])
    if content.get("line") is not None:
        return _split(filled(content["line"], values))
    words = tuple(filled(word, values) for word in content["args"])
    if content["shell"] == "powershell":
        return powershell(_body(content), words)
    return (*interpreter(content["shell"], _body(content)), *words)


def _split(line: str) -> tuple[str, ...]:
    """The words of a line, as a shell would see them; nothing else of a shell happens to them."""
    try:
        words = tuple(shlex.split(line))
    except ValueError as error:
        raise ExpressionError(f"{line!r} cannot be split into words: {error}") from None
    if not words:
        raise ExpressionError("the command line is empty")
    return words


def interpreter(shell: str, script: str) -> tuple[str, ...]:
    """How a script's text is run; what follows are its positional parameters."""
    if shell == "python3":
        return ("python3", "-c", script)
    return (shell, "-c", script, "ronde")


def powershell(script: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """A PowerShell script as one argument that no shell on the way can misread; its arguments arrive as `$args`.

    They travel as JSON in a single-quoted text, where only the quote itself has to be doubled (about_Quoting_Rules),
    and the whole in UTF-16LE and base64, as `-EncodedCommand` wants it.
    """
    values = json.dumps(list(arguments)).replace("'", "''")
    text = f"$ProgressPreference='SilentlyContinue'; $args = @(ConvertFrom-Json '{values}')\n{script}"
    encoded = base64.b64encode(text.encode("utf-16-le")).decode()
    return ("powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded)


def _body(content: Content) -> str:
    return str(content.get("text") or content.get("script") or "")


def systemctl(content: Content, values: Values, *, become: bool = False) -> list[tuple[str, ...]]:
    """The commands that bring a unit into the wanted state, whatever it is in; with full paths for sudo."""
    name, program = filled(content["name"], values), _systemctl(become=become)
    verbs = {"started": "start", "stopped": "stop", "restarted": "restart", "reloaded": "reload"}
    commands: list[tuple[str, ...]] = []
    if content.get("enabled") is not None:
        commands.append((program, "enable" if content["enabled"] else "disable", "--", name))
    if content.get("state"):
        commands.append((program, verbs[content["state"]], "--", name))
    return commands


def reboot_command(*, become: bool = False) -> tuple[str, ...]:
    """The command that orders a reboot."""
    return (_systemctl(become=become), "reboot")


def _systemctl(*, become: bool) -> str:
    return "/usr/bin/systemctl" if become else "systemctl"


def _run(content: Content, values: Values) -> str:
    if content.get("argv") is not None or content.get("line") is not None:
        return shlex.join(argv_of(content, values))
    name = content.get("file") or f"a script of {len(_body(content).splitlines())} lines"
    return " ".join([content["shell"], name, shlex.join(filled(word, values) for word in content["args"])]).strip()


def _service(content: Content, values: Values) -> str:
    return "; ".join(shlex.join(command) for command in systemctl(content, values)).replace(" -- ", " ")


def _upload(content: Content, values: Values) -> str:
    text = content.get("text") if content.get("text") is not None else filled(content["content"], values)
    owner = f", owner {content['owner']}" if content.get("owner") else ""
    size = len(str(text).encode("utf-8", "surrogateescape"))
    return f"write {shlex.quote(filled(content['to'], values))} ({size} bytes, mode {content['mode']}{owner})"


def _wait(content: Content, values: Values) -> str:
    until = "until not" if content.get("absent") else "until"
    if content.get("port"):
        return f"wait {until} {filled(content['address'], values)} port {filled(content['port'], values)} accepts"
    if content.get("unit"):
        return f"wait {until} unit {filled(content['unit'], values)} is active"
    if content.get("file"):
        return f"wait {until} {filled(content['file'], values)} exists"
    codes = ", ".join(map(str, content["status"]))
    return f"wait {until} {filled(content['http'], values)} answers {codes}"


def _fact(content: Content, values: Values) -> str:
    given = " ".join(f"{name}={shlex.quote(filled(text, values))}" for name, text in content["given"].items())
    return f"look at {content['name']} {given}".strip()


def _reboot(content: Content, _values: Values) -> str:
    needed = ", if it needs it" if content.get("when_needed") else ""
    return f"systemctl reboot{needed}; back within {format_duration(parse_duration(content['within']))}"


def _patch(content: Content, values: Values) -> str:
    said = {name: filled(content[name], values) for name in ("policy", "reboot", "snapshot", "revert", "bake")}
    words = [f"install {said['policy']} updates", f"reboot {said['reboot']}", f"snapshot {said['snapshot']}"]
    excluded = " ".join(filled(glob, values) for glob in content["exclude"]).split()
    words += [f"without {', '.join(excluded)}"] if excluded else []
    words += [f"kept {_span(said['bake'])}", f"revert {said['revert']}"] if said["snapshot"] != "never" else []
    approved = filled(content["approved"], values)
    return ", ".join([*words, *([f"as planned by run {approved}"] if approved else [])])


def _span(text: str) -> str:
    """A duration for people: a parameter fills in seconds, a playbook writes `24h`."""
    return format_duration(timedelta(seconds=int(text))) if text.isdecimal() else text


def _power(content: Content, values: Values) -> str:
    return f"power of {filled(content['vm'], values)}: {filled(content['state'], values)}"


def _create(content: Content, values: Values) -> str:
    vm, keep = filled(content["vm"], values), _span(filled(content["keep"], values))
    return f"snapshot of {vm}, purpose {content['purpose']}, kept {keep}"


def _remove(content: Content, values: Values) -> str:
    return f"remove the snapshot {filled(content['snapshot'], values)} of {filled(content['vm'], values)}"


def _revert(content: Content, values: Values) -> str:
    return f"take {filled(content['vm'], values)} back to the snapshot {filled(content['snapshot'], values)}"


def _sweep(content: Content, values: Values) -> str:
    return f"remove snapshots of ours whose time is over, {filled(content['most'], values)} at most"


_WORDS: Mapping[str, Callable[[Content, Values], str]] = {
    "use": lambda content, _values: f"check: {content['name']}",
    "fact": _fact,
    "run": _run,
    "script": _run,
    "upload": _upload,
    "service": _service,
    "reboot": _reboot,
    "patch": _patch,
    "wait_for": _wait,
    "assert": lambda content, _values: str(content["that"]),
    "fetch": lambda content, values: f"fetch {shlex.quote(filled(content['path'], values))}",
    "rotate_key": lambda _content, _values: "make a new key, prove it, then take the old one away",
    "vsphere.snapshot_create": _create,
    "vsphere.snapshot_remove": _remove,
    "vsphere.snapshot_revert": _revert,
    "vsphere.power": _power,
    "vsphere.sweep": _sweep,
}


def digest(content: bytes) -> str:
    """SHA-256, hexadecimal, as `sha256sum` writes it."""
    return hashlib.sha256(content).hexdigest()


SHOWN = frozenset(_WORDS)


def shown(action: str, content: Content, values: Values) -> str:
    """The action in one line, with what the values fill in.

    Raises:
        ExpressionError: a value it needs is missing.
    """
    return _WORDS[action](content, values)
