"""What Ronde is measured against over SSH: bare paramiko, pyinfra, and Ansible with `raw` and `command`.

Each gets the same hosts, keys, pinned host keys, command text and parallelism, and what makes it fast: pipelining for
Ansible, no fact gathering, no agent. Every one of Ansible's runs begins without connections left by an earlier one.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measuring import timed
from bench.plant import ROOT
from lab.hosts import Hosts
from lab.identity import Identity
from lab.process import MARK, end, marked

VENV = ROOT / "var/bench/venv"
_LIMIT = 900.0  # seconds after which a peer is not slow but stuck


@dataclass(frozen=True, slots=True)
class Peers:
    """The peers on some hosts.

    Attributes:
        directory: for their inventories and what they leave behind.
        command: one line of shell, the same for all.
        parallel: hosts at once.
    """

    directory: Path
    hosts: Hosts[Identity]
    command: str
    parallel: int

    def prepare(self) -> None:
        """Write everybody's inventory.

        Raises:
            FileNotFoundError: the peers are not installed; script/bench does that.
        """
        if not (VENV / "bin/ansible-playbook").exists():
            raise FileNotFoundError(f"{VENV} has no peers; script/bench installs them")
        self.directory.mkdir(parents=True, exist_ok=True)
        known = [f"[{s.address}]:{s.port} {self.hosts.host_key}\n" for s in self.hosts.servers]
        (self.directory / "known_hosts").write_text("".join(known), encoding="utf-8")
        (self.directory / "hosts.yml").write_text(json.dumps(self._ansible_inventory()), encoding="utf-8")
        (self.directory / "ansible.cfg").write_text(self._ansible_settings(), encoding="utf-8")
        (self.directory / "inventory.py").write_text(f"hosts = {self._pyinfra_inventory()!r}\n", encoding="utf-8")

    # --------------------------------------------------------------- the floor

    def floor(self, times: int) -> float:
        """Bare paramiko; seconds without the imports."""
        order = {
            "hosts": [
                {"address": s.address, "port": s.port, "user": s.user, "host_key": self.hosts.host_key}
                for s in self.hosts.servers
            ],
            "key": str(self.hosts.key),
            "parallel": self.parallel,
            "commands": [self.command] * times,
        }
        path = self.directory / "floor.json"
        path.write_text(json.dumps(order), encoding="utf-8")
        done = self._run([sys.executable, "-m", "bench.floor", str(path)], {"PYTHONPATH": str(ROOT)})
        return float(json.loads(done.stdout)["seconds"])

    # ----------------------------------------------------------------- pyinfra

    def pyinfra(self, times: int) -> float:
        """One operation with all commands, which suits pyinfra best; its start is counted, as its users wait for it."""
        deploy = self.directory / f"deploy_{times}.py"
        deploy.write_text(
            f"from pyinfra.operations import server\nserver.shell(commands={[self.command] * times!r})\n",
            encoding="utf-8",
        )
        argv = [str(VENV / "bin/pyinfra"), "--yes", "--parallel", str(self.parallel), "inventory.py", deploy.name]
        return timed(lambda: self._run(argv, {}))

    def _pyinfra_inventory(self) -> list[tuple[str, dict[str, Any]]]:
        common = {
            "ssh_key": str(self.hosts.key),
            "ssh_known_hosts_file": str(self.directory / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
            "ssh_allow_agent": False,
            "ssh_look_for_keys": False,
        }
        return [
            (s.name, {"ssh_hostname": s.address, "ssh_port": s.port, "ssh_user": s.user, **common})
            for s in self.hosts.servers
        ]

    # ----------------------------------------------------------------- Ansible

    def ansible(self, module: str, times: int) -> float:
        """A playbook of so many tasks with `raw` or `command`; its start is counted as well."""
        task = self.command if module == "raw" else {"argv": shlex.split(self.command)}
        return self.playbook(f"{module}_{times}", [{f"ansible.builtin.{module}": task}] * times)

    def playbook(self, name: str, tasks: Sequence[Mapping[str, Any]]) -> float:
        """One run of Ansible with these tasks on all hosts; seconds, its start included."""
        book = self.directory / f"{name}.yml"
        play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
        book.write_text(json.dumps(play), encoding="utf-8")
        argv = [str(VENV / "bin/ansible-playbook"), "-i", "hosts.yml", "-f", str(self.parallel), book.name]
        try:
            return timed(lambda: self._run(argv, {"ANSIBLE_CONFIG": str(self.directory / "ansible.cfg")}))
        finally:
            end(marked(self.directory), ask=False)  # the connections that ssh keeps for a next run
            shutil.rmtree(self.directory / "cp", ignore_errors=True)

    def ansible_start(self) -> float:
        """What Ansible needs before it does anything: start, read the inventory, list the hosts."""
        argv = [str(VENV / "bin/ansible-playbook"), "-i", "hosts.yml", "--list-hosts", "raw_1.yml"]
        return timed(lambda: self._run(argv, {"ANSIBLE_CONFIG": str(self.directory / "ansible.cfg")}))

    def _ansible_inventory(self) -> Mapping[str, Any]:
        hosts = {
            s.name: {"ansible_host": s.address, "ansible_port": s.port, "ansible_user": s.user}
            for s in self.hosts.servers
        }
        known = f"-o UserKnownHostsFile={self.directory / 'known_hosts'} -o IdentitiesOnly=yes"
        common = {
            "ansible_ssh_private_key_file": str(self.hosts.key),
            "ansible_ssh_common_args": known,
            "ansible_python_interpreter": "/usr/bin/python3",  # no search for one
        }
        return {"all": {"hosts": hosts, "vars": common}}

    def _ansible_settings(self) -> str:
        folder = self.directory
        return (
            f"[defaults]\nhost_key_checking = true\nretry_files_enabled = false\nlocal_tmp = {folder / 'tmp'}\n"
            f"[ssh_connection]\npipelining = true\ncontrol_path_dir = {folder / 'cp'}\n"
        )

    def _run(self, argv: Sequence[str], extra: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            argv,
            cwd=self.directory,
            env={**os.environ, MARK: str(self.directory), "NO_COLOR": "1", **extra},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{argv[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        return done
