"""A staged model is evaluated like a network and ends as it was after its best stage."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
import torch
from fake_models import CPU, DATA, Watch, scores
from numpy.typing import NDArray
from torch import Tensor

from hinet_search.data.columns import Columns
from hinet_search.results.objectives import objective_named
from hinet_search.training.fit_staged import Staged, fit_staged
from hinet_search.training.metrics import cell_values
from hinet_search.training.run_state import Conditions, FitResult, FixedSteps
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trainable import fit_any, trainable


class Stairs:
    """A staged model whose stages score validation rows with `qualities`.

    Other rows get log odds of 2.
    """

    def __init__(self, *qualities: float) -> None:
        self.qualities = qualities
        self.stage = 0
        self.seeds: list[int] = []

    def stages(self, train: Columns, seed: int) -> Iterator[float]:
        self.seeds.append(seed)
        assert train is DATA.train
        for stage in range(1, len(self.qualities) + 1):
            self.stage = stage
            yield stage / len(self.qualities)

    def logits(self, columns: Columns) -> NDArray[np.float32]:
        if columns is not DATA.valid:
            return np.full(columns.labels_RT.shape, 2.0, np.float32)
        return scores(self.qualities[self.stage - 1]).numpy()

    def state_dict(self) -> dict[str, Tensor]:
        return {"stage": torch.tensor(self.stage)}

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        self.stage = int(state_dict["stage"])

    @property
    def num_parameters(self) -> int:
        return 7

    def describe(self) -> str:
        return "stairs"


def grow(
    model: Stairs,
    *,
    watch: Watch | None = None,
    seed: int = 0,
    objective: str = "macro_auc",
    **train: float,
) -> FitResult:
    conditions = Conditions(
        dataset=DATA,
        schema=DATA.full_schema,
        config=TrainConfig.model_validate({"patience": 0, **train}),
        seed=seed,
        objective=objective_named(objective),
        device=CPU,
    )
    return fit_staged(model, conditions, watch or Watch())


def test_every_stage_is_evaluated_and_reported_when_it_ends() -> None:
    watch = Watch()
    result = grow(Stairs(0.1, 0.5, 0.3), watch=watch)
    assert tuple(watch.records) == result.evaluations
    assert [record.step for record in result.evaluations] == [1, 2, 3]


def test_an_evaluation_has_the_metrics_of_its_stage() -> None:
    result = grow(Stairs(0.1, 0.5))
    for record, quality in zip(result.evaluations, (0.1, 0.5), strict=True):
        assert record.cells == cell_values(
            scores(quality).numpy(), DATA.valid, DATA.full_schema.cells
        )
        assert record.objective == objective_named("macro_auc")(record.cells)


def test_the_whole_growth_counts_as_the_epochs_of_the_study() -> None:
    assert [record.epochs for record in grow(Stairs(0.1, 0.2, 0.3, 0.4), epochs=2).evaluations] == [
        0.5,
        1.0,
        1.5,
        2.0,
    ]


def test_the_model_ends_as_it_was_after_its_best_stage() -> None:
    model = Stairs(0.2, 0.9, 0.4, 0.6)
    result = grow(model)
    assert model.stage == result.best_step == 2
    assert result.valid_cells == result.evaluations[1].cells
    assert result.valid_objective == result.evaluations[1].objective


def test_an_objective_that_falls_picks_the_stage_with_the_least() -> None:
    result = grow(Stairs(0.9, 0.1, 0.4), objective="logloss")
    losses = [record.objective for record in result.evaluations]
    assert result.best_step == 1 + losses.index(min(losses))


def test_patience_counts_stages_since_the_best() -> None:
    result = grow(Stairs(0.2, 0.8, 0.7, 0.6, 0.9), patience=2)
    assert len(result.evaluations) == 4
    assert not result.stopped


def test_patience_zero_never_ends_the_growth() -> None:
    assert len(grow(Stairs(0.8, *[0.5] * 9)).evaluations) == 10


@pytest.mark.parametrize("allowed", [0, 2])
def test_a_watcher_stops_the_growth_before_the_next_stage(allowed: int) -> None:
    model = Stairs(0.3, 0.2, 0.1)
    result = grow(model, watch=Watch(stop_after=allowed))
    assert result.stopped
    assert len(result.evaluations) == allowed
    assert result.valid_objective == (result.evaluations[0].objective if allowed else None)


def test_a_growth_of_fixed_length_ends_after_its_stages_and_is_evaluated_once() -> None:
    model, config = Stairs(0.9, 0.1, 0.5), TrainConfig(epochs=3, patience=1)
    objective = objective_named("macro_auc")
    fixed = FixedSteps(2, 1)
    conditions = Conditions(DATA, DATA.full_schema, config, 0, objective, CPU, fixed_steps=fixed)
    (evaluation,) = fit_staged(model, conditions, Watch()).evaluations
    assert (evaluation.step, evaluation.epochs, model.stage) == (2, 2.0, 2)


def test_a_growth_that_came_to_its_end_was_not_stopped() -> None:
    assert not grow(Stairs(0.1, 0.2), watch=Watch(stop_after=2)).stopped


def test_the_training_loss_is_the_mean_cross_entropy_of_training_rows() -> None:
    labels_RT = DATA.train.labels_RT
    expected = np.log1p(np.exp(2.0)) - 2.0 * labels_RT.mean()
    assert grow(Stairs(0.1)).evaluations[0].train_loss == pytest.approx(expected, abs=1e-6)


def test_the_seed_reaches_the_model() -> None:
    model = Stairs(0.1)
    grow(model, seed=11)
    assert model.seeds == [11]


def test_a_staged_model_is_trained_and_measured_on_the_cpu_on_any_device() -> None:
    model = Stairs(0.1, 0.6, 0.2)
    assert isinstance(model, Staged)
    grown = trainable(model, DATA.full_schema, torch.device("cuda"))
    conditions = Conditions(
        DATA, DATA.full_schema, TrainConfig(), 0, objective_named("macro_auc"), grown.device
    )
    result = fit_any(grown, conditions, Watch())
    assert (grown.device.type, grown.num_parameters(), grown.flops_per_row()) == ("cpu", (7, 7), 0)
    assert np.array_equal(grown.scores(DATA.valid), scores(0.6).numpy())
    assert result.best_step == 2
    assert grown.describe() == "stairs"
