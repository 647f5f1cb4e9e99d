"""PEPNet: what the gates scale, what they see, and what they do not train."""

import pytest
import torch
from reference.pepnet import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise

from hinet_search.data.schema import Schema
from hinet_search.models.pepnet import Config, GateUnit, Model

SMALL: dict[str, object] = {"embedding_dim": 2, "widths": [4, 3], "gate_width": 5, "dropout": 0.0}


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), schema))


def gates_of(model: Model) -> list[GateUnit]:
    return [module for module in model.modules() if isinstance(module, GateUnit)]


@pytest.mark.parametrize(
    "changes", [{"widths": [5]}, {"widths": [4, 4, 3]}, {"gate_width": 1}], ids=str
)
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0), (1,)], ids=str)
def test_every_option_equals_the_reference(
    changes: dict[str, object], scenarios: tuple[int, ...]
) -> None:
    model, rows = small(changes), batch(rows=7, scenarios=scenarios)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_gates_start_near_one() -> None:
    torch.manual_seed(0)
    model, seen = Model(Config(), SCHEMA).double().eval(), []
    for gate in gates_of(model):
        gate.register_forward_hook(lambda _gate, _inputs, scales: seen.append(scales))
    model(batch(rows=60))
    assert len(seen) == 3
    assert all((scales - 1).abs().mean() < 0.2 for scales in seen)
