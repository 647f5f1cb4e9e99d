"""No draw of a search costs more than twice the default HiNet per row, on data like KuaiRand's."""

from functools import cache

import pytest
from cases import JOINT

from hinet_search.data.schema import ListField, Schema
from hinet_search.models.layers.measure import flops_per_row
from hinet_search.study.distributions import Value
from hinet_search.study.find_file import shipped_folder
from hinet_search.study.search_space import load_space
from hinet_search.training.trial_config import build_config

SCHEMA = Schema(
    scenarios=tuple(f"tab {number}" for number in range(5)),
    tasks=("long_view", "is_like"),
    categorical=tuple(f"field {number}" for number in range(38)),
    vocabulary_sizes=(20,) * 38,
    numeric=tuple(f"number {number}" for number in range(90)),
    lists=(ListField("watched", 1, 50, "attention"),),
)
SPACES = [case.name for case in JOINT if (shipped_folder("spaces") / f"{case.name}.yaml").exists()]


def cost(name: str, values: dict[str, Value]) -> int:
    return flops_per_row(build_config(name, values).build(SCHEMA), SCHEMA)


@cache
def limit() -> int:
    return 2 * cost("hinet", {})


@pytest.mark.parametrize("name", SPACES)
def test_no_bound_of_a_shipped_space_costs_more_than_two_default_hinets(name: str) -> None:
    space = load_space(name)
    default = space.values(space.default())
    bounds = [
        (parameter, bound)
        for parameter, drawn in space.parameters.items()
        for bound in drawn.bounds
    ]
    costs = {
        # a rate (a float) costs nothing
        (parameter, str(bound)): cost(name, {**default, parameter: bound})
        for parameter, bound in bounds
        if parameter.startswith("model.")
        and bound != default.get(parameter)
        and not isinstance(bound, float)
    }
    assert {bound: flops for bound, flops in costs.items() if flops > limit()} == {}
    assert cost(name, default) <= limit()


def test_every_model_has_a_shipped_space() -> None:
    assert sorted(SPACES) == sorted(case.name for case in JOINT)


@pytest.mark.parametrize(
    "name", ["adasparse", "dcn_v2", "final_mlp", "hamur", "m2m", "m3oe", "pepnet", "star"]
)
def test_the_default_of_the_space_is_the_default_of_the_model(name: str) -> None:
    space = load_space(name)
    assert build_config(name, space.values(space.default())).model == build_config(name, {}).model
