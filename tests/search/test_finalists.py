"""Which finalist represents its arm, and with which seeds the finalists of every arm train."""

import pytest

from hinet_search.results.records import FinalistRecord, FinalistRun
from hinet_search.search.phases.finalists import choose, paired_seeds
from hinet_search.training.jobs.messages import TrainJob
from tests.search import studies
from tests.search.pretended import Pretender, Studio

ARMS = "{mmoe: {space: rate}, shared_bottom: {space: rate}}"


@pytest.mark.parametrize(
    ("objective", "first", "second"),
    [
        pytest.param("mean_auc", (0.9, 0.5, 0.5), (0.7, 0.7, 0.7), id="not the best seed"),
        pytest.param("mean_auc", (0.6, 0.6, 0.6), (0.5, 0.9, 0.9), id="not the best worst seed"),
        pytest.param("logloss", (0.1, 0.9, 0.9), (0.5, 0.5, 0.5), id="not the lowest loss"),
        pytest.param("mean_auc", (0.9, 0.9), (0.5, 0.5, 0.5), id="none that lacks a seed"),
    ],
)
def test_the_best_mean_over_all_seeds_is_chosen(
    objective: str, first: tuple[float, ...], second: tuple[float, ...]
) -> None:
    spec = studies.spec(objective=objective, finalists={"seeds": 3})
    finalists = []
    for number, values in ((1, first), (2, second)):
        seeds = zip(paired_seeds(spec), values, strict=False)
        runs = tuple(FinalistRun(seed, each, (), None, (), studies.COST) for seed, each in seeds)
        finalists.append(
            FinalistRecord(number, is_default=False, chosen=False, parameters={}, runs=runs)
        )
    best = choose(finalists, (1, 2), spec)
    assert best is finalists[1]


def test_the_finalists_whose_trials_took_longest_are_trained_first(studio: Studio) -> None:
    seconds = {"mmoe": 2.0, "shared_bottom": 7.0}
    pretender = Pretender(seconds=lambda job: seconds[job.config.model_name])
    studio.launch(pretender, arms=ARMS)
    trained = [key.split("/")[0] for key in pretender.keys(TrainJob) if " seed " in key]
    assert trained == ["shared_bottom"] * 4 + ["mmoe"] * 4


def jobs_of_finalists(pretender: Pretender) -> list[TrainJob]:
    """Trainings of finalists."""
    payloads = [job.payload for job in pretender.jobs if isinstance(job.payload, TrainJob)]
    return [payload for payload in payloads if payload.weights]


def seeds_of(model: str, jobs: list[TrainJob]) -> set[int]:
    return {job.seed for job in jobs if job.config.model_name == model}


def test_every_arm_has_the_same_seeds_of_finalists_which_are_kept_and_of_trials(
    studio: Studio,
) -> None:
    finalists = "{top: 1, seeds: 3}"
    record, pretender = studio.launch(arms=ARMS, finalists=finalists, more="reference: mmoe\n")
    kept = {run.seed for arm in record.arms for finalist in arm.finalists for run in finalist.runs}
    jobs = jobs_of_finalists(pretender)
    assert len(kept) == 3
    assert (seeds_of("mmoe", jobs), seeds_of("shared_bottom", jobs)) == (kept, kept)
    trainings = [job for job in pretender.jobs if isinstance(job.payload, TrainJob)]
    seeds = {job.key: job.payload.seed for job in trainings}
    for number in range(4):
        assert seeds[f"mmoe/{number}"] == seeds[f"shared_bottom/{number}"]


def test_without_defaults_every_arm_retrains_its_best_trials_alone(studio: Studio) -> None:
    finalists = "{top: 1, seeds: 2, default: false}"
    record, pretender = studio.launch(arms=ARMS, finalists=finalists, more="reference: mmoe\n")
    assert len(jobs_of_finalists(pretender)) == 2 * len(record.arms)
    for arm in record.arms:
        (finalist,) = arm.finalists
        best = max(trial.value or 0.0 for trial in arm.trials)
        (trial,) = (each for each in arm.trials if each.number == finalist.trial_number)
        assert trial.value == best
        assert finalist.chosen
