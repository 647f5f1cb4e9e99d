"""The flat mixture of experts, above all its size."""

import pytest
import torch
from small_models import SCHEMA

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.schema import ListField, Schema
from hinet_search.models.flat_moe import Config, Model
from hinet_search.models.layers.measure import count_parameters
from hinet_search.training.trial_config import build_config

LARGE = Schema(
    scenarios=("1", "0", "4", "2", "6"),
    tasks=("long_view", "is_like"),
    categorical=tuple(f"field_{number}" for number in range(38)),
    vocabulary_sizes=(3000,) * 38,
    numeric=tuple(f"number_{number}" for number in range(90)),
    lists=(ListField("watched", 1, 50, "mean"),),
)
MANY_SCENARIOS = Schema(
    tuple(map(str, range(50))), ("click", "order"), ("user", "item"), (900, 400), ("age",)
)


def small(**options: object) -> Model:
    return Model(Config.model_validate(options), SCHEMA)


def dense(model: Model) -> int:
    return count_parameters(model)[1]


def hinet_size(schema: Schema, **changes: object) -> int:
    values = {f"model.{name.replace('__', '.')}": value for name, value in changes.items()}
    with torch.device("meta"):
        return dense(build_config("hinet", values).build(schema))


@pytest.mark.parametrize("num_experts", [2, 4, 8])
@pytest.mark.parametrize("tower", [(), (16,), (64,)], ids=str)
@pytest.mark.parametrize("schema", [LARGE, MANY_SCENARIOS], ids=["large", "many scenarios"])
def test_its_size_is_within_two_percent_of_the_default_hinet(
    num_experts: int, tower: tuple[int, ...], schema: Schema
) -> None:
    target = hinet_size(schema)
    with torch.device("meta"):
        model = Model(
            Config(num_experts=num_experts, tower={"widths": tower}, dense_parameters=target),
            schema,
        )
    assert abs(dense(model) / target - 1) < 0.02


@pytest.mark.parametrize("target", range(400, 3000, 97))
def test_no_other_width_comes_nearer_to_the_size_asked_for(target: int) -> None:
    model = small(dense_parameters=target, num_experts=3)
    others = [dense(small(width=width, num_experts=3)) for width in range(1, 200)]
    assert abs(dense(model) - target) == min(abs(other - target) for other in others)


def test_the_width_it_took_is_shown() -> None:
    model = small(dense_parameters=2000)
    assert model.width == model.experts.layers[0].weight_LIO.shape[-1]
    assert dense(small(width=model.width)) == dense(model)


def test_a_size_too_small_for_any_experts_gives_the_narrowest() -> None:
    assert small(dense_parameters=1).width == 1


def test_finding_the_width_draws_nothing_from_the_generator() -> None:
    torch.manual_seed(3)
    sized = small(dense_parameters=2000)
    torch.manual_seed(3)
    assert torch.equal(
        sized.embedding.table.weight, small(width=sized.width).embedding.table.weight
    )


def test_a_size_is_that_of_one_joint_model() -> None:
    with pytest.raises(ConfigurationError, match="dense_parameters is the size of one joint model"):
        build_config("flat_moe", {"model.dense_parameters": 5000, "model.protocol": "per_task"})
