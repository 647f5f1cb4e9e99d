"""Launches from programs: a plain script, and threads of a process that also does other work."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import hinet_search
from hinet_search.executors.processes.environment import SLOT_ENVIRONMENT
from hinet_search.results.study_record import StudyRecord
from tests.small import STUDY, write_study

pytestmark = pytest.mark.usefixtures("as_shipped")
TEXT = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")


SCRIPT = """
import hinet_search
print("begins")
record = hinet_search.launch("small.yaml", output="out", trials=2, finalist_seeds=1, slots=1)
print(record.state, [trial.state for trial in record.arms[0].trials])
"""


def test_a_script_that_launches_a_study_needs_no_guard_and_runs_once(tmp_path: Path) -> None:
    write_study(tmp_path, TEXT)
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.splitlines() == ["begins", "done ['complete', 'complete']"], ran.stderr


def test_two_threads_may_each_launch_a_study_of_one_database(tmp_path: Path) -> None:
    before = [os.environ.get(name) for name in SLOT_ENVIRONMENT]
    records: list[StudyRecord] = []

    def launch(name: str) -> None:
        path = write_study(tmp_path, TEXT, name)
        records.append(
            hinet_search.launch(
                str(path), output=tmp_path / "out", trials=2, finalist_seeds=1, slots=1
            )
        )

    threads = [threading.Thread(target=launch, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(study.name, study.state) for study in records} == {("one", "done"), ("other", "done")}
    assert [[trial.attempt for trial in study.arms[0].trials] for study in records] == [
        [1, 1],
        [1, 1],
    ]
    assert [os.environ.get(name) for name in SLOT_ENVIRONMENT] == before
