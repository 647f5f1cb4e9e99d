"""A launch that resumes a study trains what is missing, and its uses of the test split are counted."""

from contextlib import closing

import pytest

from hinet_search.executors import Job
from hinet_search.search.progress import NullWatcher, Progress
from hinet_search.storage.engine import connect
from hinet_search.storage.listing import list_studies
from hinet_search.training.jobs.messages import TrainJob
from tests.search.pretended import RATE, Pretender, Studio, chosen


def test_the_chosen_finalist_is_opened_once_with_every_seed(studio: Studio) -> None:
    record, pretender = studio.launch()
    best = chosen(record)["mmoe"]
    assert pretender.tested == [str(best)] * 2
    assert record.test_accesses == 1


def test_a_finalist_of_a_smaller_budget_is_no_candidate_of_a_larger_one(studio: Studio) -> None:
    def the_default_is_worst(job: TrainJob) -> float:
        return 0.1 if job.config.train.learning_rate == 1e-3 else 0.6

    def later_trials_shine_once(job: TrainJob) -> float:
        return 0.4 if job.weights else 0.9

    first, _ = studio.launch(Pretender(the_default_is_worst), trials=2)
    again, pretender = studio.launch(Pretender(later_trials_shine_once), trials=4)
    assert (chosen(first), chosen(again)) == ({"mmoe": 1}, {"mmoe": 2})
    assert pretender.finalists == ["2", "2"]


def test_trials_that_began_under_a_larger_budget_are_part_of_what_is_planned(
    studio: Studio,
) -> None:
    def the_third_never_ends(job: Job) -> str:
        if job.key == "mmoe/2":
            raise RuntimeError("as if the power went")
        return ""

    class Counting(NullWatcher):
        def tick(self, progress: Progress) -> None:
            counts.append((progress.phase.done, progress.phase.total, progress.arms["mmoe"].budget))

    counts: list[tuple[int, int, int]] = []
    with pytest.raises(RuntimeError, match="as if the power went"):
        studio.launch(Pretender(failing=the_third_never_ends))
    record, _ = studio.launch(trials=2, watcher=Counting())
    assert counts[0] == (2, 3, 3)
    assert record.budget_of(record.arms[0]) == 3
    with closing(connect(str(studio.folder / "out" / "studies.sqlite3"))) as database:
        (summary,) = list_studies(database)
    assert (summary.done, summary.budget) == (3, 3)


def test_the_ends_of_a_range_that_the_model_cannot_pass_are_stored(studio: Studio) -> None:
    high = "parameters:\n  model.dropout: {kind: float, low: 0.1, high: 0.9, default: 0.2}\n"
    (studio.folder / "high.yaml").write_text(high)
    record, _ = studio.launch(arms="{mmoe: {space: high}, two: {space: rate, model: mmoe}}")
    ends = [searched.ends for arm in record.arms for searched in arm.ranges]
    assert ends == [("low",), ("low", "high")]


def test_only_the_weights_of_chosen_finalists_stay_on_disk(studio: Studio) -> None:
    studio.launch(trials=2)
    record, _ = studio.launch(trials=6)
    number = chosen(record)["mmoe"]
    assert all(name.startswith(f"trial-{number}-seed") for name in studio.weights())
    assert len(studio.weights()) == 2


def test_more_finalist_seeds_train_the_new_ones_only_and_are_another_opening(
    studio: Studio,
) -> None:
    studio.launch(finalist_seeds=2)
    record, pretender = studio.launch(finalist_seeds=3)
    assert len(pretender.finalists) == len(record.arms[0].finalists)
    assert {len(finalist.runs) for finalist in record.arms[0].finalists} == {3}
    assert len(pretender.tested) == 1
    assert record.test_accesses == 2


def test_an_opening_that_was_cut_off_is_counted_once(studio: Studio) -> None:
    def second_test_fails(job: Job) -> str:
        return "OSError: no" if len(pretender.tested) == 2 else ""

    pretender = Pretender(failing=second_test_fails)
    cut_off, _ = studio.launch(pretender)
    again, after = studio.launch()
    assert [cut_off.test_accesses, again.test_accesses] == [1, 1]
    assert len(after.tested) == 1


def test_another_choice_after_the_opening_is_another_opening(studio: Studio) -> None:
    def small_rates(job: TrainJob) -> float:
        return 0.9 - job.config.train.learning_rate

    first, _ = studio.launch(trials=1, finalist_seeds=1)
    record, pretender = studio.launch(Pretender(small_rates), trials=8, finalist_seeds=1)
    assert chosen(record) != chosen(first)
    assert record.test_accesses == 2
    assert set(pretender.tested) == {str(chosen(record)["mmoe"])}


def test_a_newly_chosen_finalist_without_weights_is_retrained_before_its_test(
    studio: Studio,
) -> None:
    first, _ = studio.launch()
    loser = next(
        finalist.trial_number for finalist in first.arms[0].finalists if not finalist.chosen
    )

    def the_loser_wins(job: TrainJob) -> float:
        return 5.0 if job.seed not in seen and job.config.train.learning_rate == rate else 0.1

    seen = {run.seed for run in first.arms[0].finalists[0].runs}
    rate = next(
        finalist.parameters[RATE]
        for finalist in first.arms[0].finalists
        if finalist.trial_number == loser
    )
    record, pretender = studio.launch(Pretender(the_loser_wins), finalist_seeds=3)
    assert chosen(record)["mmoe"] == loser
    assert pretender.tested == [str(loser)] * 3


def test_a_finalist_that_cannot_be_trained_again_is_not_opened(studio: Studio) -> None:
    def no_test(job: Job) -> str:
        return "OSError: no" if pretender.tested else ""

    pretender = Pretender(failing=no_test)
    studio.launch(pretender)
    for path in studio.folder.rglob("*.safetensors"):
        path.unlink()
    record, after = studio.launch(Pretender(failing=lambda job: "RuntimeError: no"))
    assert after.tested == []
    assert record.test_accesses == 1


def test_values_that_do_not_go_together_are_no_end_of_a_study_with_a_size_limit(
    studio: Studio,
) -> None:
    (studio.folder / "odd.yaml").write_text(ODD)
    record, pretender = studio.launch(
        arms="{hinet: {space: odd}}", more="reference: hinet\n", watcher=NullWatcher(), trials=3
    )
    assert record.state == "done"
    default = record.arms[0].trials[0]
    assert default.parameters == {**GOES_WRONG, RATE: default.parameters[RATE]}
    assert default.state == "failed"
    assert "released_code: true has its own SAN" in default.cause
    assert "hinet/0" not in pretender.keys(TrainJob), "such values never reach a slot"


ODD = f"""\
max_parameters: 1000000
parameters:
  {RATE}: {{kind: float, low: 1.0e-4, high: 1.0e-2, log: true, default: 1.0e-3}}
  model.released_code: {{kind: categorical, choices: [true, false], default: true}}
  model.san.top_k: {{kind: categorical, choices: [null, 1], default: 1}}
"""
GOES_WRONG = {"model.released_code": True, "model.san.top_k": 1}
