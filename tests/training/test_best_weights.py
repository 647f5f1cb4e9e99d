"""Which weights a training keeps: the best evaluation's, or each independent part's own."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from datasets import columns, dataset
from fake_models import CPU, DATA, TRUTH_RT, Scripted, fit_on, linear, of_rows, scores, scripted
from torch import Tensor, nn

from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.contracts import Part
from hinet_search.training.feed import make_feed, predict
from hinet_search.training.metrics import cell_values


def test_the_model_is_left_with_the_weights_of_the_best_evaluation():
    model = scripted(0.2, 0.8, 0.5, 0.1)
    result = fit_on(DATA, model, epochs=1, evaluations_per_epoch=4)
    assert [record.step for record in result.evaluations] == [1, 2, 3, 4]
    assert result.best_step == 2
    assert result.valid_objective == result.evaluations[1].objective
    assert result.valid_cells == result.evaluations[1].cells
    assert int(model.mark) == 5, "the second of four evaluations comes after step 5"


def test_an_overfitted_model_goes_back_to_where_validation_was_best():
    noisy = dataset(columns(64, 1, flip=0.4), columns(400, 2))
    model = linear(noisy)
    result = fit_on(
        noisy, model, learning_rate=0.3, epochs=40, evaluations_per_epoch=1, objective="logloss"
    )
    assert result.best_step < len(result.evaluations)
    again = cell_values(
        predict(model, make_feed(noisy.valid, CPU)), noisy.valid, noisy.full_schema.cells
    )
    assert again == result.valid_cells
    assert result.valid_objective == min(record.objective for record in result.evaluations)


def test_of_two_equal_evaluations_the_earlier_one_is_best():
    assert fit_on(DATA, scripted(0.5, 0.5), epochs=1, evaluations_per_epoch=2).best_step == 1


class Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.register_buffer("mark", torch.zeros((), dtype=torch.int64))


class Cells(Scripted):
    """Parts that share nothing and decide the given cells, one each by default.

    Every part counts the training steps.
    """

    def __init__(
        self, scripts: list[Tensor], decided: Sequence[tuple[int, ...]] = ((0,), (1,), (2,), (3,))
    ) -> None:
        super().__init__(scripts)
        del self.weight
        self.decided = decided
        self.cells = nn.ModuleList(Cell() for _ in decided)

    def independent_parts(self) -> tuple[Part, ...]:
        return tuple(
            Part(cell, decided) for cell, decided in zip(self.cells, self.decided, strict=True)
        )

    def forward(self, batch: Batch) -> Tensor:
        if not self.training:
            return of_rows(next(self.scripts), batch)
        for cell in self.cells:
            cell.mark += 1
        return sum(cell.weight for cell in self.cells) * batch.numeric_BN


def per_cell(*qualities: float) -> Tensor:
    """Return validation scores with a quality per (scenario, task)."""
    grid_ST = torch.tensor(qualities).reshape(2, 2)
    quality_RT = grid_ST[torch.from_numpy(DATA.valid.scenario_R.astype(np.int64))]
    return quality_RT * TRUTH_RT + scores(0.0)


GRID = [
    per_cell(0.1, 0.9, 0.2, 0.8),
    per_cell(0.9, 0.1, 0.2, 0.7),
    per_cell(0.3, 0.3, 0.6, 0.1),
    per_cell(0, 0, 0, 0),
]


def test_independent_parts_keep_their_own_best_weights():
    model = Cells(list(GRID))
    fit_on(DATA, model, epochs=0.4, evaluations_per_epoch=10)
    assert [int(cell.mark) for cell in model.cells] == [2, 1, 3, 1]


def test_a_model_of_parts_is_compared_by_one_evaluation_as_every_other():
    grids = [
        per_cell(0.1, 0.9, 0.2, 0.8),
        per_cell(0.9, 0.1, 0.3, 0.9),
        per_cell(0.3, 0.3, 0.6, 0.1),
    ]
    joint = fit_on(DATA, Scripted(list(grids)), epochs=0.3, evaluations_per_epoch=10)
    parts = fit_on(DATA, Cells(list(grids)), epochs=0.3, evaluations_per_epoch=10)
    assert (parts.best_step, parts.valid_objective) == (joint.best_step, joint.valid_objective)
    assert parts.best_step == 2
    for of_parts, of_joint in zip(parts.evaluations, joint.evaluations, strict=True):
        assert of_parts.cells == of_joint.cells


def test_kept_cells_of_independent_parts_are_those_of_the_composed_model():
    result = fit_on(DATA, Cells(list(GRID)), epochs=0.4, evaluations_per_epoch=10)
    alone = [cell_values(grid.numpy(), DATA.valid, DATA.full_schema.cells) for grid in GRID]
    expected = tuple(
        max((cells[index] for cells in alone), key=lambda cell: cell.auc) for index in range(4)
    )
    assert result.valid_cells == expected
    assert result.valid_objective == max(record.objective for record in result.evaluations)


def test_patience_of_independent_parts_counts_on_the_composed_model():
    better_elsewhere = [
        per_cell(0.5, 0.5, 0.5, 0.5),
        per_cell(0.9, 0, 0, 0),
        per_cell(0, 0.9, 0, 0),
        *GRID[3:] * 3,
    ]
    result = fit_on(DATA, Cells(better_elsewhere), epochs=0.6, evaluations_per_epoch=10, patience=2)
    assert len(result.evaluations) == 5


def test_cells_without_both_classes_go_by_their_log_loss():
    one_class = columns(200, 2)
    one_class.labels_RT[:, 1] = 0
    data = dataset(DATA.train, one_class)
    click = TRUTH_RT[:, :1]
    scripts = [
        torch.cat([click, torch.full_like(click, order)], dim=1) for order in (0.0, -3.0, -1.0)
    ]
    model = Cells(scripts)
    fit_on(data, model, epochs=0.3, evaluations_per_epoch=10)
    assert [int(cell.mark) for cell in model.cells] == [1, 2, 1, 2]


def test_a_cell_without_validation_rows_keeps_its_latest_weights():
    home_only = columns(200, 2)
    home_only.scenario_R[:] = 0
    model = Cells([scores(0.9), scores(0.5)])
    fit_on(dataset(DATA.train, home_only), model, epochs=0.2, evaluations_per_epoch=10)
    assert [int(cell.mark) for cell in model.cells] == [1, 1, 2, 2]


SCENARIOS, TASKS = ((0, 1), (2, 3)), ((0, 2), (1, 3))


@pytest.mark.parametrize(("objective", "kept"), [("logloss", 1), ("macro_auc", 2)])
def test_parts_are_kept_by_the_objective_of_the_study(objective: str, kept: int):
    in_order_but_overconfident = 50 * per_cell(0.6, 0.6, 0.6, 0.6)
    model = Cells([per_cell(0.5, 0.5, 0.5, 0.5), in_order_but_overconfident])
    result = fit_on(DATA, model, epochs=0.2, evaluations_per_epoch=10, objective=objective)
    assert [int(cell.mark) for cell in model.cells] == [kept] * 4
    assert result.valid_objective == result.evaluations[kept - 1].objective
