"""Summaries over a finalist's seeds, and values fixed in an arm while it runs, are read as written."""

from pathlib import Path

import pytest

from hinet_search.results.records import FinalistSummary, Resampled
from hinet_search.storage.load import load_record
from hinet_search.storage.store import StudyStore
from tests.storage.small_study import HINET, cells, finalist_run, new_store

SUMMARY = FinalistSummary(
    seeds=(1, 2),
    ensemble_valid_cells=cells(0.71),
    ensemble_test_cells=cells(0.72),
    resampled=Resampled("users", 17, headline=(0.7, 0.71), cells=((0.6, 0.61), ())),
)


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    made = new_store(tmp_path / "h.db")
    for seed in (1, 2):
        made.record_finalist("hinet", 3, {"a": 1}, finalist_run(seed), is_default=False)
    return made


def summaries(store: StudyStore) -> list[FinalistSummary | None]:
    return [
        finalist.summary for finalist in load_record(store.database, store.study).arms[0].finalists
    ]


def test_a_finalist_has_no_summary_until_one_is_written(store: StudyStore) -> None:
    assert summaries(store) == [None]


def test_a_summary_comes_back_as_written(store: StudyStore) -> None:
    store.record_summary("hinet", 3, SUMMARY)
    assert summaries(store) == [SUMMARY]


def test_a_seed_written_again_keeps_the_summary(store: StudyStore) -> None:
    store.record_summary("hinet", 3, SUMMARY)
    store.record_finalist("hinet", 3, {"a": 1}, finalist_run(1), is_default=False)
    assert summaries(store) == [SUMMARY]


def test_a_summary_belongs_to_one_finalist(store: StudyStore) -> None:
    store.record_finalist("hinet", 4, {"a": 2}, finalist_run(1), is_default=False)
    store.record_summary("hinet", 4, SUMMARY)
    assert summaries(store) == [None, SUMMARY]


def test_what_is_fixed_while_an_arm_runs_joins_what_was_fixed_before(store: StudyStore) -> None:
    store.record_fixed("hinet", {"model.dense_parameters": 4_321})
    assert store.fixed_of("hinet") == {**HINET.fixed, "model.dense_parameters": 4_321}
    assert store.fixed_of("single") == {}
