"""Similarity of experts: linear CKA against its definition, and which experts are compared."""

import numpy as np
import pytest
import torch

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.diagnostics import cka, expert_similarities
from hinet_search.models.layers.experts import Experts
from hinet_search.models.layers.measure import synthetic_batch
from hinet_search.training.trial_config import build_config

SCHEMA = Schema(("a", "b", "c"), ("click", "order"), ("user",), (50,), ("age", "price"))
ROWS = 96


def outputs(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def model_of(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_config(name, {}).build(SCHEMA)


def test_cka_is_that_of_its_definition() -> None:
    x_KBH = outputs(2, 30, 4)
    a, b = (x_BH - x_BH.mean(axis=0) for x_BH in x_KBH.numpy())
    expected = np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert cka(x_KBH)[0, 1].item() == pytest.approx(expected)


def test_a_rotated_and_scaled_copy_is_the_same_and_what_is_independent_is_not() -> None:
    one_BH = outputs(2000, 6)
    rotation_HH = torch.linalg.qr(outputs(6, 6)).Q
    other_BH = torch.randn(2000, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    table = cka(torch.stack([one_BH, 3 * one_BH @ rotation_HH + 1, other_BH]))
    assert table[0, 1].item() == pytest.approx(1)
    assert table[0, 2].item() < 0.02


def test_an_expert_without_any_output_is_like_no_other() -> None:
    table = cka(torch.stack([outputs(30, 4), torch.zeros(30, 4, dtype=torch.float64)]))
    assert table[0].tolist() == pytest.approx([1, 0])


class OfScenarios(torch.nn.Module):
    """Two experts for each of two scenarios; those of the first scenario are equal."""

    def __init__(self) -> None:
        super().__init__()
        self.specific = Experts(2, (4,), 2, num_groups=2)
        with torch.no_grad():
            for parameter in self.specific.parameters():
                parameter[1] = parameter[0]

    def forward(self, batch: Batch) -> torch.Tensor:
        outputs: torch.Tensor = self.specific(batch.numeric_BN, [40, 20])
        return outputs


@torch.no_grad()
def test_experts_of_a_scenario_are_compared_on_its_own_rows() -> None:
    model, batch = OfScenarios(), synthetic_batch(SCHEMA, 60, seed=0)
    (similarity,) = expert_similarities(model, batch)
    of_second = cka(model.specific(batch.numeric_BN, [40, 20])[:, 40:])[0, 1].item()
    assert similarity.where == "specific"
    assert of_second < 0.99
    assert similarity.table[0][1] == pytest.approx((1 + of_second) / 2)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("hinet", ["scenario.shared", "scenario.specific", "cgc.last.shared", "cgc.last.specific"]),
        ("mmoe", ["experts"]),
        ("shared_bottom", []),
    ],
)
def test_every_place_of_several_experts_has_a_table_and_towers_have_none(
    name: str, places: list[str]
) -> None:
    model = model_of(name).train()
    similarities = expert_similarities(model, synthetic_batch(SCHEMA, ROWS, seed=0))
    assert [similarity.where for similarity in similarities] == places
    for similarity in similarities:
        table = np.array(similarity.table)
        assert np.diag(table) == pytest.approx(np.ones(len(table)))
        assert table == pytest.approx(table.T)
        assert (table >= 0).all()
    assert model.training
