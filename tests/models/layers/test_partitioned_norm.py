"""Partitioned normalisation: what updates the statistics of a scenario."""

import pytest
import torch

from hinet_search.models.layers.partitioned_norm import MOMENTUM, PartitionedNorm


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return (
        torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 3
        + 2
    )


def fresh(num_scenarios: int = 3, width: int = 4) -> PartitionedNorm:
    return PartitionedNorm(width, num_scenarios).double()


def statistics(norm: PartitionedNorm) -> tuple[torch.Tensor, ...]:
    return tuple(buffer.clone() for buffer in norm.buffers())


def test_evaluation_leaves_all_statistics_alone() -> None:
    norm = fresh().eval()
    before = statistics(norm)
    norm(normal(6, 4), [2, 2, 2])
    assert all(torch.equal(*pair) for pair in zip(before, statistics(norm), strict=True))


def test_the_first_ten_updates_give_the_plain_mean() -> None:
    norm, batches = fresh(1), [normal(5, 4, seed=seed) for seed in range(10)]
    for x in batches:
        norm(x, [5])
    torch.testing.assert_close(norm.mean_MD[0], torch.cat(batches).mean(dim=0), rtol=0, atol=1e-12)


def test_later_updates_take_a_tenth_of_the_newest_batch() -> None:
    norm, x = fresh(1), normal(5, 4)
    norm.num_updates_M.fill_(500)
    before = norm.mean_MD.clone()
    norm(x, [5])
    expected = before[0] * (1 - MOMENTUM) + x.mean(dim=0) * MOMENTUM
    torch.testing.assert_close(norm.mean_MD[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_scenario_with_fewer_than_two_rows_leaves_its_statistics_alone(rows: int) -> None:
    norm = fresh()
    norm(normal(12, 4), [4, 4, 4])
    before = statistics(norm)
    norm(normal(8 + rows, 4, seed=1), [4, rows, 4])
    for buffer_before, buffer in zip(before, statistics(norm), strict=True):
        assert torch.equal(buffer_before[1], buffer[1])
        assert not torch.equal(buffer_before[2], buffer[2])


def test_a_column_that_is_constant_within_a_scenario_becomes_beta() -> None:
    x = normal(4, 4)
    x[:, 2] = 0.1
    assert torch.equal(fresh(1)(x, [4])[:, 2], torch.zeros(4, dtype=torch.float64))
