"""dnf and zypper that act for real, on a Debian machine: they look after an rpm system in a folder of it.

A machine whose base has `DNF` or `ZYPPER` (one or the other: Debian's zypper conflicts with dnf-plugins-core) gets an
rpm root, one repository with advisories, and wrappers that stand before the tools on the PATH. What it shows is true of
packages, scriptlets, advisories and exit codes. It cannot show locks between two runs, whether the system must reboot,
or anything else for which the root would have to be the machine's own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lab.errors import LabError
from lab.machines.machine import Machine

_BOTH = ("rpm", "createrepo-c", "busybox-static")
DNF = ("dnf", "dnf-plugins-core", *_BOTH)
ZYPPER = ("zypper", *_BOTH)

HOME = "/srv/rpm"
"""On the machine: `root/` is the rpm system, `repository/` what it is offered."""

_TOOLS = f"""\
[main]
gpgcheck=0
plugins=1
metadata_expire=0
cachedir=/var/cache/dnf
[lab]
name=lab
baseurl=file://{HOME}/repository
gpgcheck=0
"""

_PLACE = f"--config={HOME}/tools.conf --installroot={HOME}/root"
_WRAPPERS = {
    # The plugin "local" would keep packages in a repository of its own and so falsify what is offered.
    "dnf": f'exec /usr/bin/dnf --disableplugin=local --releasever=9 {_PLACE} "$@"',
    "zypper": f'exec /usr/bin/zypper --root {HOME}/root "$@"',
    "rpm": f'exec /usr/bin/rpm --root {HOME}/root "$@"',
}


@dataclass(frozen=True, slots=True)
class Rpm:
    """One version of one package; `scripts` are `pre` and `post`, `build` the shell commands that make its files."""

    name: str
    version: str
    requires: str = ""
    scripts: Mapping[str, str] = field(default_factory=dict)
    build: str = ""
    files: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}-1.noarch.rpm"

    @property
    def spec(self) -> str:
        tags = {"Name": self.name, "Version": self.version, "Release": "1", "Summary": "of the lab", "License": "none"}
        tags |= {"BuildArch": "noarch", "AutoReqProv": "no"}
        tags |= {"Requires": self.requires} if self.requires else {}
        sections = {"description": "Of the lab.", "install": self.build, **self.scripts, "files": "\n".join(self.files)}
        head = "".join(f"{tag}: {value}\n" for tag, value in tags.items())
        return head + "".join(f"%{name}\n{body}\n" for name, body in sections.items())


_SHELL = Rpm(
    "lab-shell",
    "1.0",
    build="mkdir -p %{buildroot}/bin; cp /bin/busybox %{buildroot}/bin/; ln -s busybox %{buildroot}/bin/sh",
    files=("/bin/busybox", "/bin/sh"),
)
"""What scriptlets run in."""


@dataclass(frozen=True, slots=True)
class RpmScenario:
    """One update to come: the package before and after, and the advisory about it (none when `severity` is empty)."""

    name: str
    summary: str
    before: Rpm
    after: Rpm
    severity: str = ""
    reboot: bool = False

    @property
    def advisory(self) -> str:
        """Its `<update>` in updateinfo.xml."""
        kind, after = ("bugfix" if self.reboot else "security"), self.after
        reboot = "<reboot_suggested>1</reboot_suggested>" if self.reboot else ""
        cve = '<reference href="" id="CVE-2026-0001" type="cve" title="CVE-2026-0001"/>' if not self.reboot else ""
        package = f'name="{after.name}" version="{after.version}" release="1" epoch="0" arch="noarch"'
        return f"""\
