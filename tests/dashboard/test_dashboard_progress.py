"""Progress in numbers: ended trials, remaining time, causes of failures."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hinet_search.dashboard import progress_card as progress
from hinet_search.dashboard.progress_card import build, ribbon, roughly
from hinet_search.results.records import Cost, EvaluationRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from tests.report.arms import Shape
from tests.report.studies import empty, study

BEGAN = datetime(2026, 11, 25, 12, tzinfo=UTC)
COST = Cost(1000, 200, 4000, 1e5, 30.0, 1 << 30, "cuda:0")


def trial(
    number: int, minute: float, state: str = "complete", cause: str = "", seconds: float = 30.0
) -> TrialRecord:
    value = 0.7 if state == "complete" else None
    finished = (BEGAN + timedelta(minutes=minute)).isoformat()
    return TrialRecord(
        number,
        state,
        value,
        {},
        False,
        cause,
        (),
        replace(COST, seconds=seconds),
        finished=finished,
    )


def running(*trials: TrialRecord, budget: int = 10) -> StudyRecord:
    """Return a running study of one arm with these trials."""
    record = study(Shape(arms=("hinet",), trials=1, finalists=False), state="running")
    (arm,) = record.arms
    return replace(
        record, budget=replace(record.budget, trials=budget), arms=(replace(arm, trials=trials),)
    )


def cells(body: str) -> list[str]:
    """The texts of the cells of tables."""
    return [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[dh][ >].*?</t[dh]>", body)]


def test_duplicates_and_oversized_draws_do_not_count() -> None:
    record = running(
        trial(0, 0),
        trial(1, 1, "pruned", "duplicate of trial 0"),
        trial(2, 2, "failed"),
        trial(3, 3, "pruned"),
    )
    assert cells(build(record, None, {}).body)[12:18] == ["3 of 10", "0.7000", "0", "1", "1", "1"]


def test_an_arm_beyond_a_lowered_budget_misses_nothing_and_had_the_trials_that_it_began() -> None:
    record = running(*(trial(k, k) for k in range(5)), budget=3)
    assert progress.missing(record) == 0
    assert cells(build(record, None, {}).body)[12] == "5 of 5"


def test_causes_are_counted_by_their_first_line() -> None:
    record = running(
        trial(0, 0, "failed", "out of memory\nTraceback"),
        trial(1, 1, "failed", "out of memory"),
        trial(2, 2, "failed"),
    )
    causes = ["out of memory", "2", "no cause recorded", "1"]
    assert cells(build(record, None, {}).body)[-4:] == causes


def test_trials_under_way_show_their_evaluations_without_those_that_are_no_number() -> None:
    evaluations = tuple(
        EvaluationRecord(k + 1, k / 4, value, 0.4, 1.0, ())
        for k, value in enumerate([0.6, float("nan"), 0.7])
    )
    record = running(
        TrialRecord(
            7,
            "running",
            None,
            {},
            False,
            "",
            evaluations,
            None,
            started="2026-11-25T12:00:00+00:00",
        )
    )
    body = build(record, None, {}).body
    assert "Running trials" in body
    assert "HiNet / 7: 2 evaluations, the last 0.7000" in body


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4, "0 s"), (47, "40 s"), (61, "1 min"), (299, "4 min"), (7300, "2 h"), (200_000, "2 d")],
)
def test_the_time_without_heartbeats_has_one_unit(seconds: float, text: str) -> None:
    assert roughly(seconds) == text


def test_a_coordinator_without_heartbeats_is_reported_with_the_last_trial() -> None:
    record = replace(running(trial(0, 122)), state="interrupted")
    assert ribbon(record, 250.0) == (
        "Preliminary: the study is interrupted, no heartbeat for 4 min, last trial 2026-11-25 14:02 UTC"
    )
    assert build(record, 250.0, {}).lead.startswith(
        "No heartbeat for 4 min, last trial 2026-11-25 14:02 UTC."
    )


def test_a_stopped_study_says_how_to_resume_it() -> None:
    record = replace(running(trial(0, 122)), state="stopped")
    card = build(record, None, {})
    assert card.heading == "Stopped with 9 trials to go"
    assert card.lead.startswith("No launch is running, last trial 2026-11-25 14:02 UTC.")
    assert "<code>hinet-search launch studies/shop.yaml</code>" in card.lead


def test_a_running_study_shows_what_is_left_and_where_it_trains() -> None:
    card = build(running(trial(0, 0), trial(1, 0.5)), 3.0, {}, left=390.0)
    finalists = "then up to 20 trainings of finalists"
    assert card.heading == f"8 trials to go, {finalists}, about 6 m 30 s left"
    assert card.lead == "4 slots; trials so far were trained on cuda:0."


def test_a_study_whose_trials_have_ended_trains_finalists() -> None:
    card = build(running(trial(0, 0), trial(1, 1), budget=2), 3.0, {}, left=75.0)
    heading = "Training the finalists: 0 of at most 10 have ended, about 1 m 15 s left"
    assert card.heading == heading


def with_finalists(num_runs: int, seconds: float) -> StudyRecord:
    """Return a study whose two trials have ended, with so many trainings of a finalist."""
    record = running(trial(0, 0), trial(1, 1), budget=2)
    (arm,) = study(Shape(arms=("hinet",), trials=2), state="running").arms
    finalist = arm.finalists[0]
    run = replace(finalist.runs[0], cost=replace(COST, seconds=seconds))
    runs = tuple(replace(run, seed=seed) for seed in range(num_runs))
    finalists = (replace(finalist, runs=runs),)
    return replace(record, arms=(replace(record.arms[0], finalists=finalists),))


def test_trainings_of_finalists_are_those_that_have_ended_and_may_come() -> None:
    record = with_finalists(4, 100.0)
    assert progress.finalist_runs(record) == (4, 10)
    heading = "Training the finalists: 4 of at most 10 have ended"
    assert build(record, 3.0, {}).heading == heading


def test_finalists_are_the_best_trials_alone_where_the_default_is_not_wanted() -> None:
    record = with_finalists(0, 100.0)
    assert progress.finalist_runs(without_default(record, top=1)) == (0, 5)
    (arm,) = record.arms
    student = replace(arm, student_of="hinet/1")
    distilled = replace(without_default(record, top=2), arms=(), students=(student,))
    assert progress.finalist_runs(distilled) == (0, 5)


def without_default(record: StudyRecord, top: int) -> StudyRecord:
    budget = replace(record.budget, finalist_top=top, finalist_default=False, student_trials=6)
    return replace(record, budget=budget)


def test_more_trainings_than_a_lowered_budget_has_leave_none() -> None:
    record = with_finalists(14, 100.0)
    assert progress.finalist_runs(record) == (14, 14)


def test_students_that_have_not_begun_are_told_to_follow() -> None:
    record = running(trial(0, 0), trial(1, 1))
    distilled = replace(record, budget=replace(record.budget, student_trials=3))
    assert build(distilled, 3.0, {}).lead.endswith("; students follow.")
    assert "students" not in build(record, 3.0, {}).lead


def test_a_study_without_a_trial_has_a_card() -> None:
    card = build(empty(), 3.0, {})
    assert card.heading.startswith("84 trials to go, then up to ")
    assert card.heading.endswith(" trainings of finalists")
    assert card.lead == "4 slots."


def test_a_picture_has_a_dot_per_complete_trial_at_its_end_and_names_those_outside_it() -> None:
    values = [0.5, 0.7, 0.71, 0.72, 0.69]
    trials = [replace(trial(k, k), value=value) for k, value in enumerate(values)]
    body = build(running(*trials, trial(5, 5, "failed")), None, {}).body
    drawn = re.findall(r'<path d="((?:M[\d.]+ [\d.]+h0)+)"', body)
    assert [dots.count("M") for dots in drawn] == [4, 4]  # of all arms, and again of the focus
    assert "5 trials, the best so far 0.7200" in body
    assert "Outside the picture: 1 worse trial." in body


def test_one_complete_trial_has_no_picture_over_time() -> None:
    assert "over time" not in build(running(trial(0, 0)), None, {}).body
