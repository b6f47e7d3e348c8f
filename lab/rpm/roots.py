"""Real dnf, dnf5 and zypper on a machine that has none: chroots with the tools, repositories, and roots they act on.

The tools live in small chroots, one for each manager (zypper and dnf's plugins exclude each other on Debian, and dnf5
is in no stable release of it yet). The repositories are built with rpmbuild and createrepo_c. All of it is made once
into a cache directory. A machine is a copy of a pristine root and of the repositories, with programs that act on that
root alone; so every machine of a lab can be broken and patched by itself.

What it shows is true of packages, scriptlets, advisories and exit statuses. It cannot show two runs that want the locks
of dnf 4 or zypper, nor a reboot, for which the root would have to be the machine's own.

Needs root, `mmdebstrap`, and a Debian mirror for the first time.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

from lab.rpm.packages import ADVISORIES, EPOCH, REPOSITORIES, SHELL_SPEC, Advisory, updateinfo
from lab.tools import Tool
from lab.vcenter.build import cache_directory

Manager = Literal["dnf", "dnf5", "zypper"]
MANAGERS: Final[tuple[Manager, ...]] = get_args(Manager)

_SUITE = "bookworm"
_MOVING = "forky"  # the first suite with dnf5; it moves until it is released, so what rests on it is tested apart
_MIRROR = "http://deb.debian.org/debian"
_TOOLS: dict[Manager, tuple[str, str]] = {
    "dnf": (_SUITE, "dnf,createrepo-c,rpm,dnf-plugins-core,busybox-static,ca-certificates"),
    "dnf5": (_MOVING, "dnf5,rpm"),
    "zypper": (_SUITE, "zypper,busybox-static"),
}
# A mirror may lag behind by more than the week for which the lists of a moving suite are valid.
_LAGGING = "--aptopt=Acquire::Check-Valid-Until false"
_BUILD_SECONDS = 900.0
_INSIDE = "/machine"  # where a machine's directory is seen inside a chroot

# Enters a chroot in a mount namespace of its own, so that nothing stays mounted whatever dies.
_ENTER = f"""\
#!/bin/sh
# The lab's {{program}}: the real one, inside its chroot, acting on this machine's root.
exec unshare --mount --fork --kill-child sh -c '
c=$1 m=$2; shift 2
mount --bind "$m" "$c{_INSIDE}" && mount --rbind /proc "$c/proc" && mount --rbind /dev "$c/dev" || exit 125
[ ! -d "$m/boot" ] || mount --bind "$m/boot" "$c/proc/1" || exit 125
exec chroot "$c" env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
' lab {{chroot}} {{machine}} {{program}} {{options}} "$@"
"""

_OPTIONS = {
    # The plugin "local" would keep packages in a repository of its own and so falsify what is offered.
    "dnf": f"--installroot={_INSIDE}/root --config={_INSIDE}/dnf.conf --releasever=9 --disableplugin=local",
    "dnf5": f"--installroot={_INSIDE}/root --config={_INSIDE}/dnf.conf --releasever=9 --disable-plugin=local",
    "zypper": f"--root {_INSIDE}/root --no-gpg-checks",
    "rpm": f"--root {_INSIDE}/root",
}

_BUILD = f"""\
set -eu
cd {_INSIDE}
export SOURCE_DATE_EPOCH={EPOCH}
for spec in specs/*/*.spec; do
  folder=${{spec%/*}}
  rpmbuild -bb --quiet --define "_topdir {_INSIDE}/build" --define "_rpmdir {_INSIDE}/repos/${{folder##*/}}" \\
    --define "_build_name_fmt %%{{NAME}}-%%{{VERSION}}-%%{{RELEASE}}.%%{{ARCH}}.rpm" --define "_buildhost lab" \\
    --define "use_source_date_epoch_as_buildtime 1" "$spec" >build.log 2>&1 || {{ cat build.log >&2; exit 1; }}
