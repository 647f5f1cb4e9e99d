"""A study and a model of 1.0 open, report and predict in this release, as docs/stability.md promises.

tests/stored_1_0/make.py made them, with 1.0.0. They are never made again: a later release reads them as they are.
"""

import json
import lzma
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from numpy.testing import assert_allclose

import hinet_search as hs
from hinet_search.report.formats import write_report
from tests.serving.shop import edited

STORED = Path(__file__).parent / "stored_1_0"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> hs.StudyRecord:
    database = tmp_path_factory.mktemp("stored") / "studies.sqlite3"
    database.write_bytes(lzma.decompress((STORED / "studies.sqlite3.xz").read_bytes()))
    return hs.load("shop", storage=str(database), trial_cells=True)


def test_the_study_opens_with_its_arms_trials_and_finalists(record: hs.StudyRecord) -> None:
    assert record.state == "done"
    assert record.versions["hinet-search"] == "1.0.0"
    arms = (*record.arms, *record.students)
    trained = {arm.name: len(arm.trials) for arm in arms}
    assert trained == {"hinet": 2, "mmoe": 2, "trees": 2, "distilled_mmoe": 6}
    assert all(arm.finalists for arm in arms)
    assert {ensemble.name for ensemble in record.ensembles} >= {"ensemble"}


@pytest.mark.parametrize("kind", ["html", "md", "csv", "json"])
def test_its_report_is_written(record: hs.StudyRecord, kind: str, tmp_path: Path) -> None:
    for file in write_report(record, tmp_path / f"shop.{kind}", kind):
        assert file.stat().st_size > 100


def test_its_json_has_every_field_that_it_had(record: hs.StudyRecord, tmp_path: Path) -> None:
    (file,) = write_report(record, tmp_path / "shop.json", "json")
    stored = json.loads((STORED / "report.json").read_text("utf-8"))
    now = json.loads(file.read_text("utf-8"))
    assert set(fields(stored)) <= set(fields(now))
    assert now["schema"] == stored["schema"]


def test_its_model_gives_the_scores_that_it_gave() -> None:
    scores = hs.load_model(STORED / "model").predict(pl.read_parquet(STORED / "rows.parquet"))
    stored = pl.read_parquet(STORED / "scores.parquet")
    tasks = ["click", "buy"]
    assert_allclose(scores.select(tasks).to_numpy(), stored.select(tasks).to_numpy(), atol=1e-6)


def test_a_model_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    newer = shutil.copytree(STORED / "model", tmp_path / "model")
    edited(newer, {"format: 5": "format: 6"})
    with pytest.raises(hs.HinetSearchError, match="format must be 5, got 6"):
        hs.load_model(newer)


def fields(value: Any, at: str = "") -> Iterator[str]:
    """Yield the path of every field of a JSON value, without places in lists."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{at}.{name}"
            yield from fields(inner, f"{at}.{name}")
    if isinstance(value, list):
        for inner in value:
            yield from fields(inner, at)
