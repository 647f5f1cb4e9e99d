"""DCN-V2: crosses of bounded degree, their low-rank forms, and the two places of the deep part."""

import pytest
from reference.dcn_v2 import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise

from hinet_search.models.dcn_v2 import Config, CrossConfig, CrossNetwork, Model

SMALL: dict[str, object] = {"embedding_dim": 2, "widths": [4, 3], "dropout": 0.0}
LOW_RANK: dict[str, object] = {"kind": "low_rank", "rank": 2, "num_experts": 3}
WIDTH = 5


def small(changes: dict[str, object]) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), SCHEMA))


def cross(**options: object) -> CrossNetwork:
    return randomise(CrossNetwork(WIDTH, CrossConfig.model_validate(options)))


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize(
    "options",
    [
        {"kind": "full", "num_layers": 3},
        LOW_RANK,
        {**LOW_RANK, "num_experts": 1},
        {**LOW_RANK, "kind": "nonlinear", "num_layers": 3},
        {**LOW_RANK, "kind": "nonlinear", "num_experts": 1},
    ],
    ids=str,
)
def test_every_option_equals_the_reference(options: dict[str, object], structure: str) -> None:
    model = small({"cross": options, "structure": structure, "tower": {"widths": [3]}})
    rows = batch(rows=7)
    assert_same_with_gradients(model, model(rows), logits(model, rows))
