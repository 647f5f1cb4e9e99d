"""Notes: Optuna's pages of a running study say what it measures, that it is not done, and how to resume it."""

from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note

from hinet_search.search.progress import Event, Progress
from hinet_search.storage.engine import connect
from tests.search.pretended import Studio


class Reader:
    """Reads the Optuna study of an arm at the first event."""

    def __init__(self, folder: Path) -> None:
        self.url = str(folder / "out" / "studies.sqlite3")
        self.note = ""
        self.metrics: list[str] | None = None

    def event(self, event: Event) -> None:
        if self.note:
            return
        database = connect(self.url)
        study = optuna.load_study(study_name="s/mmoe", storage=database.storage)
        self.note, self.metrics = get_note(study), study.metric_names
        database.close()

    def tick(self, progress: Progress) -> None: ...


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    reader = Reader(tmp_path)
    Studio(tmp_path, monkeypatch).launch(watcher=reader)
    return reader


def test_a_running_study_has_a_note_with_how_to_resume_it(read: Reader) -> None:
    assert read.note.startswith("No verdict yet: study s is not done.")
    assert "\n    hinet-search launch s\n" in read.note


def test_a_study_that_runs_names_what_it_measures(read: Reader) -> None:
    assert read.metrics == ["mean_auc"]
