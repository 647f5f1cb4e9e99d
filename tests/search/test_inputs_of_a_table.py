"""A group of inputs that says nothing is dropped from a real table, and the exported model does without it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import hinet_search
from hinet_search.results.ablation import choose_inputs
from hinet_search.results.study_record import StudyRecord
from tests.search.pretended import Listener

JUNK = ", ".join(f"junk_{number}" for number in range(6))
STUDY = f"""\
data:
  source: {{kind: table, path: rows.parquet}}
  scenario: {{column: tab}}
  tasks: {{click: {{column: click}}}}
  user: user_id
  features:
    categorical: [user_id, {JUNK}]
    numeric: [taste]
    statistics: {{by: [user_id], clock: day}}
    groups: {{likes: [taste], junk: [{JUNK}]}}
  split: {{by: time, valid_from: 6, test_from: 8}}
  time: day
arms: {{shared_bottom: }}
trials: 1
epochs: 3
finalists: {{top: 1, seeds: 1}}
inputs: {{seeds: 3}}
comparison: {{margin: 0.2}}
fixed: {{train.batch_size: 128, train.learning_rate: 5.0e-3, train.patience: 0}}
reference: shared_bottom
slots: 2
device: cpu
"""


def write_rows(path: Path) -> None:
    """3,000 rows: `taste` and the user decide on clicks, six columns of rare ids on nothing."""
    rng, rows = np.random.default_rng(3), 3_000
    user = rng.integers(0, 60, rows)
    taste = rng.normal(size=rows)
    logit = 1.2 * taste + rng.normal(size=60)[user] - 0.5
    junk = {name: rng.integers(0, 1_500, rows) for name in JUNK.split(", ")}
    click = rng.random(rows) < 1 / (1 + np.exp(-logit))
    tab, day = rng.integers(0, 2, rows), rng.integers(0, 10, rows)
    columns = {"tab": tab, "user_id": user, "taste": taste, **junk, "day": day}
    pl.DataFrame({**columns, "click": click.astype(int)}).write_parquet(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    write_rows(folder / "rows.parquet")
    (folder / "rows.yaml").write_text(STUDY)
    return folder


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def record(folder: Path, listener: Listener) -> StudyRecord:
    return hinet_search.launch(
        str(folder / "rows.yaml"), output=folder / "out", watcher=listener, slots=2
    )


def test_a_group_that_decides_is_worth_more_than_one_that_says_nothing(
    record: StudyRecord, listener: Listener
) -> None:
    choice = choose_inputs(record.input_runs, record.objective, record.budget.margin)
    assert choice.worths["likes"].mean > 0.05
    assert choice.worths["junk"].mean <= 0
    assert "junk" in choice.dropped
    assert "likes" not in choice.dropped
    assert listener.said("inputs")[0].startswith("On these rows validation improves by ")


def test_every_trial_and_finalist_has_the_inputs_that_were_chosen(record: StudyRecord) -> None:
    (chosen,) = {str(arm.fixed["features.groups"]) for arm in record.arms}
    assert "likes" in chosen.split("+")
    assert "junk" not in chosen.split("+")


def test_the_exported_model_does_not_read_a_dropped_group(
    record: StudyRecord, folder: Path, tmp_path: Path
) -> None:
    study = str(folder / "rows.yaml")
    hinet_search.export(study, tmp_path / "model", arm="shared_bottom", output=folder / "out")
    rows = pl.read_parquet(folder / "rows.parquet").drop(JUNK.split(", "))
    rows.write_parquet(tmp_path / "rows.parquet")
    to = tmp_path / "scores.parquet"
    hinet_search.predict(tmp_path / "model", tmp_path / "rows.parquet", to)
    assert len(pl.read_parquet(to)) == len(rows)
