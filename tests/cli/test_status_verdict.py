"""Below a study that is done stands what came out, or which command says it."""

from pathlib import Path

import pytest

from hinet_search.storage.store import StudyStore
from tests.cli.conftest import Run
from tests.storage.small_study import small_study


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    (tmp_path / "out").mkdir()
    return StudyStore(small_study(tmp_path / "out" / "studies.sqlite3"), "small")


def test_a_study_that_is_done_has_its_verdict(run: Run, store: StudyStore) -> None:
    store.set_state("done")
    store.set_verdict("HiNet wins.")
    assert "\n  HiNet wins.\n" in run("status", "--output", "out").out


def test_one_whose_version_kept_no_verdict_has_the_command_that_says_it(run: Run, store: StudyStore) -> None:
    store.set_state("done")
    said = run("status", "--output", "out").out
    assert said.splitlines()[-1].endswith(": hinet-search report small --output out")


def test_one_that_is_not_done_has_none(run: Run, store: StudyStore) -> None:
    store.set_state("stopped")
    assert len(run("status", "--output", "out").out.splitlines()) == 2
