"""An Ansible inventory turned into a client's file, and everything that could not come along."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML

from ronde.adapters.files.ansible import ALL, UNGROUPED, AnsibleInventory, Value, Variables, split_port
from ronde.adapters.files.ansible_ini import parse_ini
from ronde.adapters.files.ansible_yaml import parse_yaml, read_variable_files
from ronde.adapters.files.explain import explain
from ronde.model.errors import InputError
from ronde.model.inventory import Client, Host
from ronde.model.inventory.fields import is_name
from ronde.model.inventory.problems import path_text

_ADDRESS: Final = ("ansible_host", "ansible_ssh_host")
_PORT: Final = ("ansible_port", "ansible_ssh_port")
_USER: Final = ("ansible_user", "ansible_ssh_user")
_KEY: Final = ("ansible_ssh_private_key_file", "ansible_private_key_file")
_ARGUMENTS: Final = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
_SECRET: Final = re.compile(r"pass(word)?$|secret|token|_key$", re.IGNORECASE)
_SSH: Final = {"ssh", "smart", "paramiko", "paramiko_ssh"}
_CARRIED: Final = {*_ADDRESS, *_PORT, *_USER, *_KEY, *_ARGUMENTS, "ansible_connection", "ansible_group_priority"}
_UNNAMED: Final = re.compile(r"[^a-z0-9._-]+")


@dataclass(slots=True)
class Carried:
    """The result.

    Attributes:
        document: a client's file as plain values.
        left: what could not be carried over, one sentence each, with `file:line` or the host's name.
    """

    document: dict[str, Any]
    left: list[str] = field(default_factory=list)


def read_ansible(path: Path) -> AnsibleInventory:
    """An INI or YAML inventory file with the group_vars and host_vars beside it.

    Raises:
        InputError: the file cannot be read, is a directory or a program.
    """
    if path.is_dir():
        raise InputError(f"{path} is a directory; name one inventory file in it")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if content.startswith(b"#!"):
        raise InputError(
            f"{path} is a program (a dynamic inventory) and is not run.",
            advice=f"Write out what it yields: ansible-inventory -i {path} --list --yaml > hosts.yml",
        )
    into = AnsibleInventory()
    if path.suffix in (".yml", ".yaml", ".json"):
        parse_yaml(content, str(path), into)
    else:
        parse_ini(content.decode("utf-8", "replace"), str(path), into)
    read_variable_files(path, into)
    return into


def carry_over(ansible: AnsibleInventory, client: str, timezone: str) -> Carried:
    """The hosts, their jump hosts and groups; nothing that is a secret, and no host key, since Ansible has none.

    Raises:
        InputError: the client's identifier or the zone would not be valid.
    """
    try:
        Client.model_validate({"client": client, "name": client, "timezone": timezone})
    except ValidationError as error:
        wrong = [f"{path_text(remark.place)}: {remark.message}" for remark in explain(Client, error.errors())]
        raise InputError("\n".join(wrong)) from None
    return _Importer(ansible, client).carry_over(timezone)


def render(carried: Carried, source: str) -> str:
    """The client's file as YAML text, with a note on where it comes from."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 120
    stream = StringIO()
    yaml.dump(carried.document, stream)
    hint = "# yaml-language-server: $schema=../.schema/client.json"
    return f"{hint}\n# Imported from the Ansible inventory {source}. No host key is pinned yet.\n{stream.getvalue()}"


