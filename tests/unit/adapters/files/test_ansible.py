"""Ansible inventories as Ansible reads them, and what becomes of them."""

from pathlib import Path
from typing import Any

import pytest

from ronde.adapters.files.ansible import AnsibleInventory, expand, split_port
from ronde.adapters.files.ansible_import import Carried, carry_over, jump_hosts, read_ansible, render
from ronde.adapters.files.documents import parse_document
from ronde.model.errors import InputError
from ronde.model.inventory import Client


def written(tmp_path: Path, text: str, name: str = "hosts.ini") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def imported(path: Path) -> Carried:
    return carry_over(read_ansible(path), "commune", "Europe/Paris")


def hosts(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = imported(path).document["hosts"]
    return found


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("web[01:03]", ["web01", "web02", "web03"]),
        ("web[8:10].a", ["web8.a", "web9.a", "web10.a"]),
        ("web[0:10:5]", ["web0", "web5", "web10"]),
        ("db-[a:c]", ["db-a", "db-b", "db-c"]),
        ("r[1:2]-h[a:b]", ["r1-ha", "r1-hb", "r2-ha", "r2-hb"]),
        ("plain", ["plain"]),
    ],
)
def test_ranges(pattern: str, names: list[str]) -> None:
    assert expand(pattern) == names


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a[3:1]", "runs backwards"),
        ("a[01:003]", "same number of digits"),
        ("a[a:9]", "neither a range of numbers nor of letters"),
        ("a[0:99999999]", "more than 10000 hosts"),
        ("a[0:999]-[0:999]", "more than 10000 hosts"),
        ("a[1:9:0]", "step must be 1 or more"),
    ],
)
def test_ranges_that_make_no_sense(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand(pattern)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("web:2222", ("web", 2222)),
        ("web[1:3]:2222", ("web[1:3]", 2222)),
        ("web[1:3]", ("web[1:3]", None)),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("[2001:db8::1]:2222", ("2001:db8::1", 2222)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
        ("[1:3].example", ("[1:3].example", None)),
    ],
)
def test_ports(pattern: str, expected: tuple[str, int | None]) -> None:
    assert split_port(pattern) == expected


INI = """\
# comment
lone ansible_host=10.0.0.9 ansible_user=root   # trailing
[web]
web[01:02].example.com ansible_user=deploy
Srv_Intranet:2222 ansible_host=10.0.0.3
[db]
db-a ansible_port=2200
; another comment
[site:children]
web
db
[site:vars]
ansible_user=ronde
ansible_ssh_common_args='-o ProxyJump=bastion'
ansible_ssh_private_key_file=/keys/site
[db:vars]
ansible_user = dba
[jump]
bastion ansible_host=192.0.2.1 ansible_user=jump
"""
SITE = {"key": "file:///keys/site", "via": "bastion"}
WEB = {**SITE, "user": "deploy", "tags": ["site", "web"]}
HOSTS = {
    "lone": {"address": "10.0.0.9", "user": "root", "key": "age://commune/ssh"},
    "web01.example.com": {"address": "web01.example.com", **WEB},
    "web02.example.com": {"address": "web02.example.com", **WEB},
    "srv_intranet": {**WEB, "address": "10.0.0.3", "port": 2222, "user": "ronde"},
    "db-a": {**SITE, "address": "db-a", "port": 2200, "user": "dba", "tags": ["db", "site"]},
    "bastion": {"address": "192.0.2.1", "user": "jump", "key": "age://commune/ssh", "tags": ["jump"]},
}
YAML = """\
all:
  hosts:
    lone: {ansible_host: 10.0.0.9, ansible_user: root}
  children:
    site:
      vars:
        ansible_user: ronde
        ansible_ssh_common_args: -o ProxyJump=bastion
        ansible_ssh_private_key_file: /keys/site
      children:
        web:
          hosts:
            web[01:02].example.com: {ansible_user: deploy}
            Srv_Intranet:2222: {ansible_host: 10.0.0.3}
        db:
          vars: {ansible_user: dba}
          hosts:
            db-a: {ansible_port: 2200}
    jump:
      hosts:
        bastion: {ansible_host: 192.0.2.1, ansible_user: jump}
"""


@pytest.mark.parametrize(("text", "name"), [(INI, "hosts.ini"), (INI, "hosts"), (YAML, "hosts.yml")])
def test_both_kinds_of_file_mean_the_same(tmp_path: Path, text: str, name: str) -> None:
    assert hosts(written(tmp_path, text, name)) == HOSTS


def test_the_result_is_a_valid_client(tmp_path: Path) -> None:
    text = render(imported(written(tmp_path, INI)), "hosts.ini")
    document = parse_document(text.encode())
    assert document.flaws == ()
    client = Client.model_validate(document.value)
    assert (client.client, len(client.hosts), client.hosts["db-a"].via) == ("commune", 6, "bastion")


def test_precedence_of_variables(tmp_path: Path) -> None:
    path = written(tmp_path, "[web]\nw1\nw2 ansible_user=line\nw3\n[all:vars]\nansible_user=all\nansible_port=1\n")
    for file, user in (
        ("group_vars/all.yml", "files-all"),
        ("group_vars/web/main.yml", "files-web"),
        ("host_vars/w3", "files-host"),
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"ansible_user: {user}\n")
    assert [(entry["user"], entry["port"]) for entry in hosts(path).values()] == [
        ("files-web", 1),
        ("line", 1),
        ("files-host", 1),
    ]


