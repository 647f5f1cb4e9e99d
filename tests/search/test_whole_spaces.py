"""A space with fewer configurations than the budget has trials is searched whole, which is a full budget."""

from dataclasses import replace
from pathlib import Path

import pytest

from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from hinet_search.search import arm_search
from hinet_search.search.progress import NullWatcher, Progress
from hinet_search.storage.engine import Database
from tests.search import studies
from tests.search.arms import Begin, complete, record, run_to_the_end
from tests.search.pretended import RATE, Studio

FIVE = f"parameters:\n  {RATE}: {{kind: categorical, choices: [0.001, 0.002, 0.003, 0.004, 0.005], default: 0.001}}\n"
ARMS = "{mmoe: {space: rate}, known: {model: mmoe, space: two}}"


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    two = f"parameters:\n  {RATE}: {{kind: categorical, choices: [0.001, 0.002], default: 0.001}}\n"
    (tmp_path / "two.yaml").write_text(two)
    return Studio(tmp_path, monkeypatch)


def launched(studio: Studio, **options: object) -> StudyRecord:
    given: dict[str, object] = {"arms": ARMS, "more": "reference: mmoe\n", **options}
    return studio.launch(**given)[0]  # type: ignore[arg-type]  # as the studio takes them


@pytest.mark.parametrize("seed", range(2))
def test_the_last_configurations_are_found_though_chance_would_not(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(arm_search, "MAX_REDRAWS", 1)
    trained = run_to_the_end(begin(FIVE, trials=5, seed=seed))
    assert sorted(float(str(asked.drawn[RATE])) for asked in trained) == [
        0.001,
        0.002,
        0.003,
        0.004,
        0.005,
    ]


def test_nothing_is_drawn_once_every_configuration_was_tried(
    begin: Begin, opened: list[Database]
) -> None:
    search = begin(studies.TWO, trials=5)
    run_to_the_end(search)
    before = len(record(opened).trials)
    assert (search.ask(), search.budget, len(record(opened).trials)) == (None, 2, before)
    assert begin(studies.TWO, trials=5).ask() is None
    assert len(record(opened).trials) == before


def test_an_interrupted_arm_resumes_with_what_is_left(begin: Begin) -> None:
    search = begin(FIVE, trials=5)
    for _ in range(3):
        complete(search, search.ask())
    assert len(run_to_the_end(begin(FIVE, trials=5))) == 2


def test_configurations_that_are_refused_are_tried_once(
    begin: Begin, opened: list[Database]
) -> None:
    assert begin(studies.TWO, trials=5, refusal="too large: so").ask() is None
    assert {str(trial.parameters) for trial in record(opened).trials} == {
        "{'model.embedding_dim': 1}",
        "{'model.embedding_dim': 2}",
    }


def test_an_arm_that_was_searched_whole_has_had_its_budget(studio: Studio) -> None:
    record = launched(studio)
    known = record.arms[1]
    assert (known.configurations, known.is_searched_whole, record.budget_of(known)) == (2, True, 2)
    assert verdict(record).status == "observation"  # of two seeds, and not incomparable
    assert record.arms[0].configurations is None


def test_an_arm_with_a_space_that_is_not_searched_whole_has_not(studio: Studio) -> None:
    record = launched(studio)
    known = record.arms[1]
    half = replace(known, trials=known.trials[:1])
    assert not half.is_searched_whole
    assert (
        verdict(replace(record, arms=(record.arms[0], half))).sentence
        == "Not comparable: known had 1 of 4 trials."
    )


def test_trials_that_cannot_be_are_not_planned(studio: Studio) -> None:
    class Watch(NullWatcher):
        totals: set[int] = set()  # noqa: RUF012  # of one launch

        def tick(self, progress: Progress) -> None:
            if progress.phase.name == "search":
                self.totals.add(progress.phase.total)
                assert {arm.name: arm.budget for arm in progress.arms.values()} == {
                    "mmoe": 4,
                    "known": 2,
                }

    watch = Watch()
    launched(studio, watcher=watch)
    assert watch.totals == {6}