<update from="lab@example.invalid" status="stable" type="{kind}" version="1">
<id>LAB-{self.name}</id><title>{self.summary}</title><severity>{self.severity}</severity>
<issued date="2026-01-05 00:00:00"/>
<references>{cve}</references>
<pkglist><collection short="lab"><name>lab</name>
<package {package}><filename>{after.file_name}</filename>{reboot}</package></collection></pkglist>
</update>
"""


def _all() -> Iterator[RpmScenario]:
    yield RpmScenario("simple-update", "a newer version", Rpm("lab-simple", "1.0"), Rpm("lab-simple", "1.1"))
    yield RpmScenario(
        "security-update",
        "a newer version, with an advisory and a CVE",
        Rpm("lab-security", "1.0"),
        Rpm("lab-security", "1.1"),
        severity="Important",
    )
    yield RpmScenario(
        "reboot-advisory",
        "a newer version, whose advisory wants a reboot",
        Rpm("lab-kernel", "6.1"),
        Rpm("lab-kernel", "6.2"),
        severity="Moderate",
        reboot=True,
    )
    yield RpmScenario(
        "failing-post",
        "installed all the same: dnf exits with 0, zypper with 107",
        Rpm("lab-post", "1.0"),
        Rpm("lab-post", "1.1", scripts={"post": "exit 1"}),
    )
    yield RpmScenario(
        "failing-pre",
        "not installed: dnf exits with 1, zypper with 8",
        Rpm("lab-pre", "1.0"),
        Rpm("lab-pre", "1.1", scripts={"pre": "exit 1"}),
    )
    yield RpmScenario(
        "broken-dependency",
        "cannot be installed: dnf says Complete! and exits with 0 unless told best=1",
        Rpm("lab-broken", "1.0"),
        Rpm("lab-broken", "1.1", requires="lab-missing"),
    )


RPM_SCENARIOS = {scenario.name: scenario for scenario in _all()}


@dataclass(frozen=True, slots=True)
class RpmRoot:
    """The rpm system on a running machine whose base has `DNF` or `ZYPPER`."""

    machine: Machine

    def prepare(self) -> None:
        """Make the root, its repository and the wrappers.

        Raises:
            LabError: the machine is off, or one of the tools failed.
        """
        self.machine.must("mkdir", "-p", *(f"{HOME}/{folder}" for folder in ("root", "repository", "specs")))
        self._write(f"{HOME}/tools.conf", _TOOLS)
        for name, command in _WRAPPERS.items():
            if self.machine.inside(f"/usr/bin/{name}").exists():
                self._write(f"/usr/local/bin/{name}", f"#!/bin/sh\n{command}\n", executable=True)
        self._build(_SHELL)
        self.machine.must("rpm", "--install", f"{HOME}/repository/{_SHELL.file_name}")
        self._index()
        if self.machine.inside("/usr/bin/zypper").exists():
            self.machine.must(
                "zypper", "--non-interactive", "addrepo", "--no-gpgcheck", f"dir:{HOME}/repository", "lab"
            )

    def offer(self, *names: str) -> None:
        """Install the packages of scenarios and put their updates into the repository.

        Raises:
            LabError: there is no such scenario, the machine is off, or one of the tools failed.
        """
        if unknown := [name for name in names if name not in RPM_SCENARIOS]:
            raise LabError(f'"{unknown[0]}" is no scenario of rpm packages; it knows {", ".join(RPM_SCENARIOS)}')
        chosen = [RPM_SCENARIOS[name] for name in names]
        self._build(*(one.before for one in chosen), *(one.after for one in chosen))
        self.machine.must("rpm", "--install", *(f"{HOME}/repository/{one.before.file_name}" for one in chosen))
        self._index()

    def _build(self, *packages: Rpm) -> None:
        specs = {f"{HOME}/specs/{package.name}-{package.version}.spec": package.spec for package in packages}
        for path, spec in specs.items():
            self._write(path, spec)
        settings = {
            "_topdir": f"{HOME}/build",
            "_rpmdir": f"{HOME}/repository",
            "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
            # The shell, of a root that knows one architecture.
            "_binaries_in_noarch_packages_terminate_build": "0",
        }
        defined = [word for name, value in settings.items() for word in ("--define", f"{name} {value}")]
        self.machine.must("rpmbuild", "-bb", "--quiet", *defined, *specs)

    def _index(self) -> None:
        """Describe the packages that are there, with the advisories about them."""
        repository = self.machine.inside(f"{HOME}/repository")
        present = [one for one in RPM_SCENARIOS.values() if (repository / one.after.file_name).exists()]
        advisories = "".join(one.advisory for one in present if one.severity)
        self._write(f"{HOME}/updateinfo.xml", f"<updates>\n{advisories}</updates>\n")
        self.machine.must("createrepo_c", "--quiet", f"{HOME}/repository")
        self.machine.must(
            "modifyrepo_c", "--mdtype=updateinfo", f"{HOME}/updateinfo.xml", f"{HOME}/repository/repodata"
        )

    def _write(self, path: str, content: str, *, executable: bool = False) -> None:
        self.machine.must("tee", path, stdin=content)
        if executable:
            self.machine.must("chmod", "+x", path)
