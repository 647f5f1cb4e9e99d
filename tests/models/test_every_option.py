"""Every option of the models equals their plain references in double precision, forward and backward.

HiNet and AdaSparse have files of their own, as they change while they train.
"""

import importlib

import pytest
from pydantic import ValidationError
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.common import plugins
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.study.load_study import MODELS

Options = dict[str, object]
SMALL: dict[str, Options] = {
    "dcn_v2": {"embedding_dim": 2, "widths": [4, 3], "tower": {"widths": [3]}},
    "final_mlp": {
        "embedding_dim": 2,
        "first": {"widths": [6, 4]},
        "second": {"widths": [8], "context": "scenario"},
        "gate": {"widths": [3]},
    },
    "hamur": {
        "embedding_dim": 2,
        "widths": [5, 4],
        "dropout": 0.0,
        "adapter": {"width": 3},
        "hyper": {"widths": [4], "rank": 2},
    },
    "hmoe": {"embedding_dim": 2, "expert": {"widths": [4, 3]}, "tower": {"widths": [3]}},
    "m2m": {
        "embedding_dim": 2,
        "num_experts": 3,
        "expert": {"widths": [4, 3]},
        "knowledge_width": 3,
    },
    "m3oe": {
        "embedding_dim": 2,
        "star_widths": [5, 4],
        "num_experts": 2,
        "expert": {"widths": [4, 3]},
        "tower": {"widths": [3]},
    },
    "mmoe": {"embedding_dim": 2, "expert": {"widths": [4, 3]}, "tower": {"widths": [3]}},
    "pepnet": {"embedding_dim": 2, "widths": [4, 3], "gate_width": 5},
    "ple": {
        "embedding_dim": 2,
        "num_specific_experts": 2,
        "expert": {"widths": [4, 3]},
        "tower": {"widths": [3]},
    },
    "star": {"embedding_dim": 2, "widths": [4, 3], "dropout": 0.0, "auxiliary": {"widths": [3]}},
}
LOW_RANK: Options = {"kind": "low_rank", "rank": 2, "num_experts": 3}
CHANGES: dict[str, list[Options]] = {
    "dcn_v2": [
        {"cross": {"kind": "full", "num_layers": 3}},
        {"cross": {"kind": "full", "num_layers": 3}, "structure": "stacked"},
        {"cross": LOW_RANK},
        {"cross": {**LOW_RANK, "num_experts": 1}, "structure": "stacked"},
        {"cross": {**LOW_RANK, "kind": "nonlinear", "num_layers": 3}},
        {"cross": {**LOW_RANK, "kind": "nonlinear", "num_experts": 1}},
    ],
    "final_mlp": [
        {"num_heads": 1},
        {"num_heads": 4},
        {"gate": {"widths": []}},
        {"gate": {"enabled": False}},
        {"first": {"widths": [4], "context": "scenario"}, "second": {"widths": [4]}},
    ],
    "hamur": [
        {"backbone": "per_scenario"},
        {"adapter": {"width": 3, "after": "all"}},
        {"backbone": "per_scenario", "adapter": {"width": 1, "after": "all"}, "widths": [4, 3, 5]},
        {"hyper": {"widths": [], "rank": 1}},
        {"tower": {"widths": [3]}},
    ],
    "hmoe": [{}, {"num_experts": 1}, {"expert": {"widths": [4]}}, {"tower": {"widths": []}}],
    "m2m": [
        {"num_experts": 1},
        {"expert": {"widths": [5]}},
        {"unit_layers": 2},
        {"tower_layers": 3},
    ],
    "m3oe": [
        {"layer_norm": False},
        {"gate_stop_gradient": False},
        {"num_experts": 1},
        {"expert": {"widths": [4]}},
        {"tower": {"widths": []}},
    ],
    "pepnet": [{"widths": [5]}, {"widths": [4, 4, 3]}, {"gate_width": 1}],
    "ple": [
        *({"slots": s, "num_levels": n} for s in ("scenario_task", "task") for n in (1, 2, 3)),
        {"num_levels": 2, "tower": {"widths": []}},
        {"num_levels": 2, "expert": {"widths": [4]}},
        {"num_levels": 2, "num_shared_experts": 1, "num_specific_experts": 1},
        {"num_levels": 2, "num_shared_experts": 3, "num_specific_experts": 1, "slots": "task"},
    ],
    "star": [{"widths": [5]}, {"widths": [4, 4, 3]}, {"auxiliary": {"widths": []}}],
}
OPTIONS = [(name, changes) for name, of_model in CHANGES.items() for changes in of_model]


def small(name: str, changes: Options | None = None, schema: Schema = SCHEMA) -> nn.Module:
    """Return a small model with some options changed."""
    module = plugins.load(MODELS, name)
    config = module.Config.model_validate({**SMALL[name], **(changes or {})})
    return randomise(module.Model(config, schema))


def assert_equals_reference(name: str, model: nn.Module, rows: Batch) -> None:
    plain = importlib.import_module(f"reference.{name}").logits(model, rows)
    assert_same_with_gradients(model, model(rows), plain)


@pytest.mark.parametrize(("name", "changes"), OPTIONS, ids=str)
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0), (1,)], ids=str)
def test_every_option_equals_the_reference(
    name: str, changes: Options, scenarios: tuple[int, ...]
) -> None:
    rows = batch(rows=5, scenarios=scenarios)
    assert_equals_reference(name, small(name, changes), rows)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("scenarios", [("only",), ("a", "b", "c", "d")], ids=len)
@pytest.mark.parametrize("tasks", [("click",), ("click", "order", "pay")], ids=len)
def test_other_numbers_of_scenarios_and_tasks_equal_the_reference(
    name: str, scenarios: tuple[str, ...], tasks: tuple[str, ...]
) -> None:
    schema = Schema(scenarios, tasks, ("user",), (4,), ("age",))
    assert_equals_reference(name, small(name, {}, schema), batch(schema, rows=5))


@pytest.mark.parametrize(
    ("name", "changes"),
    [("hamur", {}), ("hamur", {"adapter": {"after": "all"}}), ("star", {"partitioned_norm": True})],
    ids=str,
)
@pytest.mark.parametrize("mode", ["training", "evaluation"])
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0), (1,)], ids=str)
@pytest.mark.parametrize("num_rows", [1, 3, 4, 11])
def test_norms_that_have_seen_batches_equal_the_reference_in_both_modes(
    name: str, changes: Options, mode: str, scenarios: tuple[int, ...], num_rows: int
) -> None:
    model = small(name, changes).train()
    for seed in (3, 4):
        model(batch(rows=30, seed=seed))
    rows = batch(rows=num_rows, scenarios=scenarios)
    assert_equals_reference(name, model.train(mode == "training"), rows)


def test_heads_that_do_not_divide_an_output_are_refused() -> None:
    config = plugins.load(MODELS, "final_mlp").Config
    with pytest.raises(ValidationError, match=r"num_heads must divide .* second\.widths, got 2"):
        config.model_validate({"second": {"widths": [8, 5]}})
