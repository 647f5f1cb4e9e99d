"""Studies of before 1.0, stored with keys that are gone, open and report as they did.

What they are, and how they were made: tests/storage/stored_before_1_0/README.md.
"""

import lzma
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

import hinet_search as hs
from hinet_search.report.formats import write_report
from hinet_search.results.verdict import verdict
from hinet_search.storage.engine import connect
from hinet_search.storage.listing import list_studies

STORED = Path(__file__).parent / "stored_before_1_0" / "studies.sqlite3.xz"
USED = {  # by study: what its page and its JSON must still name
    "rare_losses": (
        "focal",
        "pairs_within_scenarios",
        "train.reset_embeddings",
        "shown.csv.gz",
    ),
    "older_inputs": (
        "crosses: [[city, hour]]",
        "hashed: {item_id: 32, city x hour: 64}",
        "matches: {lists: [viewed]",
        "refresh: day",
        "shown.jsonl.gz",
    ),
    "stacked_trials": (
        "stacked_trials: 4",
        "train.table_precision",
        "sqlite:///shop.db",
        "tracking: {kind: tensorboard",
    ),
    "two_workers": ("workers: 2", "duckdb:///shop.duckdb", "tracking: {kind: mlflow"),
}
NUM_FILES = {"html": 1, "json": 1, "md": 1, "csv": 3}  # an ensemble adds a table of its members


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("before") / "studies.sqlite3"
    path.write_bytes(lzma.decompress(STORED.read_bytes()))
    return path


def loaded(database: Path, study: str) -> hs.StudyRecord:
    return hs.load(study, storage=str(database), trial_cells=True)


def columns(database: Path, study: str) -> Mapping[str, str]:
    """The row of a study as it is stored."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute("SELECT * FROM hs_study WHERE name = ?", (study,)).fetchone()
        return dict(row)


def test_a_list_of_studies_shows_them(database: Path) -> None:
    with closing(connect(str(database))) as opened:
        studies = {study.name: study.state for study in list_studies(opened)}
    assert studies == dict.fromkeys(USED, "done")


@pytest.mark.parametrize("study", USED)
def test_its_verdict_is_the_stored_one(database: Path, study: str) -> None:
    stored = columns(database, study)["verdict"]
    assert stored
    sentence = verdict(loaded(database, study)).sentence
    # Since then it says that models are this study's, and writes a zero before the point.
    assert sentence.replace("This ", "").replace(" this ", " ").replace(" 0.", " .") == stored


@pytest.mark.parametrize("study", USED)
@pytest.mark.parametrize("kind", NUM_FILES)
def test_its_report_is_written(database: Path, study: str, kind: str, tmp_path: Path) -> None:
    record = loaded(database, study)
    files = write_report(record, tmp_path / f"{study}.{kind}", kind)
    assert len(files) == NUM_FILES[kind] + (kind == "csv" and bool(record.ensembles))
    assert all(file.stat().st_size for file in files)


@pytest.mark.parametrize("study", USED)
@pytest.mark.parametrize("kind", ["html", "json"])
def test_its_report_names_what_it_used(
    database: Path, study: str, kind: str, tmp_path: Path
) -> None:
    (file,) = write_report(loaded(database, study), tmp_path / f"{study}.{kind}", kind)
    text = file.read_text(encoding="utf-8")
    for name in USED[study]:
        assert name in text


def test_trials_and_arms_keep_losses_that_are_gone(database: Path) -> None:
    record = loaded(database, "rare_losses")
    arms = {arm.name: arm for arm in record.arms}
    searched = [trial.parameters["train.loss"] for trial in arms["shared_bottom"].trials]
    assert searched == ["cross_entropy", "focal", "pairs_within_scenarios"]
    assert arms["mmoe"].fixed["train.loss"] == "focal"
    assert arms["single"].fixed["train.loss"] == "pairs_within_scenarios"
    assert arms["single"].fixed["train.reset_embeddings"] is True


def test_worths_of_groups_that_are_gone_stay(database: Path) -> None:
    record = loaded(database, "older_inputs")
    assert set(record.data.groups) == {"statistics", "lists", "matches", "events", "crosses"}
    measured = {run.left_out for run in record.input_runs}
    assert {("crosses",), ("matches",)} <= measured
