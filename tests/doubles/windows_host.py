"""A host that passes for a Windows: a real sshd whose `powershell` is the double, and nothing else of Windows."""

import json
import sys
from pathlib import Path
from typing import Any

DOUBLE = Path(__file__).with_name("powershell.py")
ROLLUP = "3f1c0000-0000-4000-8000-000000000001"
TOOL = "3f1c0000-0000-4000-8000-000000000003"
OFFERED: list[dict[str, Any]] = [
    {
        "id": ROLLUP,
        "revision": 201,
        "title": "Mise à jour cumulative « 2026-11 » $(whoami) 'x' \"y\"",
        "severity": "Critical",
        "kb": ["KB5070001"],
        "cves": ["CVE-2026-3333"],
        "categories": ["Security Updates"],
    },
    {
        "id": "3f1c0000-0000-4000-8000-000000000002",
        "revision": 3,
        "title": "Defender",
        "severity": "",
        "kb": ["KB2267602"],
        "cves": [],
        "categories": ["Definition Updates"],
    },
    {
        "id": TOOL,
        "revision": 200,
        "title": "Windows Malicious Software Removal Tool x64 (KB890830)",
        "severity": "",
        "kb": ["KB890830"],
        "cves": [],
        "categories": ["Update Rollups"],
    },
]


class WindowsHost:
    """The folder that a host's sshd has on its PATH, and the state that its `powershell` keeps there."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder
        self.tasks = folder / "tasks"
        self.tasks.mkdir(parents=True)
        program = folder / "powershell"
        program.write_text(f"#!{sys.executable} -IS\n" + DOUBLE.read_text(encoding="utf-8"), encoding="utf-8")
        program.chmod(0o755)
        self.settle(offered=OFFERED)

    @property
    def extra_config(self) -> list[str]:
        """What sshd has to be told."""
        return [f"SetEnv PATH={self.bin}:/usr/bin:/bin"]

    def settle(self, **files: Any) -> None:
        """Write `offered`, `host` or `fate` anew."""
        for name, value in files.items():
            (self.tasks / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")

    def fate(self, **what: Any) -> None:
        self.settle(fate=what)

    def log(self, first: str = "") -> list[str]:
        """What has happened to the host, or those lines of it that begin with a word."""
        path = self.tasks / "log"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [line for line in lines if line.startswith(first)]

    def forget(self, offered: str) -> None:
        """The host as it was at first, with these updates (JSON) on offer; its fate stays."""
        for path in self.tasks.iterdir():
            if path.is_file() and path.name != "fate.json":
                path.unlink()
        (self.tasks / "offered.json").write_text(offered, encoding="utf-8")

    @property
    def offered(self) -> list[str]:
        """Ids of what a search would find now."""
        return [one["id"] for one in json.loads((self.tasks / "offered.json").read_text(encoding="utf-8"))]

    @property
    def left(self) -> list[str]:
        """Folders of jobs that lie about."""
        return sorted(path.name for path in self.tasks.iterdir() if path.is_dir())
