"""Budget curves, and arms of one size."""

from dataclasses import replace

from hinet_search.report.sections.budget_curves import Changes, budget_curve
from hinet_search.results.contrasts import same_size
from hinet_search.results.records import ArmRecord, Cost, EvaluationRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from tests.duels import arm_named, chosen_of, with_chosen
from tests.report.arms import Shape
from tests.report.studies import study

COST = Cost(10, 5, 10, 1.0, 0.0, 0, "cpu")


def trial(
    number: int, values: list[float], *, seconds: float, state: str = "complete", finished: str = ""
) -> TrialRecord:
    """Evaluations every 10 seconds."""
    evaluations = tuple(
        EvaluationRecord(step, step / 4, value, 0.4, 10.0 * step, ())
        for step, value in enumerate(values, start=1)
    )
    value = max(values, default=None)
    return TrialRecord(
        number,
        state,
        value,
        {},
        number == 0,
        "",
        evaluations,
        replace(COST, seconds=seconds),
        finished=finished,
    )


def curve(*trials: TrialRecord, objective: str = "mean_auc") -> tuple[Changes, float]:
    record = study(Shape(arms=("ple", "hinet"), objective=objective))
    return budget_curve(record, replace(record.arms[0], trials=trials))


def test_every_improvement_is_a_point_within_a_trial_too() -> None:
    assert curve(trial(0, [0.5, 0.7, 0.6], seconds=35)) == (((10, 0.5), (20, 0.7)), 35)


def test_trials_follow_one_another_in_the_order_in_which_they_finished() -> None:
    points = curve(
        trial(0, [0.7], seconds=20, finished="2026-01-01T00:09:00Z"),
        trial(1, [0.6], seconds=10, finished="2026-01-01T00:05:00Z"),
    )
    assert points == (((10, 0.6), (20, 0.7)), 30)


def test_a_failed_trial_spends_its_seconds_and_improves_nothing() -> None:
    points = curve(trial(0, [0.9], seconds=15, state="failed"), trial(1, [0.6], seconds=10))
    assert points == (((25, 0.6),), 25)


def test_a_pruned_trial_improves_what_it_improved() -> None:
    assert curve(trial(0, [0.6], seconds=10, state="pruned")) == (((10, 0.6),), 10)


def test_of_a_loss_the_lowest_is_the_best() -> None:
    changes, _ = curve(trial(0, [0.5, 0.4, 0.45], seconds=30), objective="logloss")
    assert [best for _, best in changes] == [0.5, 0.4]


def test_a_running_trial_and_a_duplicate_are_not_laid() -> None:
    duplicate = replace(trial(1, [0.9], seconds=10), cause="duplicate of 0")
    assert curve(trial(0, [0.9], seconds=10, state="running"), duplicate) == ((), 0)


def test_a_trial_without_evaluations_has_its_value_at_its_end() -> None:
    assert curve(replace(trial(0, [], seconds=40), value=0.7)) == (((40, 0.7),), 40)


def sized(record: StudyRecord, **dense: int) -> StudyRecord:
    """The record with the dense parameters of these arms' finalists."""
    for name, size in dense.items():
        runs = chosen_of(record, name).runs
        changed = tuple(replace(run, cost=replace(run.cost, dense_parameters=size)) for run in runs)
        record = with_chosen(record, name, runs=changed)
    return record


def names(arms: tuple[ArmRecord, ...]) -> list[str]:
    return [arm.name for arm in arms]


def test_arms_within_a_tenth_of_the_dense_parameters_are_of_one_size() -> None:
    record = sized(
        study(Shape(arms=("star", "ple", "mmoe", "hinet"))),
        hinet=1000,
        ple=1100,
        mmoe=1101,
        star=900,
    )
    assert names(same_size(record, arm_named(record, "hinet"))) == ["star", "ple"]


def test_an_arm_built_to_the_size_comes_first_whatever_it_counts() -> None:
    record = sized(
        study(Shape(arms=("ple", "flat_moe", "hinet"))), hinet=1000, ple=1000, flat_moe=5000
    )
    built = replace(arm_named(record, "flat_moe"), size_of="hinet")
    record = replace(
        record, arms=tuple(built if arm.name == "flat_moe" else arm for arm in record.arms)
    )
    assert names(same_size(record, arm_named(record, "hinet"))) == ["flat_moe", "ple"]


def test_an_arm_without_a_finalist_has_no_size() -> None:
    record = study(Shape(arms=("ple", "hinet"), finalists=False))
    assert same_size(record, arm_named(record, "hinet")) == ()
