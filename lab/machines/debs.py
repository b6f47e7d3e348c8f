"""Tiny Debian packages, and flat repositories that offer them as Debian's own archive does."""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

from lab.tools import Tool


@dataclass(frozen=True, slots=True)
class Deb:
    """One version of one package, for every architecture.

    Attributes:
        fields: further control fields, such as Depends.
        files: absolute path to content; those below /etc are configuration files.
        scripts: `preinst`, `postinst`, … to the shell commands in it.
    """

    name: str
    version: str
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        return f"{self.name}_{self.version}_all.deb"

    @property
    def control(self) -> str:
        own = {"Package": self.name, "Version": self.version, "Architecture": "all"}
        told = {"Maintainer": "Lab <lab@example.invalid>", "Description": f"{self.name} of the lab"}
        return "".join(f"{key}: {value}\n" for key, value in {**own, **told, **self.fields}.items())

    def build(self, folder: Path, mark: Path) -> None:
        """Put the package into `folder`; what runs meanwhile is marked with `mark`.

        Raises:
            LabError: dpkg-deb is missing or refused it.
        """
        with tempfile.TemporaryDirectory() as scratch:
            tree = Path(scratch)
            self._lay_out(tree)
            Tool(("dpkg-deb", "--root-owner-group", "-Znone", "--build"), mark).run(
                str(tree), str(folder / self.file_name)
            )

    def _lay_out(self, tree: Path) -> None:
        tree.chmod(0o755)
        contents = {path.lstrip("/"): content for path, content in self.files.items()}
        contents["DEBIAN/control"] = self.control
        conffiles = [path for path in self.files if path.startswith("/etc/")]
        if conffiles:
            contents["DEBIAN/conffiles"] = "".join(f"{path}\n" for path in conffiles)
        for name, commands in self.scripts.items():
            contents[f"DEBIAN/{name}"] = f"#!/bin/sh\nset -e\n{commands}\n"
        for path, content in contents.items():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
            target.chmod(0o755 if path.removeprefix("DEBIAN/") in self.scripts else 0o644)


@dataclass(frozen=True, slots=True)
class Repository:
    """A flat apt repository: the packages that lie in `directory`, under the words a Release file says."""

    directory: Path
    label: str
    suite: str
    codename: str

    def publish(self, debs: Mapping[str, Deb]) -> None:
        """Write the index of the packages named, whose files are here (file name to package)."""
        self.directory.mkdir(parents=True, exist_ok=True)
        entries = [self._entry(name, deb) for name, deb in sorted(debs.items())]
        packages = "\n".join(entries).encode()
        self._replace("Packages", packages)
        # What a machine has seen must not change its Suite or Codename: apt would refuse the repository from then on.
        words = {
            "Origin": "Debian",
            "Label": self.label,
            "Suite": self.suite,
            "Codename": self.codename,
            "Date": formatdate(usegmt=True),
            "Architectures": "all amd64 arm64",
        }
        release = "".join(f"{key}: {value}\n" for key, value in words.items())
        digest = hashlib.sha256(packages).hexdigest()
        self._replace("Release", f"{release}SHA256:\n {digest} {len(packages)} Packages\n".encode())

    def _entry(self, name: str, deb: Deb) -> str:
        content = (self.directory / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return f"{deb.control}Filename: ./{name}\nSize: {len(content)}\nSHA256: {digest}\n"

    def _replace(self, name: str, content: bytes) -> None:
        """A reader finds the old file or the new one."""
        unfinished = self.directory / f"{name}.new"
        unfinished.write_bytes(content)
        unfinished.rename(self.directory / name)
