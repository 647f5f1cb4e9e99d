"""The checker of storms finds what is lost, doubled, stuck or wrong: each is put into a study that ended well."""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.checker import Seen, Verdict, check
from tests.chaos.history import note, shows_traceback
from tests.chaos.launches import Launches

TRIALS = 4
FIRST = "(SELECT trial_id FROM trials WHERE number = 1)"


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
        ("UPDATE hs_study SET state = 'stopped'", "stuck: the study is stopped"),
        ("UPDATE trials SET number = 0 WHERE number = 1", "doubled: trials (1, 0)"),
        ("DELETE FROM hs_trial WHERE number = 1", "wrong: numbers [0, 2, 3]"),
        (
            "DELETE FROM hs_trial WHERE number = 1 AND state = 'complete'",
            "lost: 4 trials were said to be done, 3 are",
        ),
        (
            "UPDATE hs_trial SET value = .9 WHERE number = 1",
            "wrong: trial 1 is 0.9 and its last value",
        ),
        (
            f"DELETE FROM trial_intermediate_values WHERE step = 2 AND trial_id = {FIRST}",
            "wrong: Optuna and our rows",
        ),
        (
            "UPDATE hs_evaluation SET objective = .9 WHERE number = 1 AND step = 2",
            "wrong: trial 1 step 2 says 0.9",
        ),
        (
            "UPDATE hs_finalist SET test_cells_json = NULL",
            "wrong: no chosen finalist with every seed opened on test",
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


def test_a_finished_trial_that_began_again_is_doubled(ended: Path, tmp_path: Path) -> None:
    shutil.copytree(ended, tmp_path, dirs_exist_ok=True)
    now = time.time()
    note(tmp_path / "history", what="begin", key="mmoe/1", seed=0, done=0)
    assert checked(tmp_path, Seen(when={1: now})).doubled == [
        "trial 1 began again after it was finished"
    ]


def test_a_slot_that_never_began_shows_no_traceback_of_ours(tmp_path: Path) -> None:
    unborn = """\
Traceback (most recent call last):
  File "<string>", line 1, in <module>
  File "/usr/lib/python3.11/multiprocessing/spawn.py", line 122, in spawn_main
    exitcode = _main(fd, parent_sentinel)
               ^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/multiprocessing/spawn.py", line 130, in _main
    preparation_data = reduction.pickle.load(from_parent)
                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
EOFError: Ran out of input
"""
    ours = unborn.replace("EOFError: Ran out of input", "DataError: no rows")
    for text, shows in (
        (f"best a/0 .7\n{unborn}retry a/1\n", False),
        (f"{unborn}{ours}", True),
        (ours, True),
    ):
        (tmp_path / "said").write_text(text)
        assert shows_traceback(tmp_path / "said") == shows, text
