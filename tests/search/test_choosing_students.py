"""Which finalists become students where none is named."""

from dataclasses import replace

import pytest

from hinet_search.results.objectives import objective_named
from hinet_search.search.students import Learner, choose_students
from hinet_search.study.load_study import load_study
from hinet_search.study.study_spec import TeachingSpec
from tests.duels import chosen_of, duel

ARMS = {arm.name: arm for arm in load_study("quickstart").arms}
RECORD = duel([0.7], [0.7])


def learner(name: str, flops: int, value: float) -> Learner:
    (run, *_) = chosen_of(RECORD, "hinet").runs
    run = replace(run, valid_objective=value, cost=replace(run.cost, flops_per_row=flops))
    return Learner(ARMS[name], replace(chosen_of(RECORD, "hinet"), runs=(run,)))


TWO, THREE = ["hinet", "mmoe"], ["hinet", "mmoe", "single"]


@pytest.mark.parametrize(
    ("objective", "values", "margin", "students"),
    [
        pytest.param("rmse[Home/watch]", (20.0, 20.03, 20.05), 0.002, TWO, id="a share of it"),
        pytest.param("rmse[Home/watch]", (20.0, 20.03, 20.05), 0.004, THREE, id="of amounts"),
        pytest.param("macro_auc", (0.75, 0.75, 0.5), 0.0, TWO, id="no margin"),
        pytest.param("macro_auc", (0.75, 0.75, 0.5), 0.25, THREE, id="the margin itself"),
    ],
)
def test_the_best_and_the_cheapest_within_the_margin_become_students(
    objective: str, values: tuple[float, ...], margin: float, students: list[str]
) -> None:
    costs = zip(THREE, (90, 50, 10), values, strict=True)
    finalists = [learner(name, flops, value) for name, flops, value in costs]
    teaching = TeachingSpec(students="auto")
    chosen = choose_students(finalists, teaching, margin, objective_named(objective))
    assert [each.arm.name for each in chosen] == students
