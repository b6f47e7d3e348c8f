"""The packages of the lab's rpm repositories: one for each way in which an update goes well, or does not."""

from dataclasses import dataclass

LONG = "a-package-with-a-name-so-long-that-every-table-of-the-package-manager-wraps-it"
EPOCH = 1_790_000_000  # when everything was built; the same bytes whenever they are made anew

_SPEC = """\
Name: {name}
Version: {version}
Release: {release}
Summary: the lab's {name}
License: MIT
BuildArch: noarch
{header}
%description
It does nothing.
%install
mkdir -p %{{buildroot}}/opt/{name}
echo {version}-{release} >%{{buildroot}}/opt/{name}/{version}-{release}
{scripts}
%files
/opt/{name}/{version}-{release}
"""

# Scriptlets need a shell inside the root: one static program, and no dependency on the packages of a distribution.
SHELL_SPEC = """\
Name: tinysh
Version: 1.0
Release: 1
Summary: the shell of scriptlets
License: MIT
Provides: /bin/sh
AutoReqProv: no
%global debug_package %{nil}
%global __os_install_post %{nil}
%description
A shell.
%install
mkdir -p %{buildroot}/bin
cp /bin/busybox %{buildroot}/bin/busybox
ln -s busybox %{buildroot}/bin/sh
ln -s busybox %{buildroot}/bin/sleep
%files
/bin/busybox
/bin/sh
/bin/sleep
"""


@dataclass(frozen=True, slots=True)
class Rpm:
    """One package to be built: `header` are further lines of its preamble, `scripts` its scriptlets."""

    name: str
    version: str
    release: str = "1"
    epoch: int = 0
    header: str = ""
    scripts: str = ""

    @property
    def spec(self) -> str:
        return _SPEC.format(
            name=self.name,
            version=self.version,
            release=self.release,
            header=f"Epoch: {self.epoch}\n{self.header}" if self.epoch else self.header,
            scripts=self.scripts,
        )


_KERNEL = "Provides: installonlypkg(kernel)\nProvides: multiversion(kernel)"
_PLAIN = ("alpha", "beta", "gamma", "broken", "grows", "oldname", "postfail", "prefail", "slow", "epochal")

REPOSITORIES: dict[str, tuple[Rpm, ...]] = {
    "base": (
        *(Rpm(name, "1.0") for name in (*_PLAIN, LONG, "linux-firmware", "installer", "thirdparty")),
        Rpm("kernel-core", "6.1.0", "100.el9", header=_KERNEL),
    ),
    "updates": (
        *(Rpm(name, "1.1") for name in ("alpha", "beta", "gamma", LONG, "installer")),
        Rpm("gamma", "1.2"),
        Rpm("kernel-core", "6.1.0", "101.el9", header=_KERNEL),
        Rpm("linux-firmware", "1.1", header="Provides: installhint(reboot-needed)"),
        Rpm("broken", "1.1", header="Requires: nowhere-to-be-found"),
        Rpm("grows", "1.1", header="Requires: newlib"),
        Rpm("newlib", "1.0"),
        Rpm("newname", "2.0", header="Obsoletes: oldname < 2.0\nProvides: oldname = 2.0"),
        Rpm("postfail", "1.1", scripts="%post\necho postfail is unhappy >&2\nexit 1"),
        Rpm("prefail", "1.1", scripts="%pre\nexit 1"),
        Rpm("slow", "1.1", scripts="%post\nsleep 20"),
        Rpm("epochal", "0.9", epoch=2),
    ),
    "thirdparty": (Rpm("thirdparty", "1.1"),),
}
"""`updates` carries advisories; `thirdparty` has none, as repositories outside of the vendor's mostly have not."""


@dataclass(frozen=True, slots=True)
class Advisory:
    """One notice of updateinfo.xml; `packages` are (name, version, release), `flag` a line inside each."""

    id: str
    kind: str
    severity: str
    packages: tuple[tuple[str, str, str], ...]
    cves: tuple[str, ...] = ()
    flag: str = ""

    @property
    def xml(self) -> str:
        # dnf5 ends with a crash on a reference without a title.
        links = "".join(
            f'<reference href="https://example.org/{cve}" id="{cve}" type="cve" title="{cve}"/>' for cve in self.cves
        )
        packages = "".join(
            f'<package name="{name}" version="{version}" release="{release}" epoch="0" arch="noarch">'
            f"<filename>{name}-{version}-{release}.noarch.rpm</filename>{self.flag}</package>"
            for name, version, release in self.packages
        )
        return (
            f'<update from="lab@example.org" status="final" type="{self.kind}" version="1"><id>{self.id}</id>'
            f"<title>{self.id} for the lab</title><severity>{self.severity}</severity><release>9</release>"
            f'<issued date="2026-10-01 10:00:00"/><updated date="2026-10-02 10:00:00"/>'
            f"<references>{links}</references><description>What is mended.\nOver two lines.</description>"
            f'<pkglist><collection short="lab"><name>lab</name>{packages}</collection></pkglist></update>'
        )


ADVISORIES = (
    Advisory("LAB-2026:0001", "security", "Critical", (("beta", "1.1", "1"),), ("CVE-2026-1111", "CVE-2026-1112")),
    Advisory("LAB-2026:0002", "bugfix", "None", (("alpha", "1.1", "1"),)),
    Advisory(
        "LAB-2026:0003",
        "security",
        "Important",
        (("kernel-core", "6.1.0", "101.el9"),),
        ("CVE-2026-2222",),
        "<reboot_suggested>True</reboot_suggested>",
    ),
    # Its gamma is not the newest one: who compares whole names takes gamma 1.2 for no security update.
    Advisory("LAB-2026:0004", "security", "Moderate", (("gamma", "1.1", "1"), (LONG, "1.1", "1"))),
)
MANAGER_ADVISORY = Advisory(
    "LAB-2026:0005",
    "recommended",
    "Low",
    (("installer", "1.1", "1"),),
    flag="<restart_suggested>True</restart_suggested>",
)
"""Of the package manager itself: zypper installs it alone and wants to be run again. Not published at first."""


def updateinfo(advisories: tuple[Advisory, ...]) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<updates>{"".join(one.xml for one in advisories)}</updates>\n'
