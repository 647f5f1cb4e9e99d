"""Sizing: models are counted without memory for their weights, and without what only trained ones need."""

import subprocess
import sys

from torch import nn

from hinet_search import plugins
from hinet_search.config import build_config
from hinet_search.schema import Schema
from hinet_search.sizing import flops_of, meta_model, sizes_of

MODELS = "hinet_search.models"
SCHEMA = Schema(("Home", "Search", "Push"), ("click", "order"), ("user", "item"), (1000, 50), ("age",))


def networks() -> dict[str, nn.Module]:
    """Every model that is a network, without memory for its weights."""
    built = {name: meta_model(build_config(name, {}), SCHEMA) for name in plugins.names(MODELS)}
    return {name: one for name, one in built.items() if isinstance(one, nn.Module)}


def test_a_model_is_as_large_as_it_will_be() -> None:
    for name, model in networks().items():
        config = build_config(name, {})
        built = config.build(SCHEMA)
        assert isinstance(built, nn.Module)
        assert sizes_of(config, SCHEMA)[0] == sum(one.numel() for one in built.parameters()), name
        assert all(one.is_meta for one in model.parameters()), name


def measure_all() -> None:
    for name in plugins.names(MODELS):
        sizes_of(build_config(name, {}), SCHEMA)
        flops_of(build_config(name, {}), SCHEMA)


def test_to_measure_a_model_torch_loads_no_compiler() -> None:
    code = "import sys; from tests.test_sizing import measure_all; measure_all(); print('torch._dynamo' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "False\n"
