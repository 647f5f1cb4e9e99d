"""Mistakes known from public code of these models, each by name; no model of ours makes them.

The five of the code published with HiNet are in test_hinet_paper.py, as slip 1 to slip 5.
"""

from pathlib import Path

import numpy as np
import torch
from cases import Case, every_case
from small_models import SCHEMA, batch, randomise, take
from torch import nn

from hinet_search.data.columns import Columns, Dataset
from hinet_search.models.layers.measure import evaluating
from hinet_search.results.data_record import DataRecord
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions
from hinet_search.training.train_config import TrainConfig

# Scenarios share all weights and differ by the embedding of the scenario.
SHARED = ("m2m", "pepnet")


@every_case
def test_masks_never_applied_every_scenario_has_weights_that_its_rows_alone_train(
    case: Case,
) -> None:
    """Embeddings do not count, except that of the scenario in models where nothing else is its own."""
    model = randomise(case.build())
    trained = []
    for scenario in range(SCHEMA.num_scenarios):
        model.zero_grad()
        model(batch(scenarios=(scenario,))).sum().backward()
        trained.append(
            torch.cat([_touched(p) for name, p in model.named_parameters() if _counts(case, name)])
        )
    of_one_alone = torch.stack(trained).sum(dim=0) == 1
    for scenario, mask in enumerate(trained):
        assert (mask & of_one_alone).any(), f"scenario {scenario} has no weights of its own"


def _counts(case: Case, name: str) -> bool:
    return "embedding" not in name or (case.name in SHARED and "scenario_embedding" in name)


def _touched(parameter: nn.Parameter) -> torch.Tensor:
    gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    return gradient.flatten() != 0


@every_case
def test_relu_on_the_final_logit_every_task_has_logits_of_both_signs(case: Case) -> None:
    # Weights of one draw may give a task one sign only.
    draws = [randomise(case.build(), seed) for seed in range(3)]
    logits = torch.cat([model(batch(rows=200)).detach() for model in draws])
    assert (logits < 0).any(dim=0).all()
    assert (logits > 0).any(dim=0).all()


@every_case
def test_squeeze_a_batch_of_one_trains_with_a_row_of_logits(case: Case) -> None:
    model, row = case.build().double().train(), take(batch(scenarios=(1,)), torch.tensor([0]))
    logits = model(row)
    logits.sum().backward()
    assert logits.shape == (1, SCHEMA.num_tasks)
    assert logits.isfinite().all()


@every_case
def test_modules_made_in_forward_a_model_has_the_same_parts_after_it_as_before(case: Case) -> None:
    model = case.build().double()
    before = [id(part) for part in (*model.modules(), *model.parameters())]
    with evaluating(model):
        first, second = model(batch()), model(batch())
    assert [id(part) for part in (*model.modules(), *model.parameters())] == before
    assert torch.equal(first, second)


class Sealed:
    """Columns that must not be read."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the test split was opened: {name}")


def test_validation_is_the_test_set_a_training_never_opens_the_test_split() -> None:
    train, valid = columns(64, seed=1), columns(40, seed=2)
    counts = (np.full(6, 9), np.full(4, 9))
    record = DataRecord(
        "memory", "none", "as given", (64, 40, 0), SCHEMA.scenarios, SCHEMA.tasks, 2, 1, ()
    )
    data = Dataset(Path("memory"), SCHEMA, counts, train, valid, Sealed(), record)
    config, cpu = TrainConfig(batch_size=32, epochs=1), torch.device("cpu")
    conditions = Conditions(data, SCHEMA, config, 0, objective_named("mean_auc"), cpu)
    result = fit(Case("shared_bottom").build(), conditions, NeverStops())
    assert sum(cell.rows for cell in result.valid_cells) == 40 * SCHEMA.num_tasks


def columns(num_rows: int, seed: int) -> Columns:
    generator = np.random.default_rng(seed)
    return Columns(
        ids_RF=generator.integers(0, 5, size=(num_rows, 2)).astype(np.int32),
        numeric_RN=generator.normal(size=(num_rows, 1)).astype(np.float32),
        scenario_R=(np.arange(num_rows) % 3).astype(np.int16),
        labels_RT=generator.integers(0, 2, size=(num_rows, 2)).astype(np.uint8),
        user_R=np.full(num_rows, -1, dtype=np.int32),
        lists_RS=np.zeros((num_rows, 0), dtype=np.int32),
    )


class NeverStops:
    """A watcher that lets a training go to its end."""

    def on_evaluation(self, record: EvaluationRecord) -> None:
        pass

    def should_stop(self) -> bool:
        return False

    def notice(self, text: str) -> None:
        pass
