"""Properties of HiNet from the paper, and five mistakes of its published code that ours must not have."""

from dataclasses import replace

import pytest
import torch
from small_hinet import small
from small_models import SCHEMA, batch, randomise
from torch import nn

from hinet_search.models.layers.linear import StackedLinear
from hinet_search.models.layers.san import (
    SANConfig,
    ScenarioAttention,
    _needed_pairs,
    weighted_sums,
)
from hinet_search.training.loss import own_scenario_loss

NUM_SCENARIOS = SCHEMA.num_scenarios


def gradients_by_scenario(layer: StackedLinear) -> torch.Tensor:
    """Return whether the weights of each scenario got any gradient."""
    return layer.weight_LIO.grad.unflatten(0, (NUM_SCENARIOS, -1)).flatten(1).abs().sum(dim=1) > 0


def test_attention_sums_to_one_over_the_others_and_is_zero_on_the_diagonal() -> None:
    table = randomise(ScenarioAttention(5, SANConfig(hidden_widths=(4,))))()
    torch.testing.assert_close(table.sum(dim=-1), torch.ones(5, dtype=torch.float64))
    assert torch.equal(table.diagonal(), torch.zeros(5, dtype=torch.float64))
    assert (table + torch.eye(5) > 0).all()


def test_where_only_attention_can_carry_the_signal_it_recovers_the_planted_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    planted = torch.tensor(
        [[0, 0.6, 0.3, 0.1], [0.2, 0, 0.1, 0.7], [0.5, 0.2, 0, 0.3], [0.15, 0.6, 0.25, 0]]
    )
    direction_MD = torch.eye(4)
    x_BD = torch.randn(400, 4, generator=generator)
    sizes = [100, 100, 100, 100]

    def mixture(x: torch.Tensor, _sizes: list[int] | None) -> torch.Tensor:
        return (x @ direction_MD.T).T.unsqueeze(-1)  # S_m(x) = the m-th input, (M, B, 1)

    target_B1 = (planted.repeat_interleave(100, dim=0) * x_BD).sum(dim=-1, keepdim=True)
    torch.manual_seed(0)
    san = ScenarioAttention(4, SANConfig(embedding_dim=4))
    optimiser = torch.optim.Adam(san.parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        taken_1B1 = weighted_sums(mixture, x_BD, sizes, san().unsqueeze(0))
        (taken_1B1[0] - target_B1).square().mean().backward()
        optimiser.step()
    assert torch.equal(san().argsort(dim=-1), planted.argsort(dim=-1))
    torch.testing.assert_close(san().detach(), planted, rtol=0, atol=0.01)


def test_slip_1_task_gates_sum_to_one_over_experts_and_get_gradient() -> None:
    model, rows = small({}), batch(scenarios=(0,))
    weights = model.cgc.last_gates(
        torch.ones(1, model.scenario.width, dtype=torch.float64), [1, 0, 0]
    )
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 1, dtype=torch.float64))
    model(rows).sum().backward()
    assert gradients_by_scenario(model.cgc.last.gate.logits)[0]


def trained_scenarios(changes: dict[str, object]) -> list[bool]:
    """Return which scenarios' towers a step on rows of scenario 0 trains."""
    model, rows = small(changes).train(), batch(scenarios=(0,))
    logits_BH = model(rows)
    own_scenario_loss(logits_BH, torch.zeros_like(logits_BH)).backward()
    return gradients_by_scenario(model.towers.output).tolist()


def test_slip_4_a_row_trains_towers_of_its_own_scenario_only() -> None:
    assert trained_scenarios({}) == [True, False, False]


def test_slip_4_released_code_trains_the_towers_of_all_scenarios_on_every_row() -> None:
    assert trained_scenarios({"released_code": True}) == [True, True, True]


def test_slip_4_released_code_trains_on_what_each_scenario_would_score() -> None:
    model = small({"released_code": True, "scenario.dropout": 0.0, "cgc.dropout": 0.0})
    rows = batch(rows=5)
    as_if = [
        replace(rows, scenario_B=torch.full_like(rows.scenario_B, m), sizes=None)
        for m in range(NUM_SCENARIOS)
    ]
    scores_MBT = [model.eval()(rows_of_scenario) for rows_of_scenario in as_if]
    torch.testing.assert_close(model.train()(rows), torch.cat(scores_MBT, dim=1))


def test_slip_5_no_layer_normalises_over_the_batch() -> None:
    normalising = [
        part for part in small({}).modules() if isinstance(part, nn.modules.batchnorm._NormBase)
    ]
    assert normalising == []


@pytest.mark.parametrize("sizes", [[3, 0, 2, 4], [0, 0, 5, 0], [1, 1, 1, 1]])
def test_no_index_of_needed_pairs_names_a_row_twice(sizes: list[int]) -> None:
    needed = ((1, 0), (3, 1), (0, 2), (1, 3))
    pairs = _needed_pairs(sizes, needed, torch.device("cpu"))
    assert sorted(pairs.by_column_R.tolist()) == list(range(2 * sum(sizes)))
    assert pairs.by_column_R[pairs.by_place_R].tolist() == list(range(2 * sum(sizes)))
    scenario_B = [scenario for scenario, size in enumerate(sizes) for _ in range(size)]
    columns = [needed[scenario][place] for place in range(2) for scenario in scenario_B]
    assert [columns[pair] for pair in pairs.by_column_R] == sorted(columns)
    assert pairs.num_rows_by_column == [columns.count(m) for m in range(4)]
