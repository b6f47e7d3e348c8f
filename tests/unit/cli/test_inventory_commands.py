"""The inventory's commands as people use them: words, streams, exit statuses."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from ronde.cli import app

FIRST = ("provider.yml", "clients/client-example.yml")


@pytest.fixture(autouse=True)
def _bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RONDE_INVENTORY", str(tmp_path / "inventory"))
    monkeypatch.setenv("COLUMNS", "120")


def ronde(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def first(tmp_path: Path) -> Path:
    assert ronde("init", tmp_path / "inventory").exit_code == 0
    return tmp_path / "inventory"


def test_the_first_inventory_is_valid_and_says_what_is_left_to_do(first: Path) -> None:
    result = ronde("inventory", "check")
    assert result.exit_code == 0
    assert result.stdout == f"{first}: valid. 1 client, 1 host, 2 backups, 0 vCenters, 3 schedules; 1 warning.\n"
    assert result.stderr.endswith(
        "no host_key is pinned: connections are refused until: ronde host enrol srv-files (warning)\n"
    )


def test_what_is_commented_out_in_the_first_inventory_is_valid_too(first: Path) -> None:
    path = first / FIRST[1]
    opened: list[str] = []
    inside = False
    for line in path.read_text().splitlines():
        inside = line.startswith(("# vcenters:", "# windows:", "# exempt:")) or (inside and line.startswith("#"))
        opened.append(line.removeprefix("# ") if inside else line)
    text = "\n".join(opened).replace("  # snapshots:", "  snapshots:")
    assert "\nvcenters:\n  vc1:\n" in text
    assert "\nholidays: {calendar: fr" in text
    path.write_text(text)
    pem = first / "certificates" / "client-example" / "vc1.pem"
    pem.parent.mkdir()
    pem.write_text("-----BEGIN CERTIFICATE-----\n")
    result = ronde("inventory", "check")
    assert result.exit_code == 0, result.stderr
    assert "1 vCenter, 4 schedules" in result.stdout


def test_the_technicians_and_rules_of_the_first_inventory_are_valid_too(first: Path) -> None:
    path = first / FIRST[0]
    head, _, people = path.read_text().partition("# technicians:\n")
    lines = ["# technicians:", *people.splitlines()]
    path.write_text(head + "\n".join(line.removeprefix("# ") for line in lines if not line.startswith("# Every")))
    assert ronde("inventory", "check").exit_code == 0, ronde("inventory", "check").stderr
    assert "may not see" in ronde("inventory", "show", "client-example").stderr


def test_the_placeholders_are_recognisable(first: Path) -> None:
    addresses = [word for name in FIRST for word in (first / name).read_text().split() if "@" in word or "192." in word]
    assert addresses
    assert all(".example" in word or "192.0.2." in word or "vsphere.local" in word for word in addresses)


def test_init_never_overwrites(first: Path) -> None:
    (first / FIRST[0]).write_text("mine")
    for name in FIRST[1:]:
        (first / name).unlink()
    result = ronde("init", first)
    assert result.exit_code == 2
    assert "exists already; nothing was written" in result.stderr
    assert (first / FIRST[0]).read_text() == "mine"
    assert not (first / FIRST[1]).exists()


def test_the_schemas_beside_the_first_inventory_are_those_of_the_command(first: Path) -> None:
    for kind in ("client", "provider"):
        printed = json.loads(ronde("inventory", "schema", kind).stdout)
        Draft202012Validator.check_schema(printed)
        assert json.loads((first / ".schema" / f"{kind}.json").read_text()) == printed
    assert "# yaml-language-server: $schema=../.schema/client.json" in (first / FIRST[1]).read_text()


def test_errors_go_to_standard_error_with_file_and_line(first: Path) -> None:
    path = first / FIRST[1]
    path.write_text(path.read_text().replace("tool: restic", "tool: restik").replace('"0 2 * * *"', '"0 25 * * *"'))
    result = ronde("inventory", "check", first)
    line = path.read_text().splitlines().index("        tool: restik") + 1
    assert result.exit_code == 1
    assert result.stdout == ""
    assert (
        f'{path}:{line}: hosts.srv-files.backups[0].tool: "restik" is not a backup tool; did you mean "restic"?'
        in result.stderr
    )
    assert 'schedules.night-backups.at: "0 25 * * *": hour 25 is not in 0\N{EN DASH}23' in result.stderr
    assert result.stderr.endswith("2 errors in 1 client file.\nRunning workers keep the last valid inventory.\n")


def test_check_as_json(first: Path) -> None:
    document = json.loads(ronde("inventory", "check", "--json").stdout)
    assert document["valid"] is True
    assert len(document["digest"]) == 64
    assert [warning["path"] for warning in document["warnings"]] == ["hosts.srv-files"]
    (first / FIRST[0]).write_text("name: x\n")
    result = ronde("inventory", "check", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["valid"], document["digest"]) == (False, None)
    assert document["errors"] == [
        {"file": str(first / FIRST[0]), "line": 1, "path": "sender", "message": "is missing", "warning": False}
    ]


def test_a_directory_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    result = ronde("inventory", "check", tmp_path / "none")
    assert result.exit_code == 2
    assert f"ronde init {tmp_path / 'none'}" in result.stderr


def test_show(first: Path) -> None:
    result = ronde("inventory", "show", "client-example")
    assert result.exit_code == 0
    assert "ronde@192.0.2.11:22" in result.stdout
    assert "1/20 in 04:00-06:00" in result.stdout
    document = json.loads(ronde("inventory", "show", "client-example", "--json").stdout)
    assert document["limits"]["per_client"] == 10
    wrong = ronde("inventory", "show", "client-exampl")
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        'There is no client "client-exampl"; did you mean "client-example"?\n',
    )


def test_import_ansible_prints_or_writes_a_client_that_passes_the_check(first: Path, tmp_path: Path) -> None:
    source = tmp_path / "hosts.ini"
    source.write_text("[web]\nweb[1:2] ansible_user=ronde http_port=80\n")
    words = ("inventory", "import", "ansible", source, "--client", "commune")
    printed = ronde(*words)
    assert printed.exit_code == 0
    assert f"{source}:2: http_port was not carried over" in printed.stderr
    written = ronde(*words, "--write")
    path = first / "clients" / "commune.yml"
    assert written.stdout == f"wrote {path}: 2 hosts\n"
    assert path.read_text() == printed.stdout
    assert "2 clients, 3 hosts" in ronde("inventory", "check").stdout
    again = ronde(*words, "--write")
    assert (again.exit_code, again.stderr) == (2, f"{path} exists already; nothing was written\n")


@pytest.mark.parametrize(
    ("option", "value"), [("--client", "Bad Name"), ("--client", "../x"), ("--timezone", "Mars/Base")]
)
def test_import_refuses_what_would_not_be_valid(first: Path, tmp_path: Path, option: str, value: str) -> None:
    source = tmp_path / "hosts.ini"
    source.write_text("h ansible_user=u\n")
    words = {"--client": "commune", "--timezone": "Europe/Paris", option: value}
    result = ronde(
        "inventory", "import", "ansible", source, "--write", *(word for pair in words.items() for word in pair)
    )
    assert result.exit_code == 2
    assert value in result.stderr
    assert [path.name for path in (first / "clients").iterdir()] == ["client-example.yml"]


@pytest.mark.parametrize(
    "words",
    [
        ("init",),
        ("inventory", "check"),
        ("inventory", "schema"),
        ("inventory", "show"),
        ("inventory", "import", "ansible"),
        ("schedule",),
    ],
)
def test_every_help_has_an_example(words: tuple[str, ...]) -> None:
    result = ronde(*words, "--help")
    assert result.exit_code == 0
    assert f"Example: ronde {' '.join(words)}" in " ".join(result.stdout.split())
