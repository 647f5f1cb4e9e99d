"""Sizing: models are counted without memory for their weights, and without what only trained ones need."""

import subprocess
import sys

from torch import nn

from hinet_search.common import plugins
from hinet_search.data.schema import Schema
from hinet_search.training.model_size import bytes_in_training, flops_of, meta_model, sizes_of
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


def test_tables_in_bf16_count_two_bytes_a_number_in_training() -> None:
    in_bf16 = {"train.embedding_optimiser": "lazy_adam", "train.table_precision": "bf16"}
    of_scenarios = len(SCHEMA.scenarios)  # are a field of Shared Bottom; a cell of `single` has one
    for name, num_rows in (("shared_bottom", 1050 + of_scenarios), ("single", 6 * 1050)):
        config = build_config(name, {"model.embedding_dim": 8})
        narrow = build_config(name, {"model.embedding_dim": 8, **in_bf16})
        whole = bytes_in_training(config, SCHEMA)
        assert whole == 4 * sizes_of(config, SCHEMA)[0]
        assert whole - bytes_in_training(narrow, SCHEMA) == 2 * num_rows * 8, name
    trees = build_config("trees", in_bf16)
    assert bytes_in_training(trees, SCHEMA) == 4 * sizes_of(trees, SCHEMA)[0]


def measure_all() -> None:
    for name in plugins.names(MODELS):
        sizes_of(build_config(name, {}), SCHEMA)
        flops_of(build_config(name, {}), SCHEMA)


def test_to_measure_a_model_torch_loads_no_compiler() -> None:
    code = "import sys; from tests.training.test_model_size import measure_all; measure_all(); print('torch._dynamo' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert said == "False\n"
