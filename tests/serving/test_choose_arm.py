"""Choice: what a study can export by name and without, and the error if there is nothing."""

from dataclasses import replace

import pytest

from hinet_search.api import split_target
from hinet_search.common.errors import ConfigurationError, StudyConflict
from hinet_search.results.ensemble_records import ENSEMBLE, EnsembleRecord, Member, RunKey
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import ServingLimits
from hinet_search.results.shipping import shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from hinet_search.serving.choice import choose
from tests.duels import NOISE, duel
from tests.report import taught
from tests.report.arms import Shape
from tests.report.studies import empty, small, study

DONE = replace(small(), state="done")


def with_ensemble(record: StudyRecord, *, opened: bool = True) -> StudyRecord:
    """The study with an ensemble of the first seed of all arms, and a student of its first arm."""
    arms = (*record.arms, replace(record.arms[0], name="taught_single", student_of="single/0"))
    runs = [
        RunKey(arm.name, finalist.trial_number, finalist.runs[0].seed)
        for arm in arms
        if (finalist := chosen(arm)) is not None
    ]
    cells = DONE.arms[0].finalists[0].runs[0].valid_cells
    ensemble = EnsembleRecord(
        ENSEMBLE,
        pool=tuple(runs),
        members=tuple(Member(run, 1 / len(runs)) for run in runs),
        method="mean",
        scale="logits",
        valid_objective=0.9,
        valid_cells=cells,
        test_cells=cells if opened else None,
    )
    return replace(record, students=arms[-1:], ensembles=(ensemble,))


def limited(record: StudyRecord, flops: float) -> StudyRecord:
    """The study with a serving limit of that many FLOPs per row."""
    return replace(record, budget=replace(record.budget, serving=ServingLimits(None, flops)))


def test_the_ensemble_and_students_are_taken_by_their_names() -> None:
    record = with_ensemble(DONE)
    (ensemble,) = record.ensembles
    what = choose(record, ENSEMBLE, "best")
    assert (what.name, what.members, what.scale) == (ENSEMBLE, ensemble.members, "logits")
    assert (what.is_ensemble, what.trial, what.title) == (True, None, "4 members")
    assert choose(record, "taught_single", "best").members[0].run.arm == "taught_single"


def test_an_arm_that_is_named_ensemble_comes_before_the_ensemble() -> None:
    record = with_ensemble(DONE)
    arms = (*record.arms, replace(record.arms[0], name=ENSEMBLE))
    assert not choose(replace(record, arms=arms), ENSEMBLE, "best").is_ensemble


def test_members_of_one_finalist_are_put_side_by_side() -> None:
    record = with_ensemble(DONE)
    (ensemble,) = record.ensembles
    first, second, *_ = ensemble.members
    other = replace(first, run=replace(first.run, seed=first.run.seed + 1))
    mixed = replace(ensemble, members=(first, second, other))
    members = choose(replace(record, ensembles=(mixed,)), ENSEMBLE, "best").members
    assert members == (first, other, second)


def test_all_seeds_of_the_ensemble_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="whose seeds are given by its members"):
        choose(with_ensemble(DONE), ENSEMBLE, "all")


def test_an_unknown_name_is_reported_with_arms_students_and_the_ensemble() -> None:
    with pytest.raises(
        ConfigurationError, match="known: single, ple, hinet, taught_single, ensemble; did you mean"
    ):
        choose(with_ensemble(DONE), "ensembel", "best")


def test_a_study_without_an_ensemble_says_how_to_get_one() -> None:
    with pytest.raises(ConfigurationError, match="has no ensemble, known: single") as caught:
        choose(DONE, ENSEMBLE, "best")
    assert "ensemble: true" in caught.value.remedy


def test_an_ensemble_that_was_not_opened_on_test_is_refused() -> None:
    with pytest.raises(StudyConflict, match="must have been opened on test, but was not"):
        choose(with_ensemble(DONE, opened=False), ENSEMBLE, "best")


