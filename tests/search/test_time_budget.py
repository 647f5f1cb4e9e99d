"""A study with a budget of time has as many trials of every arm as fit, and ends in time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from hinet_search.common.errors import ConfigurationError
from hinet_search.common.frozen_model import Duration
from hinet_search.results.study_record import StudyRecord
from hinet_search.search import turns
from hinet_search.search.plan.fit_budget import fit_budget
from hinet_search.search.plan.plan import ArmPlan, Plan, PreparedStudy
from hinet_search.search.progress import Event, NullWatcher, Progress, Watcher
from hinet_search.search.time_budget import Round, Spent, next_round
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.study_spec import MOST_IN_TIME, StudySpec
from tests.search import studies
from tests.search.pretended import STUDY, Pretender, Studio

MINUTES = TypeAdapter(Duration)


@dataclass
class Value:
    value: float


@dataclass
class Counts:
    pruned: int = 0


@dataclass
class Search:
    """What a round asks of an arm: four finalists of ten seconds a training."""

    values: Sequence[float] = ()
    pruned: int = 0
    budget: int = 10**6
    seconds_of_training: float = 10.0

    @property
    def arm(self) -> "Search":
        return self

    def most_finalists(self, spec: StudySpec) -> int:
        return 4

    def complete_trials(self) -> list[Value]:
        return [Value(value) for value in sorted(self.values, reverse=True)]

    def counts(self) -> Counts:
        return Counts(self.pruned)


def spec(**values: object) -> StudySpec:
    made = studies.spec(**{"budget": "10m", "finalists": {"top": 3, "seeds": 2}, **values})
    return made.model_copy(update={"trials": values.get("trials", MOST_IN_TIME)})


def after(
    done: int,
    *searches: Search,
    searched: float = 80.0,
    seconds: float = 90.0,
    num_arms: int = 1,
    **values: object,
) -> Round:
    spent = Spent(done, searched, seconds, slots=1)
    return next_round(spec(**values), searches or [Search()], num_arms, spent)  # type: ignore[arg-type]  # the part that is asked


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("2h", 120), ("90m", 90), ("1h 30m", 90), ("1h30m", 90), ("45s", 0.75), (" 0.5h ", 30)],
)
def test_a_time_has_hours_minutes_and_seconds(written: str, minutes: float) -> None:
    assert MINUTES.validate_python(written) == minutes


@pytest.mark.parametrize("written", ["", "2", 2, "2 days", "h", "-1h", "0m", "m2", None, "1e9h"])
def test_no_other_time_is_taken(written: object) -> None:
    with pytest.raises(ValidationError):
        MINUTES.validate_python(written)


def test_a_study_has_one_limit_of_time() -> None:
    with pytest.raises(ValidationError, match="takes budget, the time of the whole study, or wall"):
        studies.spec(budget="2h", wall_clock_minutes=5)


def test_what_finalists_need_is_left_for_them() -> None:
    # 600 s - 90 s - 4 finalists x 2 seeds x 10 s = 430 s; a trial takes 20 s
    assert after(4).trials == 4 + 4, "a round at most doubles the trials"
    assert after(4).words == "4 trials of every arm are done, 21 more fit into the budget"
    assert after(16, searched=320.0, seconds=330.0) == Round(
        16 + 9, "16 trials of every arm are done, 9 more fit into the budget"
    )


def test_arms_that_are_searched_later_count_as_those_of_now() -> None:
    # a trial of both arms takes 40 s, their finalists 160 s
    assert "8 more fit" in after(4, num_arms=2).words


def test_the_search_ends_when_no_trial_fits_any_more() -> None:
    assert after(16, searched=320.0, seconds=510.0) == Round(
        16, "the time is used with 16 trials of every arm"
    )


def test_written_trials_are_the_most() -> None:
    assert after(4, trials=6).trials == 6
    assert after(6, trials=6).trials == 6


def test_the_search_ends_when_another_hour_would_bring_too_little() -> None:
    tight = Search([0.7 + 0.00001 * number for number in range(8)])
    following = after(8, tight, searched=160.0, least_gain=0.001)
    assert following.trials == 8
    assert following.words == (
        "another hour would bring about .0000 in the best arm, less than least_gain 0.001"
    )
    wide = Search([0.5, 0.52, 0.54, 0.56, 0.58, 0.6, 0.62, 0.64])
    following = after(8, tight, wide, searched=160.0, num_arms=2, least_gain=0.001)
    assert following.trials > 8, "an arm still gains"
    assert following.words.endswith(
        "more fit into the budget; another hour would bring about .0160 in the best arm"
    )


def test_pruned_trials_count_as_the_worst() -> None:
    alone = after(8, Search([0.5, 0.6, 0.61, 0.62], pruned=4), searched=160.0).words
    assert ".0" in alone.partition("about ")[2]
    assert "hour" not in after(8, Search([0.5, 0.6, 0.61, 0.62]), searched=160.0).words


def test_spaces_that_are_searched_whole_end_the_search() -> None:
    assert after(8, Search(budget=6)) == Round(8, "the space of every arm is searched whole")


@dataclass
class Heard(NullWatcher):
    events: list[Event] = field(default_factory=list)
    left: list[float | None] = field(default_factory=list)

    def event(self, event: Event) -> None:
        self.events.append(event)

    def tick(self, progress: Progress) -> None:
        self.left.append(progress.seconds_left)


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    return Studio(tmp_path, monkeypatch)


def rounds(monkeypatch: pytest.MonkeyPatch, *trials: int) -> None:
    """Let rounds end at these numbers of trials."""
    coming = iter(trials)
    monkeypatch.setattr(turns, "next_round", lambda *_: Round(next(coming), "so it is"))


ARMS = "{mmoe: {space: rate}, ple: {space: rate}}"


def in_time(
    studio: Studio, budget: str = "10m", watcher: Watcher | None = None
) -> tuple[StudyRecord, Pretender]:
    return studio.launch(more=f"budget: {budget}\n", arms=ARMS, without="trials", watcher=watcher)


def test_all_arms_get_the_trials_of_the_last_round(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(monkeypatch, 8, 11, 11)
    heard = Heard()
    record, _ = in_time(studio, watcher=heard)
    assert [len(arm.trials) for arm in record.arms] == [11, 11]
    assert record.budget.trials == 11
    assert record.budget.seconds == 600
    assert [event.text for event in heard.events if event.kind == "budget"] == ["so it is"] * 3
    assert all(0 < left <= 600 for left in heard.left[:8] if left is not None)


def test_a_later_launch_goes_on_with_the_trials_that_there_are(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(monkeypatch, 8, 8)
    in_time(studio)
    rounds(monkeypatch, 8)
    again, pretender = in_time(studio)
    assert [len(arm.trials) for arm in again.arms] == [8, 8]
    assert pretender.jobs == []


def test_a_study_in_time_ends_by_itself(studio: Studio) -> None:
    record, _ = in_time(studio, "1s")
    counts = [len(arm.trials) for arm in record.arms]
    assert min(counts) >= 1
    assert record.state == "done"


def test_written_trials_are_the_most_of_a_study_in_time(studio: Studio) -> None:
    record, _ = studio.launch(more="budget: 10m\n", trials=6)
    assert len(record.arms[0].trials) == 6


def test_a_budget_that_is_no_time_is_refused_at_its_place(studio: Studio) -> None:
    with pytest.raises(ConfigurationError, match=r"s\.yaml:\d+:1: budget: must be a time like 2h"):
        studio.launch(more="budget: 2 days\n")


def plan(studio: Studio, budget: str) -> Plan:
    path = studio.folder / "p.yaml"
    path.write_text(STUDY.replace("trials: 4\n", f"budget: {budget}\n") + "arms: {mmoe: }\n")
    study = LaunchOptions().load(str(path))
    ready = PreparedStudy(study, None, None, 2)  # type: ignore[arg-type]  # not asked
    arm = ArmPlan("mmoe", "mmoe", study.spec.trials, 4, 9, (1, 2, 3), 10.0, 10.0, 1)
    return Plan(ready, (arm,), 1.0)


def test_the_plan_counts_the_trials_that_fit(studio: Studio) -> None:
    fitted = fit_budget(plan(studio, "10m"))
    assert fitted.seconds <= 600 < fitted.seconds + 10
    assert fitted.trials > 20


def test_the_plan_of_a_short_time_has_one_trial(studio: Studio) -> None:
    assert fit_budget(plan(studio, "1s")).trials == 1
