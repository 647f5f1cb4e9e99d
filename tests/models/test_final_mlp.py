"""FinalMLP: gates of each stream, their contexts, and the bilinear fusion of heads."""

import pytest
from pydantic import ValidationError
from reference.final_mlp import logits
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise

from hinet_search.models.final_mlp import Config, Model

SMALL: dict[str, object] = {
    "embedding_dim": 2,
    "first": {"widths": [6, 4]},
    "second": {"widths": [8], "context": "scenario"},
    "gate": {"widths": [3]},
    "dropout": 0.0,
}


def small(changes: dict[str, object]) -> Model:
    return randomise(Model(Config.model_validate({**SMALL, **changes}), SCHEMA))


@pytest.mark.parametrize(
    "changes",
    [
        {"num_heads": 1},
        {"num_heads": 4},
        {"gate": {"widths": []}},
        {"gate": {"enabled": False}},
        {"first": {"widths": [4], "context": "scenario"}, "second": {"widths": [4]}},
    ],
    ids=str,
)
def test_every_option_equals_the_reference(changes: dict[str, object]) -> None:
    model, rows = small(changes), batch(rows=7)
    assert_same_with_gradients(model, model(rows), logits(model, rows))


def test_heads_that_do_not_divide_an_output_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"num_heads must divide .* second\.widths, got 2"):
        Config.model_validate({"second": {"widths": [8, 5]}})