def test_a_child_group_wins_over_its_parent_and_priority_over_the_alphabet(tmp_path: Path) -> None:
    path = written(tmp_path, "[z:children]\na\n[a]\nh\n[b]\nh\n[z:vars]\nansible_user=z\n[a:vars]\nansible_user=a\n")
    assert hosts(path)["h"]["user"] == "a"
    path = written(
        tmp_path, "[a]\nh\n[b]\nh\n[a:vars]\nansible_user=a\nansible_group_priority=9\n[b:vars]\nansible_user=b\n"
    )
    assert hosts(path)["h"]["user"] == "a"


def test_groups_that_hold_each_other_end(tmp_path: Path) -> None:
    assert hosts(written(tmp_path, "[a:children]\nb\n[b:children]\na\n[a]\nh\n"))["h"]["tags"] == ["a", "b"]


def test_what_does_not_come_along_is_told_with_its_line(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "h ansible_host={{ip}} http_port=80 ansible_ssh_pass=hunter2 half hunter3\n"
        "win ansible_connection=winrm\n[g:odd]\nx\n[db]\nbad[3:1]\n[all:vars]\nansible_ssh_common_args=-o Ciphers=x\n"
        "ansible_user=DOMAIN\\\\me\n",
    )
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "h.yml").write_text("secret: !vault |\n  66\n")
    left = "\n".join(imported(path).left)
    for sentence in (
        f"{path}:1: ansible_host is a template and was not carried over",
        f"{path}:1: http_port was not carried over",
        f"{path}:1: ansible_ssh_pass was not carried over; secrets belong in an age:// file",
        f"{path}:1: a word after h is no key=value",
        f"{path}:2: host win is reached by winrm, not by SSH: not carried over",
        f'{path}:3: "[g:odd]" is not a kind of section that Ansible knows',
        f"{path}:6: [3:1] runs backwards",
        f"{path}:8: the SSH option Ciphers=x was not carried over",
        f"{tmp_path}/host_vars/h.yml:1: secret: is encrypted by Ansible Vault and was not carried over",
        'host h: user: "DOMAIN\\\\me" is not a login name: not carried over',
    ):
        assert sentence in left
    assert "hunter" not in left


def test_host_keys_are_said_to_be_missing(tmp_path: Path) -> None:
    assert imported(written(tmp_path, "h ansible_user=u\n")).left[-1] == (
        "no host key was imported: Ansible keeps none. Pin each with: ronde host enrol HOST"
    )


@pytest.mark.parametrize(
    ("arguments", "hops", "unread"),
    [
        ("-o ProxyJump=a", ["a"], []),
        ("-oProxyJump=a,u@b:2200", ["a", "u@b:2200"], []),
        ("-J a", ["a"], []),
        ('-o "ProxyJump a"', ["a"], []),
        ("-o ProxyJump=none", [], []),
        ("-o ProxyCommand='ssh -W %h:%p -q -p 2222 u@b'", ["u@b:2222"], []),
        ("-o ProxyCommand='ssh -i key -l u -W %h:%p b'", ["u@b"], []),
        ("-o ProxyCommand='nc %h %p'", [], ["ProxyCommand=nc %h %p"]),
        ("-C -o Ciphers=x", [], ["-C", "Ciphers=x"]),
        ("-o 'open", [], ["-o 'open"]),
    ],
)
def test_jump_hosts_in_ssh_arguments(arguments: str, hops: list[str], unread: list[str]) -> None:
    assert jump_hosts(arguments) == (hops, unread)


def test_a_chain_of_jump_hosts_that_the_inventory_lacks(tmp_path: Path) -> None:
    found = hosts(written(tmp_path, "h ansible_user=u ansible_ssh_common_args='-J a.example,root@b.example:2200'\n"))
    assert found["h"]["via"] == "b.example"
    assert found["b.example"] == {
        "address": "b.example", "user": "root", "key": "age://commune/ssh", "port": 2200, "via": "a.example",
    }  # fmt: skip
    assert "via" not in found["a.example"]


def test_a_bastion_that_its_own_group_sends_through_itself(tmp_path: Path) -> None:
    found = hosts(written(tmp_path, "b\nh\n[all:vars]\nansible_user=u\nansible_ssh_common_args=-J b\n"))
    assert found["h"]["via"] == "b"
    assert "via" not in found["b"]


def test_two_hosts_that_would_get_one_name(tmp_path: Path) -> None:
    carried = imported(written(tmp_path, "srv ansible_user=u\nSRV ansible_user=u\n"))
    assert list(carried.document["hosts"]) == ["srv"]
    assert any(sentence.startswith("host SRV: no name can be made of it") for sentence in carried.left)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plugin: aws_ec2\n", "is a dynamic inventory"),
        ("- a\n", "is no inventory"),
        ("all:\n  host: {}\n", "is neither hosts, vars nor children"),
        ("all: [a]\n", "is no group"),
        ("all:\n\thosts: x\n", "a tab stands in the indentation"),
    ],
)
def test_yaml_that_is_no_inventory(tmp_path: Path, text: str, message: str) -> None:
    carried = imported(written(tmp_path, text, "hosts.yml"))
    assert carried.document["hosts"] == {}
    assert any(message in sentence for sentence in carried.left)


def test_programs_and_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a program"):
        read_ansible(written(tmp_path, "#!/bin/sh\n"))
    with pytest.raises(InputError, match="is a directory"):
        read_ansible(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_ansible(tmp_path / "none")


def test_an_empty_inventory_has_no_hosts() -> None:
    carried = carry_over(AnsibleInventory(), "commune", "Europe/Paris")
    assert (carried.document["hosts"], carried.left) == ({}, [])
