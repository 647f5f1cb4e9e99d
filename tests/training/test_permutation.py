"""An order of very many rows has each row once, and no trace of the order that the rows lie in."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.training.permutation import RUN, order_in_runs
from hinet_search.training.row_order import DRAWN_AT_ONCE, batches_of_pass


def order(num_rows: int, seed: int) -> torch.Tensor:
    return torch.cat(list(order_in_runs(num_rows, torch.Generator().manual_seed(seed))))


@given(num_rows=st.integers(1, 3 * RUN), seed=st.integers(0, 2**32))
def test_every_row_comes_once(num_rows: int, seed: int) -> None:
    assert order(num_rows, seed).sort().values.equal(torch.arange(num_rows))


def test_the_seed_decides() -> None:
    assert order(1000, 1).equal(order(1000, 1))
    assert not order(1000, 1).equal(order(1000, 2))


@pytest.mark.parametrize("num_rows", [10_000, 100_000, 2**17, 2**17 + 1])
def test_neither_place_nor_neighbour_tells_of_the_row(num_rows: int) -> None:
    rows = order(num_rows, 7).double().numpy()
    far = 4 / np.sqrt(num_rows)  # four standard errors of a correlation
    assert abs(np.corrcoef(rows, np.arange(num_rows))[0, 1]) < far
    for lag in (1, 2, 3, 256):
        assert abs(np.corrcoef(rows[:-lag], rows[lag:])[0, 1]) < far


def test_every_row_is_equally_likely_to_come_first() -> None:
    num_rows, draws = 50, 5_000
    firsts = [int(next(order_in_runs(num_rows, torch.Generator().manual_seed(seed)))[0]) for seed in range(draws)]
    counts = np.bincount(firsts, minlength=num_rows)
    chi_squared = float(((counts - draws / num_rows) ** 2 / (draws / num_rows)).sum())
    assert chi_squared < 95  # 49 degrees of freedom: exceeded once in 10,000 tables by chance


def test_a_pass_over_very_many_rows_has_each_once_in_whole_batches() -> None:
    num_rows = DRAWN_AT_ONCE + 1
    batches = list(batches_of_pass(num_rows, 2**17, "rows", seed=3, pass_number=0))
    assert [len(batch) for batch in batches] == [2**17] * 16 + [1]
    rows = torch.cat(batches)
    assert rows.dtype == torch.int32
    assert rows.sort().values.equal(torch.arange(num_rows, dtype=torch.int32))
    again = torch.cat(list(batches_of_pass(num_rows, 2**17, "rows", seed=3, pass_number=1)))
    assert not rows.equal(again)
