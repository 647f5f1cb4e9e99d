"""Partitioned normalisation: which statistics a row is normalised with, and what updates them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.lists(st.integers(2, 6), min_size=1, max_size=4))
def test_without_changes_of_gamma_and_beta_each_scenario_is_batch_normalised(
    sizes: list[int],
) -> None:
    x = normal(sum(sizes), 4)
    expected = [
        torch.nn.functional.batch_norm(run, None, None, training=True)
        for run in torch.split(x, sizes)
    ]
    torch.testing.assert_close(fresh(len(sizes))(x, sizes), torch.cat(expected), rtol=0, atol=1e-12)


def test_evaluation_leaves_all_statistics_alone() -> None:
    norm = fresh().eval()
    before = statistics(norm)
    norm(normal(6, 4), [2, 2, 2])
    assert all(torch.equal(*pair) for pair in zip(before, statistics(norm), strict=True))


def test_the_first_update_takes_the_statistics_of_the_batch() -> None:
    norm, x = fresh(), normal(6, 4)
    norm(x, [0, 6, 0])
    torch.testing.assert_close(norm.mean_MD[1], x.mean(dim=0), rtol=0, atol=1e-12)
    torch.testing.assert_close(norm.variance_MD[1], x.var(dim=0), rtol=0, atol=1e-12)


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
