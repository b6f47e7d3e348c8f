"""The shape of the house: arrows, top-level files, budgets, leftovers."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = sorted(
    path
    for folder in ("ronde", "tasks")
    for path in (ROOT / folder).rglob("*.py")
    if "versions" not in path.parts  # a migration tells one story from top to bottom
)
TOP = [ROOT / "worker.py", ROOT / "beat_schedule.py"]
OURS = {"ronde", "tasks", "worker", "beat_schedule", "lab", "bench"}


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, source: list[str]) -> int:
    body = function.body
    if (
        isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        body = body[1:]
    if not body:
        return 0
    lines = source[body[0].lineno - 1 : body[-1].end_lineno]
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))


def test_the_worker_stands_on_the_schedule_and_the_tasks() -> None:
    roots = {name.split(".")[0] for name, _ in imports(ROOT / "worker.py")}
    assert roots & OURS <= {"beat_schedule", "tasks", "ronde"}


def test_the_schedule_knows_no_task() -> None:
    roots = {name.split(".")[0] for name, _ in imports(ROOT / "beat_schedule.py")}
    assert roots & OURS <= {"ronde"}


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_product_never_imports_the_lab_or_its_own_entry_points(path: Path) -> None:
    roots = {name.split(".")[0] for name, _ in imports(path)}
    assert not roots & {"lab", "bench", "tests", "worker", "beat_schedule"}


def test_no_first_party_import_inside_a_function() -> None:
    late = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*PRODUCT, *TOP]
        for function in functions(path)
        for node in ast.walk(function)
        if (isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS)
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] in OURS for alias in node.names))
    ]
    assert late == []


def test_one_broad_except_in_the_whole_product() -> None:
    broad = [
        f"{path.relative_to(ROOT)}"
        for path in [*PRODUCT, *TOP]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    ]
    assert broad == ["ronde/engine/work.py"]


def test_functions_stay_small() -> None:
    sizes = sorted(
        (body_lines(function, path.read_text().splitlines()), f"{path.relative_to(ROOT)}:{function.lineno}")
        for path in PRODUCT
        for function in functions(path)
    )
    assert sizes[int(len(sizes) * 0.95)][0] <= 25
    assert [place for size, place in sizes if size > 50] == []


def test_files_stay_small() -> None:
    sizes = sorted((len(path.read_text().splitlines()), str(path.relative_to(ROOT))) for path in PRODUCT)
    assert sizes[int(len(sizes) * 0.95)][0] <= 300
    assert [name for size, name in sizes if size > 500] == []


def test_the_core_reads_no_clock() -> None:
    clocks = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("model", "facts", "reports")
        for path in (ROOT / "ronde" / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today", "time", "monotonic")
        if isinstance(node.value, ast.Name) and node.value.id in ("datetime", "date", "time")
    ]
    assert clocks == []


def test_the_arrows_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
