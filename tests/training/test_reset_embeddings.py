"""Every pass but the first begins with new embeddings, and all other weights go on."""

from collections.abc import Callable

import pytest
import torch
from fake_models import CPU, DATA, Linear, Watch, fit_on, linear, scripted
from torch import Tensor, nn

from hinet_search.models.layers.embedding import INITIAL_STD
from hinet_search.results.objectives import objective_named
from hinet_search.training.fit import fit
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.make_feed import make_feed
from hinet_search.training.row_order import batches_of_pass
from hinet_search.training.run_state import Conditions, FixedSteps
from hinet_search.training.seeding import Purpose, derived_seed
from hinet_search.training.touched_rows import OF_TOUCHED_ROWS
from hinet_search.training.train_config import TrainConfig

RATE, SEED, PASSES = 0.05, 7, 3
STEPS_OF_A_PASS = 10


def drawn(pass_number: int, like: Tensor) -> Tensor:
    """Return the table with which a pass begins."""
    seed = derived_seed(SEED, Purpose.EMBEDDINGS, pass_number)
    generator = torch.Generator().manual_seed(seed)
    return torch.empty(like.shape).normal_(std=INITIAL_STD, generator=generator).to(like.dtype)


def table_optimiser(name: str) -> Callable[[nn.Parameter], object]:
    if name == "adam":
        return lambda table: torch.optim.AdamW([table], lr=RATE, weight_decay=0.0)
    return lambda table: OF_TOUCHED_ROWS[name]([table], RATE)


def by_hand(name: str, model: Linear) -> None:
    """Train pass by pass: one optimiser of dense weights, and one of the table for each pass."""
    table = model.embedding.table
    table.sparse_gradient = name != "adam"
    dense = [weight for weight in model.parameters() if weight is not table.weight]
    of_dense = torch.optim.AdamW(dense, lr=RATE, weight_decay=0.01)
    feed = make_feed(DATA.train, CPU)
    for pass_number in range(PASSES):
        if pass_number:
            table.weight.data = drawn(pass_number, table.weight)
        of_table = table_optimiser(name)(table.weight)
        num_rows = DATA.train.num_rows
        order = batches_of_pass(num_rows, 32, "rows", seed=SEED, pass_number=pass_number)
        for rows_B in order:
            batch, labels_BT = feed.select(feed.by_scenario(rows_B))
            model.zero_grad()
            own_scenario_loss(model(batch).float(), labels_BT).backward()
            of_dense.step()
            of_table.step()


@pytest.mark.parametrize("name", ["adam", *OF_TOUCHED_ROWS])
def test_weights_are_those_of_passes_trained_by_hand(name: str) -> None:
    ours, theirs = linear(DATA, SEED).double(), linear(DATA, SEED).double()
    config = TrainConfig(
        batch_size=32,
        learning_rate=RATE,
        weight_decay=0.01,
        clip_norm=0.0,
        embedding_optimiser=name,
        reset_embeddings=True,
    )
    # It is evaluated after the last step alone, so it ends with its latest weights.
    steps = FixedSteps(PASSES * STEPS_OF_A_PASS, STEPS_OF_A_PASS)
    objective = objective_named("macro_auc")
    given = Conditions(
        DATA, DATA.full_schema, config, SEED, SEED, objective, CPU, fixed_steps=steps
    )
    fit(ours, given, Watch())
    by_hand(name, theirs)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-9, atol=1e-9)


def test_patience_ends_a_training_only_where_a_pass_ends() -> None:
    first_passes = [0.2, 0.4, 0.5, 0.6, 0.7, 0.1, 0.2, 0.3, 0.4, 0.9]
    qualities = [*first_passes, *[0.1] * 5, 0.99]
    for reset, num_evaluations in ((True, 15), (False, 8)):
        result = fit_on(
            DATA,
            scripted(*qualities),
            passes=4,
            evaluations_per_pass=5,
            patience=3,
            reset_embeddings=reset,
        )
        assert len(result.evaluations) == num_evaluations


def test_stored_settings_of_other_trainings_stay_as_they_were() -> None:
    assert "reset_embeddings" not in TrainConfig().model_dump(mode="json")
    assert TrainConfig(reset_embeddings=True).model_dump(mode="json")["reset_embeddings"] is True
