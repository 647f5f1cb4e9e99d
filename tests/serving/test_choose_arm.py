"""Choice: which arms a study can export, and the error if there is none."""

from dataclasses import replace

import pytest

from hinet_search.api import split_target
from hinet_search.common.errors import ConfigurationError, StudyConflict
from hinet_search.results.finalist_values import chosen
from hinet_search.results.shipping import shipment
from hinet_search.results.verdict import verdict
from hinet_search.serving.choice import choose
from tests.report.arms import Shape
from tests.report.studies import empty, small, study

DONE = replace(small(), state="done")


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
