"""A study within a budget of time, launched, cut off and launched again, keeps its arms equal."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.executors import Job
from hinet_search.results.study_record import StudyRecord
from hinet_search.search import turns
from hinet_search.search.plan.forecast import ArmPlan, Plan, fit_budget
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.progress import Progress, Watcher
from hinet_search.search.turns import Round, Spent
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.study_spec import StudySpec
from tests.search import studies
from tests.search.pretended import STUDY, Listener, Pretender, Studio


@dataclass
class Heard(Listener):
    left: list[float | None] = field(default_factory=list)
    until: list[float | None] = field(default_factory=list)

    def tick(self, progress: Progress) -> None:
        self.left.append(progress.seconds_left)
        self.until.append(progress.until)


def rounds(monkeypatch: pytest.MonkeyPatch, *trials: int) -> None:
    """Let rounds end at these numbers of trials."""
    coming = iter(trials)
    monkeypatch.setattr(turns, "next_round", lambda *_: Round(next(coming), "so it is"))


ARMS = "{mmoe: {space: rate}, ple: {space: rate}}"


def in_time(
    studio: Studio,
    budget: str = "10m",
    watcher: Watcher | None = None,
    pretender: Pretender | None = None,
    arms: str = ARMS,
) -> tuple[StudyRecord, Pretender]:
    more = f"budget: {budget}\n"
    return studio.launch(pretender, more=more, arms=arms, without="trials", watcher=watcher)


def counts(record: StudyRecord) -> list[int]:
    return [arm.trials_done for arm in record.arms]


def test_all_arms_get_the_trials_of_the_last_round(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(monkeypatch, 3, 5, 5)
    heard = Heard()
    record, _ = in_time(studio, watcher=heard)
    assert counts(record) == [5, 5]
    assert (record.budget.trials, record.budget.seconds) == (5, 600)
    assert heard.said("budget") == ["so it is"] * 3
    assert heard.left[0] is not None
    assert 590 < heard.left[0] <= 600, "what is left of the budget"
    assert heard.until[-1] is None, "the search is over"


def test_no_trial_starts_once_only_the_time_of_finalists_is_left(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(monkeypatch, 4, 4)
    left = iter([60.0, -1.0])
    monkeypatch.setattr(turns, "seconds_left", lambda *_: next(left))
    heard = Heard()
    record, _ = in_time(studio, watcher=heard)
    assert counts(record) == [1, 1]
    assert [text.split(":")[1] for text in heard.said("short")] == [
        " no further trial of mmoe, ple starts"
    ]


def test_a_later_launch_goes_on_with_the_trials_that_there_are(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(monkeypatch, 3, 3)
    in_time(studio)
    rounds(monkeypatch, 3)
    again, pretender = in_time(studio)
    assert counts(again) == [3, 3]
    assert pretender.jobs == []


def test_a_launch_that_was_cut_off_ends_its_round_with_equal_trials(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(studio, monkeypatch)
    rounds(monkeypatch, 6)
    again, _ = in_time(studio)
    assert counts(again) == [6, 6]
    assert again.budget.trials == 6


def test_an_interrupted_trial_is_finished_though_time_is_up(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(studio, monkeypatch)
    rounds(monkeypatch, 6)
    monkeypatch.setattr(turns, "seconds_left", lambda *_: -1.0)
    again, _ = in_time(studio)
    assert counts(again) == [6, 5]


class CutOff(Exception):
    pass


def cut_off(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Launch a study whose coordinator dies with the sixth trial of mmoe."""
    rounds(monkeypatch, 8, 8)

    def sixth(job: Job) -> str:
        if job.key == "mmoe/5":
            raise CutOff
        return ""

    with pytest.raises(CutOff):
        in_time(studio, pretender=Pretender(failing=sixth))


