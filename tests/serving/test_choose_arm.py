"""Choice: what a study can export by name and without, and the error if there is nothing."""

from dataclasses import replace

import pytest

from hinet_search.api import split_target
from hinet_search.common.errors import ConfigurationError, StudyConflict
from hinet_search.results.decision import decision
from hinet_search.results.ensemble_records import ENSEMBLE, EnsembleRecord, Member, RunKey
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import ServingLimits
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from hinet_search.serving.choice import Seeds, choose
from tests.duels import NOISE, duel
from tests.report import distilled
from tests.report.arms import Shape
from tests.report.studies import small, study

DONE = replace(small(), state="done")


def with_ensemble(record: StudyRecord, *, opened: bool = True) -> StudyRecord:
    """The study with an ensemble of the first seed of all arms, and a student of its first arm."""
    arms = (*record.arms, replace(record.arms[0], name="distilled_single", student_of="single/0"))
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
    assert choose(record, "distilled_single", "best").members[0].run.arm == "distilled_single"


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


WHOLE = with_ensemble(DONE)
NONE_OPENED = replace(study(Shape(finalists=False)), state="done")
REFUSED = {
    "an unknown arm is told with the nearest": (
        (DONE, "pel", "best"),
        r"has no arm 'pel', known: .*; did you mean 'ple'\?",
    ),
    "an unknown name is told with arms, students and the ensemble": (
        (WHOLE, "ensembel", "best"),
        "known: single, ple, hinet, distilled_single, ensemble; did you mean",
    ),
    "a study without an ensemble says how to get one": (
        (DONE, ENSEMBLE, "best"),
        "has no ensemble, known: single.*\n.*ensemble: true",
    ),
    "all seeds of the ensemble": ((WHOLE, ENSEMBLE, "all"), "whose seeds are given by its members"),
    "an ensemble that was not opened on test": (
        (with_ensemble(DONE, opened=False), ENSEMBLE, "best"),
        "must have been opened on test, but was not",
    ),
    "a study without an opened finalist": (
        (NONE_OPENED, None, "best"),
        "must have a finalist that was opened on test, but has none",
    ),
    "an arm without an opened finalist": ((NONE_OPENED, "ple", "best"), "arm 'ple' of study"),
}


@pytest.mark.parametrize(("asked", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_exported_is_refused_with_the_reason(
    asked: tuple[StudyRecord, str | None, Seeds], message: str
) -> None:
    record, name, seeds = asked
    with pytest.raises((ConfigurationError, StudyConflict), match=message):
        choose(record, name, seeds)


def test_limits_that_no_model_meets_are_the_error_without_a_name() -> None:
    record = limited(with_ensemble(DONE), 0.5)
    why = decision(record, verdict(record)).why
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
    what = choose(limited(distilled.with_ensemble(record, gain=0.1), 1e12), None, "best")
    assert what.is_ensemble
    assert what.why.startswith("the best within the serving limits")


def test_where_too_few_seeds_show_nothing_an_ensemble_behind_on_neither_split_is_taken() -> None:
    what = choose(limited(distilled.with_ensemble(DONE), 1e12), None, "best")
    assert what.is_ensemble
    assert "and not behind on test" in what.why


def test_an_arm_that_is_named_is_taken_without_a_reason() -> None:
    what = choose(DONE, "ple", "best")
    assert (what.name, what.why, len(what.seeds)) == ("ple", "", 1)


def test_without_a_name_it_is_what_the_study_says_to_ship() -> None:
    shipped = decision(DONE, verdict(DONE))
    assert shipped.taken is not None
    what = choose(DONE, None, "best")
    assert (what.name, what.why) == (shipped.taken.name, shipped.why)


def test_all_seeds_are_those_of_the_chosen_finalist() -> None:
    (finalist,) = (chosen(arm) for arm in DONE.arms if arm.name == "ple")
    assert choose(DONE, "ple", "all").seeds == tuple(run.seed for run in finalist.runs)
    least = min(finalist.runs, key=lambda run: run.valid_objective)
    where_less_is_better = replace(DONE, maximize=False)
    assert choose(where_less_is_better, "ple", "best").seeds == (least.seed,)


@pytest.mark.parametrize("state", ["running", "stopped", "interrupted"])
def test_a_study_that_is_not_done_names_the_launch_that_resumes_it(state: str) -> None:
    with pytest.raises(
        StudyConflict, match=f"must be done before it is exported, it is {state}"
    ) as caught:
        choose(replace(DONE, state=state), None, "best")
    assert caught.value.remedy == DONE.command


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