done
for repo in repos/*; do createrepo_c --quiet --revision {EPOCH} --set-timestamp-to-revision "$repo"; done
"""

_DNF_CONF = f"[main]\ngpgcheck=0\nreposdir={_INSIDE}/root/etc/yum.repos.d\npluginconfpath={_INSIDE}/plugins\n"
_DNF5_CONF = "[main]\ngpgcheck=0\n"  # dnf5 reads everything else from inside the root
_LOCKS_CONF = f"[main]\nenabled=1\nlocklist={_INSIDE}/plugins/versionlock.list\n"  # would else be the chroot's own
_REPO = "[{name}]\nname=The lab's {name}\nbaseurl=file://" + _INSIDE + "/repos/{name}\nenabled=1\n"


# What the lab's root is not by itself: a system of that family, which sees nothing but its own sockets.
_SYSTEMS: Mapping[Manager, str] = {
    "dnf": 'ID=rocky\nID_LIKE="rhel centos fedora"\n',
    "dnf5": "ID=fedora\n",
    "zypper": "ID=sles\nID_LIKE=suse\n",
}
_CAT = '#!/bin/sh\n[ "$1" = /etc/os-release ] && exec /bin/cat {release}\nexec /bin/cat "$@"\n'
_PROGRAMS = {"ss": "#!/bin/sh\nexit 0\n", "systemctl": "#!/bin/sh\nexit 1\n"}


@dataclass(frozen=True, slots=True)
class RpmMachine:
    """One machine: its directory holds `root`, `repos`, `bin` (to be put in front of PATH) and `dnf.conf`."""

    directory: Path
    manager: Manager

    @property
    def bin(self) -> Path:
        return self.directory / "bin"

    @property
    def root(self) -> Path:
        return self.directory / "root"

    def repository(self, name: str) -> Path:
        return self.directory / "repos" / name

    def tool(self, program: str) -> Tool:
        """One of the machine's programs, to be run directly."""
        return Tool((str(self.bin / program),), self.directory, {"LC_ALL": "C", "TZ": "UTC"})

    def as_host(self) -> str:
        """Let an sshd pass for a host with this machine's packages; the line of its configuration that does it."""
        release = self.directory / "os-release"
        release.write_text(_SYSTEMS[self.manager], encoding="utf-8")
        for name, text in {**_PROGRAMS, "cat": _CAT.format(release=release)}.items():
            (self.bin / name).write_text(text, encoding="utf-8")
            (self.bin / name).chmod(0o755)
        return f"SetEnv PATH={self.bin}:/usr/sbin:/usr/bin:/sbin:/bin"

    def reboot(self) -> None:
        """From now on the machine was started now: its tools take the time of /proc/1 for that."""
        (self.directory / "boot").mkdir(exist_ok=True)
        os.utime(self.directory / "boot")

    def lose_repository(self, name: str) -> None:
        """The repository no longer answers."""
        self.repository(name).rename(self.directory / f"lost-{name}")


@dataclass(frozen=True, slots=True)
class RpmRoots:
    """What all machines are copied from, in `directory` (the lab's cache when left out); several labs may share it."""

    directory: Path = field(default_factory=lambda: cache_directory() / "rpm")

    def prepare(self, manager: Manager) -> None:
        """Make what is missing; safe against another process doing the same.

        Raises:
            LabError: a tool is missing or failed, or the mirror does not answer.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._alone():
            self._chroot("dnf")  # the repositories are built there
            self._chroot(manager)
            self._repositories()
            self._pristine(manager)

    def machine(self, directory: Path, manager: Manager) -> RpmMachine:
        """A machine with everything of `base` installed and everything of `updates` waiting; call `prepare` first."""
        shutil.copytree(self._pristine_of(manager), directory, symlinks=True)
        machine = RpmMachine(directory, manager)
        self._programs(machine)
        machine.reboot()
        return machine

    def publish(self, machine: RpmMachine, advisories: tuple[Advisory, ...]) -> None:
        """Replace the advisories of the machine's `updates`; none at all leaves a repository without updateinfo."""
        path = machine.directory / "updateinfo.xml"
        path.write_text(updateinfo(advisories), encoding="utf-8")
        enter = self._tool("dnf", machine.directory, "modifyrepo_c")
        metadata = f"{_INSIDE}/repos/updates/repodata"
        if advisories:
            enter.run(f"{_INSIDE}/updateinfo.xml", metadata)
        else:
            enter.run("--remove", "updateinfo.xml", metadata)

    def _chroot(self, manager: Manager) -> None:
        home = self.directory / f"tools-{manager}"
        if (home / "made").exists():
            return
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        build = Tool(("mmdebstrap",), self.directory, seconds=_BUILD_SECONDS)
        suite, packages = _TOOLS[manager]
        options = ("--quiet", "--variant=apt", _LAGGING, f"--include={packages}")
        build.run(*options, suite, str(home / "chroot"), _MIRROR)
        (home / f"chroot{_INSIDE}").mkdir()
        (home / "made").touch()

    def _repositories(self) -> None:
        home = self._repos
        if (home / "made").exists():
            return
        shutil.rmtree(home, ignore_errors=True)
        for repository, packages in REPOSITORIES.items():
            folder = home / "specs" / repository
            folder.mkdir(parents=True)
            (home / "repos" / repository).mkdir(parents=True)
            for package in packages:
                name = f"{package.name}-{package.version}-{package.release}.spec"
                (folder / name).write_text(package.spec, encoding="utf-8")
        (home / "specs" / "base" / "tinysh.spec").write_text(SHELL_SPEC, encoding="utf-8")
        self._tool("dnf", home, "sh").run("-c", _BUILD)
        (home / "made").touch()

    def _pristine(self, manager: Manager) -> None:
        home = self._pristine_of(manager)
        if (home / "made").exists():
            return
        shutil.rmtree(home, ignore_errors=True)
        (home / "root/etc/yum.repos.d").mkdir(parents=True)
        shutil.copytree(self._repos / "repos", home / "repos")
        (home / "dnf.conf").write_text(_DNF5_CONF if manager == "dnf5" else _DNF_CONF, encoding="utf-8")
        machine = RpmMachine(home, manager)
        self.publish(machine, ADVISORIES)
        self._programs(machine)
        names = sorted({package.name for package in REPOSITORIES["base"]} | {"tinysh"})
        (self._install_with_zypper if manager == "zypper" else self._install_with_dnf)(machine, names)
        (home / "made").touch()

    def _install_with_dnf(self, machine: RpmMachine, names: list[str]) -> None:
        (machine.directory / "plugins").mkdir()
        (machine.directory / "plugins/versionlock.conf").write_text(_LOCKS_CONF, encoding="utf-8")
        (machine.directory / "plugins/versionlock.list").touch()
        lines = "".join(_REPO.format(name=name) for name in REPOSITORIES)
        (machine.root / "etc/yum.repos.d/lab.repo").write_text(lines, encoding="utf-8")
        machine.tool(machine.manager).run("-q", "-y", "--repo=base", "install", *names)

    def _install_with_zypper(self, machine: RpmMachine, names: list[str]) -> None:
        zypper = machine.tool("zypper")
        for name in REPOSITORIES:
            zypper.run("--non-interactive", "addrepo", "--no-gpgcheck", f"dir:{_INSIDE}/repos/{name}", name)
        zypper.run("--non-interactive", "refresh")
        zypper.run("--non-interactive", "install", "--repo", "base", "--no-recommends", *names)

    def _programs(self, machine: RpmMachine) -> None:
        machine.bin.mkdir(exist_ok=True)
        for program in (machine.manager, "rpm"):
            self._enter(machine.directory, machine.manager, program, machine.bin / program)

    def _tool(self, manager: Manager, directory: Path, program: str) -> Tool:
        """A program of the chroot that sees `directory`."""
        path = directory / f".{program}"
        self._enter(directory, manager, program, path)
        return Tool((str(path),), self.directory, seconds=_BUILD_SECONDS)

    def _enter(self, directory: Path, manager: Manager, program: str, path: Path) -> None:
        chroot = self.directory / f"tools-{manager}" / "chroot"
        options = _OPTIONS.get(program, "")
        text = _ENTER.format(program=program, chroot=chroot, machine=directory, options=options)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    @property
    def _repos(self) -> Path:
        return self.directory / f"repositories-{_recipe()}"

    def _pristine_of(self, manager: Manager) -> Path:
        return self.directory / f"pristine-{manager}-{_recipe()}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _recipe() -> str:
    """A digest of the code that decides the content."""
    digest = hashlib.sha256()
    for module in ("packages", "roots"):
        digest.update(Path(__file__).with_name(f"{module}.py").read_bytes())
    return digest.hexdigest()[:12]