def test_limits_that_no_model_meets_are_the_error_without_a_name() -> None:
    record = limited(with_ensemble(DONE), 0.5)
    why = shipment(record, verdict(record)).why
    assert "meets the serving limits" in why
    with pytest.raises(StudyConflict) as caught:
        choose(record, None, "best")
    assert caught.value.problems == (
        f"study 'shop' must have something to ship, but has not: {why}",
    )
    assert "raise the limits in `serving`" in caught.value.remedy
    assert choose(record, "ple", "best").name == "ple"


def test_within_wide_limits_an_ensemble_that_is_shown_to_be_better_is_taken() -> None:
    record = replace(duel([0.75 + noise for noise in NOISE], [0.7] * 5), state="done")
    what = choose(limited(taught.with_ensemble(record, gain=0.1), 1e12), None, "best")
    assert what.is_ensemble
    assert what.why.startswith("the best within the serving limits")


def test_where_too_few_seeds_show_nothing_an_ensemble_behind_on_neither_split_is_taken() -> None:
    what = choose(limited(taught.with_ensemble(DONE), 1e12), None, "best")
    assert what.is_ensemble
    assert "and not behind on test" in what.why


def test_an_arm_that_is_named_is_taken_without_a_reason() -> None:
    what = choose(DONE, "ple", "best")
    assert (what.name, what.why, len(what.seeds)) == ("ple", "", 1)


def test_without_a_name_it_is_what_the_study_says_to_ship() -> None:
    shipped = shipment(DONE, verdict(DONE))
    assert shipped.taken is not None
    what = choose(DONE, None, "best")
    assert (what.name, what.why) == (shipped.taken.name, shipped.why)


def test_all_seeds_are_those_of_the_chosen_finalist() -> None:
    finalist = chosen(next(arm for arm in DONE.arms if arm.name == "ple"))
    assert finalist is not None
    assert choose(DONE, "ple", "all").seeds == tuple(run.seed for run in finalist.runs)


def test_where_less_is_better_the_least_is_the_best_seed() -> None:
    what = choose(replace(DONE, maximize=False), "ple", "best")
    finalist = chosen(next(arm for arm in DONE.arms if arm.name == "ple"))
    assert finalist is not None
    least = min(finalist.runs, key=lambda run: run.valid_objective)
    assert what.seeds == (least.seed,)


def test_an_unknown_arm_is_reported_with_the_nearest() -> None:
    with pytest.raises(
        ConfigurationError, match=r"has no arm 'pel', known: .*; did you mean 'ple'\?"
    ):
        choose(DONE, "pel", "best")


@pytest.mark.parametrize("state", ["running", "stopped", "interrupted"])
def test_a_study_that_is_not_done_names_the_launch_that_resumes_it(state: str) -> None:
    with pytest.raises(
        StudyConflict, match=f"must be done before it is exported, it is {state}"
    ) as caught:
        choose(replace(DONE, state=state), None, "best")
    assert caught.value.remedy == DONE.command


def test_a_study_without_an_opened_finalist_has_nothing_to_export() -> None:
    record = replace(study(Shape(finalists=False)), state="done")
    with pytest.raises(
        StudyConflict, match="must have a finalist that was opened on test, but has none"
    ):
        choose(record, None, "best")
    with pytest.raises(StudyConflict, match="arm 'ple' of study"):
        choose(record, "ple", "best")
    assert empty().state == "running"


@pytest.mark.parametrize(
    ("target", "study_and_arm"),
    [
        ("quickstart", ("quickstart", None)),
        ("quickstart/hinet", ("quickstart", "hinet")),
        ("paper/ablation", ("paper/ablation", None)),
        ("paper/ablation/hinet", ("paper/ablation", "hinet")),
        ("studies/shop.yaml", ("studies/shop.yaml", None)),
        ("/data/shop.yaml/ple", ("/data/shop.yaml", "ple")),
    ],
)
def test_a_target_is_a_study_with_or_without_an_arm(
    target: str, study_and_arm: tuple[str, str | None]
) -> None:
    assert split_target(target) == study_and_arm
