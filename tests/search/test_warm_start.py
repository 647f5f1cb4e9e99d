"""A study first tries what other studies of its database found best on validation."""

from dataclasses import replace
from pathlib import Path

import pytest

from hinet_search.common.errors import AllTrialsFailed, ConfigurationError
from hinet_search.executors import Job
from hinet_search.results.records import Start
from hinet_search.results.study_record import StudyRecord
from hinet_search.training.jobs.messages import TrainJob
from tests.search.pretended import RATE, PretendedData, Pretender, Studio
from tests.search.studies import DATA

SPRING = "name: spring\nseed: 3\n"
SUMMER = "name: summer\nwarm_start: [spring]\n"


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    return Studio(tmp_path, monkeypatch)


def by_value(record: StudyRecord, arm: int = 0) -> list[tuple[float, int]]:
    """Rates of the trials of an arm, best first, with their numbers; the default is left out."""
    trials = record.arms[arm].trials
    ranked = sorted(trials, key=lambda trial: trial.value or 0.0, reverse=True)
    return [(float(str(each.parameters[RATE])), each.number) for each in ranked if each.number]


def rates(record: StudyRecord, arm: int = 0) -> list[float]:
    return [float(str(trial.parameters[RATE])) for trial in record.arms[arm].trials]


def test_the_best_of_the_same_data_are_tried_after_the_default_and_named(studio: Studio) -> None:
    spring, _ = studio.launch(more=SPRING, trials=8)
    summer, _ = studio.launch(more=SUMMER, trials=7)
    best = by_value(spring)[:5]
    assert rates(summer)[:6] == [0.001, *(rate for rate, _ in best)]
    assert summer.arms[0].starts == tuple(
        Start({RATE: rate}, f"mmoe/{number}", "spring") for rate, number in best
    )
    assert summer.arms[0].start_of(summer.arms[0].trials[1]) == summer.arms[0].starts[0]


def test_fewer_are_tried_from_other_data(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PretendedData, "record", replace(DATA, fingerprint="beef"))
        spring, _ = studio.launch(more=SPRING, trials=8)
    summer, _ = studio.launch(more=SUMMER, trials=7)
    assert [start.values[RATE] for start in summer.arms[0].starts] == [
        rate for rate, _ in by_value(spring)[:3]
    ]


def test_an_arm_whose_model_the_study_has_not_takes_the_best_of_all(studio: Studio) -> None:
    spring, _ = studio.launch(more=SPRING, trials=6)
    summer, _ = studio.launch(more=SUMMER, arms="{ple: {space: rate}}")
    rate, number = by_value(spring)[0]
    assert summer.arms[0].starts == (Start({RATE: rate}, f"mmoe/{number}", "spring"),)


def test_a_chosen_finalist_comes_before_trials_that_looked_better(studio: Studio) -> None:
    spring, _ = studio.launch(more=SPRING, trials=8)
    first, second, *_ = by_value(spring)

    def lucky(job: TrainJob) -> float:  # with new seeds, the second is the best
        rate = job.config.train.learning_rate
        return 0.9 if job.weights is not None and rate == second[0] else 0.5 + rate

    autumn = "name: autumn\nseed: 3\n"
    studio.launch(Pretender(value=lucky), more=autumn, trials=8, finalists="{top: 3, seeds: 2}")
    summer, _ = studio.launch(more="name: summer\nwarm_start: [autumn]\n", trials=4)
    assert [start.values[RATE] for start in summer.arms[0].starts[:2]] == [second[0], first[0]]


def test_studies_are_taken_in_their_order_after_what_the_study_names(studio: Studio) -> None:
    first, _ = studio.launch(more=SPRING, trials=2)
    second, _ = studio.launch(more="name: autumn\nseed: 4\n", trials=2)
    summer, _ = studio.launch(
        more="name: summer\nwarm_start: [autumn, spring]\n",
        arms=f"{{mmoe: {{space: rate, start: [{{{RATE}: 0.002}}]}}}}",
        trials=4,
    )
    assert rates(summer) == [0.001, 0.002, by_value(second)[0][0], by_value(first)[0][0]]


def test_a_later_launch_keeps_the_starts_although_the_other_study_went_on(studio: Studio) -> None:
    studio.launch(more=SPRING, trials=3)

    summer, _ = studio.launch(more=SUMMER, trials=2)
    studio.launch(more=SPRING, trials=8)
    again, _ = studio.launch(more=SUMMER, trials=4)
    assert again.arms[0].starts == summer.arms[0].starts
    assert rates(again)[:3] == [0.001, *(start.values[RATE] for start in summer.arms[0].starts)]


def test_failed_and_running_trials_are_not_taken(studio: Studio) -> None:
    def third_fails(job: Job) -> str:
        return "diverged" if job.key == "mmoe/2" else ""

    spring, _ = studio.launch(Pretender(failing=third_fails), more=SPRING, trials=4)
    failed = spring.arms[0].trials[2]
    assert failed.state == "failed"
    summer, _ = studio.launch(more=SUMMER)
    assert failed.parameters[RATE] not in [start.values[RATE] for start in summer.arms[0].starts]
    assert len(summer.arms[0].starts) == 2


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("[springs]", "warm_start names 'springs', which is no study of "),
        ("[summer]", "warm_start must name other studies, got 'summer' itself"),
        ("[spring, autumn]", "warm_start names 'autumn', which is no study of "),
    ],
)
def test_a_study_that_cannot_be_taken_is_refused_at_its_place(
    studio: Studio, named: str, problem: str
) -> None:
    studio.launch(more=SPRING, trials=2)
    with pytest.raises(ConfigurationError) as caught:
        studio.launch(more=f"name: summer\nwarm_start: {named}\n")
    (told,) = caught.value.problems
    place, _, words = told.partition(": ")
    assert place.startswith(str(studio.folder / "s.yaml:15:"))
    assert words.startswith(problem)
    if "springs" in named:
        assert words.endswith("known: spring; did you mean 'spring'?")


def test_a_study_without_a_complete_trial_is_refused(studio: Studio) -> None:
    with pytest.raises(AllTrialsFailed):
        studio.launch(Pretender(failing=lambda job: "diverged"), more=SPRING, trials=2)
    with pytest.raises(ConfigurationError, match=r"study 'spring' has no complete trial"):
        studio.launch(more=SUMMER)


def test_without_a_database_the_remedy_is_told(studio: Studio) -> None:
    with pytest.raises(
        ConfigurationError, match=r"s\.yaml:15:\d+: warm_start needs stud"
    ) as caught:
        studio.launch(more=SUMMER)
    assert "launch those studies first" in caught.value.remedy
