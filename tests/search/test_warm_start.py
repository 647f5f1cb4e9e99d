"""A study first tries what other studies of its database found best on validation."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
import torch

from hinet_search.common.errors import AllTrialsFailed, ConfigurationError
from hinet_search.executors import Job
from hinet_search.results.records import Start
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.warm_start import warm_started
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.device import ChosenDevice
from hinet_search.training.jobs.messages import TrainJob
from tests.search.pretended import RATE, SPACE, STUDY, PretendedData, Pretender, Studio
from tests.search.studies import DATA

SPRING = "name: spring\nseed: 3\n"
SUMMER = "name: summer\nwarm_start: [spring]\n"


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


def test_a_later_launch_needs_the_other_study_no_more(studio: Studio) -> None:
    studio.launch(more=SPRING, trials=3)
    summer, _ = studio.launch(more=SUMMER, trials=2)
    with closing(sqlite3.connect(studio.folder / "out/studies.sqlite3")) as database:
        database.execute("DELETE FROM hs_study WHERE name = 'spring'")
        database.commit()
    again, _ = studio.launch(more=SUMMER, trials=4)
    assert again.arms[0].starts == summer.arms[0].starts


def ready(studio: Studio, more: str, size: str | None = None) -> tuple[PreparedStudy, list[str]]:
    """Return the study as a check makes it ready, and what was said."""
    path = studio.folder / "s.yaml"
    path.write_text(STUDY + "arms: {mmoe: {space: rate}}\n" + more)
    options = LaunchOptions(output=studio.folder / "out", size=size)
    study = options.load(str(path))
    prepared = PreparedStudy(
        study, PretendedData(studio.folder), ChosenDevice(torch.device("cpu")), 1
    )
    said: list[str] = []
    return warm_started(prepared, options, said.append), said


def test_a_warm_start_that_changes_nothing_is_told(studio: Studio) -> None:
    studio.launch(more=SPRING, trials=3)
    studio.launch(more="name: summer\n", trials=3)
    prepared, said = ready(studio, SUMMER)
    assert prepared.study.arms[0].starts == ()
    (told,) = said
    assert told.startswith("warm_start: spring changes nothing for arms that are stored, which")
    assert ready(studio, "name: autumn\nwarm_start: [spring]\n")[1] == []


def test_what_a_later_launch_names_is_added_to_what_is_stored(studio: Studio) -> None:
    studio.launch(more=SPRING, trials=3)
    summer, _ = studio.launch(more=SUMMER, trials=2)
    again, _ = studio.launch(
        more=SUMMER, arms=f"{{mmoe: {{space: rate, start: [{{{RATE}: 0.002}}]}}}}", trials=5
    )
    assert 0.002 in rates(again)[:4]
    assert again.arms[0].starts == summer.arms[0].starts, "as at the first launch"


def test_a_size_of_a_study_starts_from_another_size(studio: Studio) -> None:
    sizes = "sizes: {quick: {trials: 3}, full: {trials: 4}}\nwarm_start: [s-quick]\n"
    studio.launch(more=sizes.replace("warm_start: [s-quick]\n", ""))
    prepared, _ = ready(studio, sizes, "full")
    assert [start.study for start in prepared.study.arms[0].starts] == ["s-quick"] * 2
    assert ready(studio, sizes, "quick")[0].study.name == "s-quick"


def test_another_study_comes_before_the_portfolio(studio: Studio) -> None:
    studio.launch(more=SPRING, trials=2)
    (studio.folder / "rate.yaml").write_text(SPACE + f"portfolio: [{{{RATE}: 1}}]\n")
    prepared, _ = ready(studio, "name: autumn\nwarm_start: [spring]\n")
    assert [start.source for start in prepared.study.arms[0].starts] == ["mmoe/1", "portfolio 1"]


def test_where_less_is_better_the_lowest_values_are_taken(studio: Studio) -> None:
    losses = "objective: logloss\n"
    spring, _ = studio.launch(more=SPRING + losses, trials=8)
    summer, _ = studio.launch(more=SUMMER + losses)
    lowest_first = [rate for rate, _ in reversed(by_value(spring))]
    assert [start.values[RATE] for start in summer.arms[0].starts] == lowest_first[:5]
