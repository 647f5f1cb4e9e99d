"""The checker of storms finds what is lost, doubled, stuck or wrong: each is put into a study that ended well."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.checker import Seen, Verdict, check
from tests.chaos.launches import Launches

TRIALS = 4


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Launches(tmp_path_factory.mktemp("ended"))
    code, text = made.end(trials=TRIALS)
    assert code == 0, text
    return made.folder


def checked(folder: Path, seen: Seen | None = None) -> Verdict:
    return check(folder, str(folder / "out" / "studies.sqlite3"), TRIALS, seen or Seen())


def tampered(ended: Path, folder: Path, statement: str) -> Verdict:
    shutil.copytree(ended, folder, dirs_exist_ok=True)
    with closing(sqlite3.connect(folder / "out" / "studies.sqlite3")) as database, database:
        database.execute(statement)
    return checked(folder)


def test_nothing_is_found_where_nothing_is(ended: Path) -> None:
    assert checked(ended), checked(ended)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        (
            "UPDATE hs_trial SET state = 'running' WHERE number = 1",
            "stuck: trial 1 is still running",
        ),
        ("UPDATE trials SET number = 0 WHERE number = 1", "doubled: trials (1, 0)"),
        (
            "DELETE FROM hs_trial WHERE number = 1 AND state = 'complete'",
            "lost: 4 trials were said to be done, 3 are",
        ),
        (
            "UPDATE hs_trial SET value = .9 WHERE number = 1",
            "wrong: trial 1 is 0.9 and its last value",
        ),
    ],
)
def test_a_tampered_study_is_found(
    ended: Path, tmp_path: Path, statement: str, finding: str
) -> None:
    verdict = tampered(ended, tmp_path, statement)
    findings = [
        f"{kind}: {text}"
        for kind in ("lost", "doubled", "stuck", "wrong")
        for text in getattr(verdict, kind)
    ]
    assert any(text.startswith(finding) for text in findings), findings


def test_a_result_that_a_reader_saw_otherwise_is_lost(ended: Path) -> None:
    verdict = checked(ended, Seen(results={1: ("complete", 0.9)}))
    assert verdict.lost[0].startswith("trial 1 was seen complete 0.9, and is now ")
