"""The training configuration and its schedule."""

import pytest
from pydantic import ValidationError

from hinet_search.training.run_state import make_schedule
from hinet_search.training.train_config import TrainConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", "fast"),
        ("embedding_learning_rate_multiplier", 0),
        ("batch_size", 0),
        ("batch_size", 10.5),
        ("batch_size", True),
        ("weight_decay", -1e-3),
        ("embedding_l2", -1.0),
        ("epochs", 0),
        ("epochs", float("inf")),
        ("evaluations_per_epoch", 0),
        ("patience", -1),
        ("clip_norm", -1.0),
        ("clip_norm", float("nan")),
        ("optimiser", "sgd"),
        ("embedding_optimiser", "lazy"),
        ("precision", "fp16"),
        ("passes", 3),
    ],
)
def test_nonsense_is_refused_by_the_name_of_its_field(field, value):
    with pytest.raises(ValidationError, match=field):
        TrainConfig.model_validate({field: value})


NUMBERS = {
    name: field.default
    for name, field in TrainConfig.model_fields.items()
    if isinstance(field.default, int | float)
}


@pytest.mark.parametrize("field", NUMBERS)
def test_a_text_is_no_number(field):
    with pytest.raises(ValidationError, match=field):
        TrainConfig.model_validate({field: str(NUMBERS[field])})


def test_a_whole_number_is_a_rate():
    assert TrainConfig.model_validate({"epochs": 2}).epochs == 2.0


@pytest.mark.parametrize(
    ("epochs", "per_epoch", "total", "evaluations"),
    [
        (1.5, 2, 15, {5, 10, 15}),
        (2.0, 4, 20, {2, 5, 8, 10, 12, 15, 18, 20}),
        (0.3, 1, 3, {3}),
        (0.01, 4, 1, {1}),
        (1.0, 40, 10, set(range(1, 11))),
        (1.2, 1, 12, {10, 12}),
    ],
)
def test_evaluations_are_evenly_spaced_and_the_last_step_has_one(
    epochs, per_epoch, total, evaluations
):
    config = TrainConfig(batch_size=10, epochs=epochs, evaluations_per_epoch=per_epoch)
    schedule = make_schedule(95, config)
    assert (schedule.steps_per_epoch, schedule.total_steps) == (10, total)
    assert schedule.evaluation_steps == evaluations