class _Importer:
    """One import; host names are Ronde's (lower case) from the start, with the way back kept."""

    def __init__(self, ansible: AnsibleInventory, client: str) -> None:
        self.ansible = ansible
        self.client = client
        self.left = list(ansible.remarks)
        self.hosts: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        self.variables = {host: ansible.variables_of(host) for host in ansible.hosts}

    def carry_over(self, timezone: str) -> Carried:
        chosen = [host for host in self.ansible.hosts if self._speaks_ssh(host)]
        for host in chosen:
            self._name(host)
        for host in chosen:
            if host in self.names:
                self._host(host)
        self._break_loops()
        self._drop_invalid()
        self._unused_variables(chosen)
        if self.hosts:
            self.left.append("no host key was imported: Ansible keeps none. Pin each with: ronde host enrol HOST")
        document = {"client": self.client, "name": self.client, "timezone": timezone, "hosts": self.hosts}
        return Carried(document, list(dict.fromkeys(self.left)))

    def _speaks_ssh(self, host: str) -> bool:
        connection = self.variables[host].get("ansible_connection")
        kind = str(connection.value) if connection else "ssh"
        if kind not in _SSH:
            where = connection.where if connection else host
            self.left.append(f"{where}: host {host} is reached by {kind}, not by SSH: not carried over")
        return kind in _SSH

    def _name(self, host: str) -> None:
        name = _UNNAMED.sub("-", host.lower()).strip("-._")[:63]
        if not is_name(name) or name in self.hosts or name == ALL:
            self.left.append(f"host {host}: no name can be made of it that is valid and free: not carried over")
            return
        if name != host:
            self.left.append(f'host {host}: is named "{name}" here')
        self.names[host] = name
        self.hosts[name] = {}

    def _host(self, host: str) -> None:
        variables = self._plain(self.variables[host])
        entry = self.hosts[self.names[host]]
        entry["address"] = str(_first(variables, _ADDRESS) or host)
        port = _first(variables, _PORT)
        if port is not None and str(port).isdigit() and int(port) != 22:
            entry["port"] = int(port)
        user = _first(variables, _USER)
        if user is None:
            self.left.append(f'host {host}: no ansible_user is set; "ronde" was written, put the right login')
        entry["user"] = str(user or "ronde")
        entry["key"] = self._key(host, _first(variables, _KEY))
        via = self._jump(variables, entry)
        if via:
            entry["via"] = via
        tags = [group for group in self.ansible.groups_of(host) if group not in (ALL, UNGROUPED)]
        if tags:
            entry["tags"] = sorted(tags)

    def _plain(self, variables: Variables) -> Variables:
        """Without values that only Ansible's templates can fill in."""
        for name, value in variables.items():
            if name in _CARRIED and "{{" in str(value.value):
                self.left.append(f"{value.where}: {name} is a template and was not carried over")
        return {name: value for name, value in variables.items() if "{{" not in str(value.value)}

    def _key(self, host: str, path: object) -> str:
        if path is not None and str(path).startswith(("/", "~")):
            return f"file://{Path(str(path)).expanduser()}"
        reference = f"age://{self.client}/ssh"
        what = f'the key "{path}" is no absolute path' if path else "no private key file is set"
        self.left.append(f"host {host}: {what}; {reference} was written, put the key there or change the reference")
        return reference

    def _jump(self, variables: Variables, entry: dict[str, Any]) -> str | None:
        """The name of the last jump host before this one; hosts of a chain that the inventory lacks are added."""
        for argument in _ARGUMENTS:
            value = variables.get(argument)
            if value is None:
                continue
            jumps, unread = jump_hosts(str(value.value))
            for option in unread:
                self.left.append(f"{value.where}: the SSH option {option} was not carried over")
            if jumps:
                return self._chain(jumps, value.where, entry)
        return None

    def _chain(self, jumps: list[str], where: str, entry: dict[str, Any]) -> str | None:
        before: str | None = None
        for jump in jumps:
            name = self._jump_name(jump, where, entry)
            if name is None or self.hosts[name] is entry:
                return before
            if before is not None:
                self.hosts[name].setdefault("via", before)
            before = name
        return before

    def _jump_name(self, jump: str, where: str, entry: Mapping[str, Any]) -> str | None:
        user, _, place = jump.rpartition("@")
        address, port = split_port(place)
        for host, name in self.names.items():
            known = _first(self.variables[host], _ADDRESS)
            if address.lower() in (host.lower(), str(known).lower()):
                return name
        name = _UNNAMED.sub("-", address.lower()).strip("-._")[:63]
        if not is_name(name):
            self.left.append(f'{where}: the jump host "{jump}" has no valid name: not carried over')
            return None
        if name not in self.hosts:
            self.left.append(f'{where}: the jump host "{jump}" was no host of the inventory and was added as "{name}"')
            added = {"address": address, "user": user or entry["user"], "key": entry["key"]}
            self.hosts[name] = added if port in (None, 22) else added | {"port": port}
        return name

    def _break_loops(self) -> None:
        """A jump host whose own group variables send it through itself is the usual Ansible slip: drop its `via`."""
        for name, entry in self.hosts.items():
            seen, via = {name}, entry.get("via")
            while via is not None and via not in seen:
                seen.add(via)
                via = self.hosts[via].get("via")
            if via == name:
                del entry["via"]
                self.left.append(f"host {name}: would be reached through itself; its jump host was left out")

    def _drop_invalid(self) -> None:
        """Ansible takes logins and addresses that Ronde does not (a Windows domain's); such a host stays behind."""
        for name, entry in list(self.hosts.items()):
            try:
                Host.model_validate(entry)
            except ValidationError as error:
                wrong = "; ".join(f"{path_text(r.place)}: {r.message}" for r in explain(Host, error.errors()))
                self.left.append(f"host {name}: {wrong}: not carried over")
                del self.hosts[name]
        for name, entry in self.hosts.items():
            if entry.get("via", name) not in self.hosts:
                self.left.append(f"host {name}: its jump host {entry.pop('via')} was not carried over")

    def _unused_variables(self, hosts: list[str]) -> None:
        """Every variable that means something to Ansible only, once, at the place where it stands."""
        for host in hosts:
            for name, value in self.variables[host].items():
                if name in _CARRIED:
                    continue
                secret = _SECRET.search(name) is not None and name.startswith("ansible_")
                advice = "; secrets belong in an age:// file" if secret else ""
                self.left.append(f"{value.where}: {name} was not carried over{advice}")


