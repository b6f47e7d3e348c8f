"""`rings:` in a playbook: what it can say, and what is said of a mistake, with file and line."""

from datetime import timedelta
from pathlib import Path

import pytest

from ronde.adapters.files.playbooks import load_playbooks, playbook_schema
from ronde.model.errors import InputError
from ronde.model.inventory import RingsEntry
from ronde.model.inventory.rings import Tolerance
from ronde.model.patch.rings import Portion

HEAD = """\
title: {fr: Redémarrer, en: Restart}
description: {fr: Redémarre., en: Restarts.}
target: linux
risk: change
"""
STEPS = "steps: [{id: go, run: {argv: [/bin/true]}}]\n"


def rings_of(tmp_path: Path, text: str, head: str = HEAD, steps: str = STEPS) -> RingsEntry | None:
    area = tmp_path / "patch"
    area.mkdir()
    (area / "linux.yaml").write_text(f"{head}{steps}{text}", encoding="utf-8")
    return load_playbooks(tmp_path)["patch/linux"].playbook.rings


def test_a_playbook_says_everything(tmp_path: Path) -> None:
    text = "rings: {canary: tag, then: [2, 25%, all], at_most: 3, abort_over: 10%, bake: 1h, apart: [dns, dc]}\n"
    rings = rings_of(tmp_path, text)
    assert rings == RingsEntry(
        canary="tag",
        then=(Portion(count=2), Portion(percent=25), Portion(percent=100)),
        at_most=3,
        abort_over=Tolerance(10),
        bake=timedelta(hours=1),
        apart=("dns", "dc"),
    )
    assert rings is not None
    written = rings.model_dump(mode="json")
    assert (written["then"], written["abort_over"], written["bake"]) == ([2, "25%", "100%"], "10%", "1h")
    assert RingsEntry.model_validate(written) == rings


def test_a_number_may_go_wrong_and_nothing_need_be_said(tmp_path: Path) -> None:
    rings = rings_of(tmp_path, "rings: {abort_over: 2}\n")
    assert rings is not None
    assert rings.abort_over == Tolerance(count=2)
    assert rings.model_dump(mode="json")["abort_over"] == 2
    assert (rings.canary, rings.at_most, rings.bake, rings.apart) == ("role", 5, timedelta(minutes=30), ())


def test_without_rings_everything_goes_at_once(tmp_path: Path) -> None:
    assert rings_of(tmp_path, "") is None


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rings:\n  then: [half]\n", 7, 'rings.then[0]: "half" is not the size of a ring'),
        ("rings:\n  then: [true]\n", 7, 'rings.then[0]: "True" is not the size of a ring'),
        ("rings:\n  at_most: many\n", 7, "rings.at_most"),
        ("rings:\n  canary: role\n  abort: 10%\n", 8, 'did you mean "abort_over"'),
        ("rings: [25%]\n", 6, "rings: must be a mapping of fields"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(InputError) as caught:
        rings_of(tmp_path, text)
    assert f"linux.yaml:{line}: " in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("head", "steps"),
    [(HEAD.replace("change", "read"), STEPS), (HEAD.replace("target: linux\n", ""), "parts: [patch/linux]\n")],
)
def test_what_only_reads_or_only_has_parts_has_no_rings(tmp_path: Path, head: str, steps: str) -> None:
    with pytest.raises(InputError, match="rings are for steps that change something"):
        rings_of(tmp_path, "rings: {}\n", head, steps)


def test_an_editor_knows_the_words() -> None:
    assert {"canary", "then", "at_most", "abort_over", "bake", "apart"} == set(
        playbook_schema()["$defs"]["RingsEntry"]["properties"]
    )


def test_a_tag_means_the_same_with_and_without_role() -> None:
    rings = RingsEntry(apart=("role:dns", "dc"))
    assert rings.apart_of(["dns", "web"]) == rings.apart_of(["role:dns"]) == ("dns",)
    assert rings.apart_of(["role:dc", "dns"]) == ("dc", "dns")
    assert rings.roles(["role:web", "old"]) == {"role:web"}
    assert RingsEntry(canary="tag").roles(["role:web", "old"]) == {"role:web", "old"}