def test_an_arm_that_fails_ends_once_and_the_others_go_on(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(monkeypatch, 2, 4, 6, 7, 7)
    heard = Heard()
    failing = Pretender(failing=lambda job: "broken" if job.key.startswith("ple/") else "")
    record, _ = in_time(studio, pretender=failing, watcher=heard)
    assert counts(record) == [7, 5]
    told = [text for text in heard.said("short") if "ple" in text]
    assert len(told) == 1


def test_an_arm_with_the_size_of_another_gets_as_many_trials(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(monkeypatch, 2, 3, 3)
    arms = "{mmoe: {space: rate}, flat_moe: {space: rate, size_of: mmoe}}"
    record, _ = in_time(studio, arms=arms)
    assert counts(record) == [3, 3]


def test_spaces_that_are_searched_whole_end_a_study_in_time(studio: Studio) -> None:
    (studio.folder / "two.yaml").write_text(studies.TWO)
    heard = Heard()
    record, _ = in_time(studio, arms="{mmoe: {space: two}, ple: {space: two}}", watcher=heard)
    assert counts(record) == [2, 2]
    told = heard.said("short")
    assert all("its space has 2 configurations" in text for text in told)
    assert heard.said("budget")[-1] == ("the space of every arm is searched whole")


def test_a_round_that_has_nothing_to_try_is_the_last(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    (studio.folder / "two.yaml").write_text(studies.TWO)
    rounds(monkeypatch, 2, 4, 8, 16, 32, 64)
    failing = Pretender(failing=lambda job: "broken" if job.key.startswith("ple/") else "")
    heard, arms = Heard(), "{mmoe: {space: two}, ple: {space: rate}}"
    record, _ = in_time(studio, pretender=failing, arms=arms, watcher=heard)
    assert counts(record) == [2, 5]
    assert len(heard.said("budget")) == 5, "of 1, 2, 4, 8, 16 trials"


def test_the_trials_of_a_killed_launch_count_though_it_left_no_time(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(monkeypatch, 3, 3)
    in_time(studio)
    with closing(sqlite3.connect(studio.folder / "out/studies.sqlite3")) as database:
        database.execute("UPDATE hs_study SET seconds = 0")
        database.commit()
    told: list[Spent] = []

    def remember(spec: StudySpec, searches: object, num_arms: int, spent: Spent) -> Round:
        told.append(spent)
        return Round(3, "so it is")

    monkeypatch.setattr(turns, "next_round", remember)
    in_time(studio)
    assert told[0].searched == 6 * studies.COST.seconds
    assert told[0].seconds >= told[0].searched


def test_the_first_trial_is_trained_in_any_case(studio: Studio) -> None:
    record, _ = in_time(studio, "0.001s")
    assert counts(record) == [1, 1]
    assert (record.state, record.budget.trials) == ("done", 1)


def test_a_budget_that_is_no_time_is_refused_at_its_place(studio: Studio) -> None:
    with pytest.raises(ConfigurationError, match=r"s\.yaml:\d+:1: budget: must be a time like 2h"):
        studio.launch(more="budget: 2 days\n")


def plan(studio: Studio, budget: str) -> Plan:
    path = studio.folder / "p.yaml"
    path.write_text(STUDY.replace("trials: 4\n", f"budget: {budget}\n") + "arms: {mmoe: }\n")
    study = LaunchOptions().load(str(path))
    ready = PreparedStudy(study, None, None, 2)  # type: ignore[arg-type]  # not asked
    arm = ArmPlan("mmoe", "mmoe", study.spec.trials, 4, 9, (1, 2, 3), 10.0, 10.0, 1, 8)
    return Plan(ready, (arm,), 1.0)


def test_the_plan_counts_the_trials_that_fit(studio: Studio) -> None:
    fitted = fit_budget(plan(studio, "10m"))
    assert fitted.seconds <= 600 < fitted.seconds + 10
    assert fitted.trials > 20


def test_the_plan_of_a_short_time_has_one_trial(studio: Studio) -> None:
    fitted = fit_budget(plan(studio, "1s"))
    assert (fitted.trials, fitted.finalist_runs) == (1, 5)
