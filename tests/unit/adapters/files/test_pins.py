import difflib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ronde.adapters.files.pins import pin_host_keys
from ronde.model.errors import InputError

FILE = """\
# The town hall.
client: acme   # never changes
hosts:
  bare:   # the first
    address: 10.0.0.1
    user: ronde      # not root
    key: file:///k   # theirs
    backups:
      - {name: x, tool: dump, path: /x, format: tar}
  # between
  pinned:
    host_key: ssh-ed25519 OLD   # compared by phone
    address: 10.0.0.2
  flow: {address: 1.2.3.4, user: x, key: "file:///k"}
  list:
    address: 10.0.0.3
    host_key:
      - ssh-ed25519 A1
      - ssh-rsa A2

    # the end
  flow-pinned: {host_key: ssh-ed25519 A, address: 1.2.3.4}
  shared: &shared
    address: 10.0.0.9
  alias: *shared
contacts: []
"""
KEYS = ["ssh-ed25519 AAAA=", "ecdsa-sha2-nistp256 BBBB", "ssh-rsa CCCC"]


def after(path: Path) -> str:
    return path.read_bytes().decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "acme.yml"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("host", ["bare", "pinned", "flow", "list", "flow-pinned"])
def test_only_the_pins_of_the_host_change(path: Path, host: str, count: int, newline: str) -> None:
    path.write_bytes(FILE.replace("\n", newline).encode())
    pin_host_keys(path, host, KEYS[:count])
    text = after(path)
    yaml = YAML(typ="safe", pure=True)
    written, expected = yaml.load(text), yaml.load(FILE)
    expected["hosts"][host]["host_key"] = KEYS[0] if count == 1 else KEYS
    assert written == expected
    touched = [
        line[2:].strip()
        for line in difflib.ndiff(FILE.splitlines(), text.splitlines())
        if line.startswith(("- ", "+ "))
    ]
    assert all(
        any(word in line for word in ("host_key", "AAAA", "BBBB", "CCCC", "A1", "A2", "flow")) for line in touched
    )
    assert all(
        comment in text for comment in ("# The town hall.", "# between", "# theirs", "# compared by phone", "# the end")
    )
    assert text.count(newline) == text.count("\n")


def test_the_mode_of_the_file_stays(path: Path) -> None:
    path.chmod(0o640)
    pin_host_keys(path, "bare", KEYS)
    assert path.stat().st_mode & 0o7777 == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["acme.yml"]


@pytest.mark.parametrize("host", ["nobody", "alias"])
def test_what_cannot_be_edited_safely_is_left_alone(path: Path, host: str) -> None:
    with pytest.raises(InputError) as caught:
        pin_host_keys(path, host, KEYS)
    assert KEYS[0] in caught.value.advice
    assert after(path) == FILE


@pytest.mark.parametrize("text", ["", "hosts: [1]", "hosts: {a: 1}", "a: [", "\x00", "- x"])
def test_files_that_hold_no_such_host_are_left_alone(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(InputError):
        pin_host_keys(path, "a", KEYS)
    assert after(path) == text
