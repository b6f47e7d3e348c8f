"""Real restic and borg repositories, built once a session and copied for each test."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.backup.bench import (
    NOW,
    Bench,
    build_borg,
    build_restic,
    copy_of,
    declare_borg,
    declare_restic,
    past,
)

LAST_NIGHT = NOW - timedelta(hours=2)


@pytest.fixture(scope="session")
def restic_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("restic")
    build_restic(root)
    return root


@pytest.fixture(scope="session")
def borg_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("borg")
    build_borg(root)
    return root


@pytest.fixture(scope="session")
def restic_memory(restic_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The bench on which the healthy template was checked once, so that tests start with a remembered night."""
    bench = Bench(tmp_path_factory.mktemp("restic-memory"))
    copy_of(restic_template, bench.root)
    bench.restic_history = (past(bench.check(declare_restic(bench)), LAST_NIGHT),)
    return bench


@pytest.fixture(scope="session")
def borg_memory(borg_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("borg-memory"))
    copy_of(borg_template, bench.root)
    check = bench.check(declare_borg(bench))
    facts = {key: value for key, value in check.facts.items() if key != "location"}  # each test's copy lies elsewhere
    bench.borg_history = (past(replace(check, facts=facts), LAST_NIGHT),)
    return bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def restic_bench(bench: Bench, restic_template: Path, restic_memory: Bench) -> Bench:
    """A copy of five healthy nights, and the memory of one earlier check."""
    copy_of(restic_template, bench.root)
    bench.restic_history = restic_memory.restic_history
    return bench


@pytest.fixture
def borg_bench(bench: Bench, borg_template: Path, borg_memory: Bench) -> Bench:
    copy_of(borg_template, bench.root)
    bench.borg_history = borg_memory.borg_history
    return bench
