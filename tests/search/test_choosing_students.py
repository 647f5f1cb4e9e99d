"""Which finalists become students where none is named."""

from dataclasses import replace

import pytest

from hinet_search.results.objectives import objective_named
from hinet_search.search.students import Taught, choose_students
from hinet_search.study.load_study import load_study
from hinet_search.study.study_spec import TeachingSpec
from tests.duels import chosen_of, duel

ARMS = {arm.name: arm for arm in load_study("quickstart").arms}
RECORD = duel([0.7], [0.7])


def taught(name: str, flops: int, value: float) -> Taught:
    (run, *_) = chosen_of(RECORD, "hinet").runs
    run = replace(run, valid_objective=value, cost=replace(run.cost, flops_per_row=flops))
    return Taught(ARMS[name], replace(chosen_of(RECORD, "hinet"), runs=(run,)))


@pytest.mark.parametrize(
    ("margin", "students"), [(0.002, ["hinet", "mmoe"]), (0.004, ["hinet", "mmoe", "single"])]
)
def test_of_errors_of_amounts_the_cheapest_may_be_worse_by_a_share(
    margin: float, students: list[str]
) -> None:
    finalists = [taught("hinet", 90, 20.0), taught("mmoe", 50, 20.03), taught("single", 10, 20.05)]
    objective = objective_named("rmse[Home/watch]")
    chosen = choose_students(finalists, TeachingSpec(students="auto"), margin, objective)
    assert [each.arm.name for each in chosen] == students


@pytest.mark.parametrize(
    ("margin", "students"), [(0.0, ["hinet", "mmoe"]), (0.25, ["hinet", "mmoe", "single"])]
)
def test_what_is_below_the_best_by_the_margin_itself_is_near_enough(
    margin: float, students: list[str]
) -> None:
    finalists = [taught("hinet", 90, 0.75), taught("mmoe", 50, 0.75), taught("single", 10, 0.5)]
    objective = objective_named("macro_auc")
    chosen = choose_students(finalists, TeachingSpec(students="auto"), margin, objective)
    assert [each.arm.name for each in chosen] == students
