"""Sizing: models are counted without memory for their weights, and without what only trained ones need."""

import re

import pytest
import torch
from torch import nn

from hinet_search.common import plugins
from hinet_search.common.errors import DataError
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.training.model_size import (
    TrainingBytes,
    bytes_in_training,
    check_model_fits,
    meta_model,
    sizes_of,
)
from hinet_search.training.optimiser import make_optimiser
from hinet_search.training.trial_config import build_config

MODELS = "hinet_search.models"
SCHEMA = Schema(
    ("Home", "Search", "Push"), ("click", "order"), ("user", "item"), (1000, 50), ("age",)
)


def networks() -> dict[str, nn.Module]:
    """Every model that is a network, without memory for its weights."""
    built = {name: meta_model(build_config(name, {}), SCHEMA) for name in plugins.names(MODELS)}
    return {name: model for name, model in built.items() if isinstance(model, nn.Module)}


def test_a_model_is_as_large_as_it_will_be() -> None:
    for name, model in networks().items():
        config = build_config(name, {})
        built = config.build(SCHEMA)
        assert isinstance(built, nn.Module)
        assert sizes_of(config, SCHEMA)[0] == sum(
            parameter.numel() for parameter in built.parameters()
        ), name
        assert all(parameter.is_meta for parameter in model.parameters()), name


@pytest.mark.parametrize("name", ["adam", "lazy_adam"])
def test_a_training_keeps_as_many_bytes_as_were_counted(name: str) -> None:
    settings = {"train.embedding_optimiser": name}
    config = build_config("mmoe", {"model.embedding_dim": 8, **settings})
    model = config.build(SCHEMA)
    assert isinstance(model, nn.Module)
    optimiser = make_optimiser(model, config.train)
    batch = Batch(
        ids_BF=torch.tensor([[1, 1], [2, 2], [3, 3]]),
        numeric_BN=torch.zeros(3, 1),
        scenario_B=torch.tensor([0, 1, 2]),
        lists_BS=torch.zeros(3, 0, dtype=torch.int64),
    )
    torch.autograd.backward(model(batch).sum())
    optimiser.step()
    of_weights = sum(weight.nbytes for weight in model.parameters())
    states = [state for part in optimiser.parts for state in part.state.values()]
    moments = [value for state in states for value in state.values() if value.ndim]  # no counts
    kept = TrainingBytes(of_weights, sum(value.nbytes for value in moments))
    assert bytes_in_training(config, SCHEMA) == kept
    assert kept.of_checkpoint == 2 * kept.weights + kept.moments


def test_a_model_that_needs_exactly_the_memory_fits_and_one_with_a_byte_more_does_not() -> None:
    config = build_config("shared_bottom", {"model.embedding_dim": 8})
    needed = 3 * 4 * sizes_of(config, SCHEMA)[0]  # weights, and two moments of Adam
    check_model_fits("arm", config, SCHEMA, available_bytes=needed)
    with pytest.raises(
        DataError, match=r"^arm: [\d,]+ parameters of the default configuration, .* must fit"
    ):
        check_model_fits("arm", config, SCHEMA, available_bytes=needed - 1)


@pytest.mark.parametrize(
    ("embedding_dim", "schema", "remedy"),
    [
        (64, SCHEMA, r"^raise minimum_frequency \(column 'user' has 1,000 ids\)"),
        (4, SCHEMA, r"^make the default of its space smaller$"),  # other weights are more
        (64, Schema(("Home",), ("click",), (), (), ("age",)), r"^make the default of its space"),
    ],
    ids=["most weights are of ids", "most are not", "no ids"],
)
def test_a_model_larger_than_the_memory_is_told_what_makes_it_smaller(
    embedding_dim: int, schema: Schema, remedy: str
) -> None:
    config = build_config("shared_bottom", {"model.embedding_dim": embedding_dim})
    with pytest.raises(DataError) as said:
        check_model_fits("arm", config, schema, available_bytes=1)
    assert re.search(remedy, said.value.remedy)
