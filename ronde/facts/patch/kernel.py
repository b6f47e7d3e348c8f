"""Whether a newer kernel of Debian or Ubuntu is installed than the one that runs, and the marker file of a reboot.

Only real image packages count: those whose name ends in a release that could run (`linux-image-6.1.0-35-amd64`). The
meta packages beside them (`linux-image-amd64`) have versions of another kind. A security update may also keep the
release and only change the package's version; the running kernel tells that version in `uname -v`.
"""

import re
from dataclasses import dataclass

from ronde.facts.patch.reading import LOOK_LIMIT, cut, not_understood, unusable
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.debian_version import version_key
from ronde.model.patch.reboot import Signal

# A container's kernel is its host's. `dpkg-query` ends with 1 when no package matches, which is an answer.
_KERNEL = """\
uname -r; uname -v
if command -v systemd-detect-virt >/dev/null; then systemd-detect-virt --container; else echo untold; fi
dpkg-query -W -f='${db:Status-Abbrev}\\t${Package}\\t${Version}\\n' 'linux-image-*' 2>/dev/null
exit 0
"""
_MARKER = """\
for f in /run/reboot-required /var/run/reboot-required; do
  [ -e "$f" ] || continue
  echo "$f"
  if [ -r "$f.pkgs" ]; then sort -u "$f.pkgs"; fi
  exit 0
done
exit 0
"""
_IMAGE = re.compile(r"linux-image-(?:unsigned-)?(\d\S*)")
_FLAVOUR = re.compile(r"-([a-z][a-z0-9-]*)$")
_DEBIAN = re.compile(r"\bDebian (\S+)")
_UBUNTU = re.compile(r"#(\d+)\S*-Ubuntu")


@dataclass(frozen=True, slots=True)
class _Image:
    release: str
    version: str

    @property
    def flavour(self) -> str:
        match = _FLAVOUR.search(self.release)
        return match[1] if match else ""


def kernel_question() -> Question:
    command = Command(("sh", "-c", _KERNEL, "ronde"), timeout=LOOK_LIMIT)
    return Question(command, "uname -rv; systemd-detect-virt --container; dpkg-query -W 'linux-image-*'")


def parse_kernel(answer: Answer) -> Signal | Finding:
    lines = answer.text.splitlines()
    bad = unusable("uname", answer)
    if bad or len(lines) < 3:
        return bad or not_understood("uname", answer)
    release, build, container, *listed = lines
    if container not in {"none", "untold"}:
        return Signal("kernel", needed=False, reason=f"The kernel is that of the {container} container's host.")
    return _judge(release, build, [image for line in listed if (image := _image(line))])


def _image(line: str) -> _Image | None:
    """Of a fully installed package of a kernel that could run; None for everything else."""
    mark, _, rest = line.partition("\t")
    name, _, version = rest.partition("\t")
    match = _IMAGE.fullmatch(name)
    return _Image(match[1], version) if match and mark[1:3] == "i " else None


def _judge(release: str, build: str, images: list[_Image]) -> Signal:
    running = next((image for image in images if image.release == release), None)
    if running is None:
        return Signal("kernel", None, f"The running kernel {release} comes from no installed package.", release)
    alike = [image for image in images if image.flavour == running.flavour]
    newest = max(alike, key=lambda image: (version_key(image.release), version_key(image.version)))
    evidence = f"running {release} ({build}), newest {newest.release} {newest.version}"
    if newest.release != release:
        reason = f"Kernel {newest.release} is installed, {release} runs."
        return Signal("kernel", needed=True, reason=reason, evidence=evidence)
    if _built_from(build, running.version) is False:
        reason = f"Kernel {release} was replaced by {running.version}."
        return Signal("kernel", needed=True, reason=reason, evidence=evidence)
    return Signal("kernel", needed=False, reason=f"The newest installed kernel {release} runs.", evidence=evidence)


def _built_from(build: str, version: str) -> bool | None:
    """Whether the running kernel is of that package's version, by its own word; None when it does not say."""
    if match := _DEBIAN.search(build):
        return match[1] == version
    if match := _UBUNTU.search(build):
        return version.partition("~")[0].rpartition(".")[2] == match[1]
    return None


def marker_question() -> Question:
    command = Command(("sh", "-c", _MARKER, "ronde"), timeout=LOOK_LIMIT)
    return Question(command, "cat /run/reboot-required.pkgs")


def parse_marker(answer: Answer) -> Signal | Finding:
    """The marker says yes. Its absence says nothing: many hosts have no program that would write it."""
    bad = unusable("sh", answer) or cut(answer)
    if bad:
        return bad
    path, *packages = answer.text.split() or [""]
    if not path:
        return Signal("marker", needed=False, reason="No marker file asks for a reboot.", settles=False)
    wanted = f" for {', '.join(packages)}" if packages else ""
    return Signal("marker", needed=True, reason=f"{path} asks for a reboot{wanted}.", evidence=" ".join(packages))