def jump_hosts(arguments: str) -> tuple[list[str], list[str]]:
    """The jump hosts in SSH arguments, first hop first, and the options that say something else."""
    try:
        words = shlex.split(arguments)
    except ValueError:
        return [], [arguments]
    jumps: list[str] = []
    unread: list[str] = []
    for option, value in _options(words):
        if option == "ProxyJump" and not jumps:
            jumps = [] if value.lower() == "none" else [hop.removeprefix("ssh://") for hop in value.split(",") if hop]
        elif option == "ProxyCommand" and not jumps and (hop := _hop_of_command(value)):
            jumps = [hop]
        else:
            unread.append(f"{option}={value}" if value else option)
    return jumps, unread


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """(option, value) of `-o Name=value`, `-o "Name value"`, `-J hosts`; other words as they are."""
    rest = iter(words)
    for word in rest:
        if word.startswith("-o"):
            name, _, value = re.sub(r"[ =]+", "=", word[2:] or next(rest, ""), count=1).partition("=")
            yield {"proxyjump": "ProxyJump", "proxycommand": "ProxyCommand"}.get(name.lower(), name), value
        elif word.startswith("-J"):
            yield "ProxyJump", word[2:] or next(rest, "")
        else:
            yield word, ""


def _hop_of_command(command: str) -> str | None:
    """The host of `ssh -W %h:%p [-q] [-p PORT] [-l USER] USER@HOST`; None for any other command."""
    words = shlex.split(command) if command.count('"') % 2 == 0 and command.count("'") % 2 == 0 else []
    if not words or Path(words[0]).name != "ssh" or not any(word.startswith("-W") for word in words):
        return None
    found: dict[str, str] = {}
    rest = iter(words[1:])
    for word in rest:
        if word[:2] in ("-W", "-p", "-l", "-i", "-o", "-F"):
            found[word[:2]] = word[2:] or next(rest, "")
        elif not word.startswith("-"):
            found["host"] = word
    if "host" not in found:
        return None
    user = f"{found['-l']}@" if "-l" in found and "@" not in found["host"] else ""
    return user + found["host"] + (f":{found['-p']}" if "-p" in found else "")


def _first(variables: Mapping[str, Value], names: tuple[str, ...]) -> Any:
    return next((variables[name].value for name in names if name in variables), None)
