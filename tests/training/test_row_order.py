"""The order of rows in a pass depends only on the seed and the pass, and has each row once."""

import pytest
import torch

from hinet_search.training.run_state import batches_of_pass
from hinet_search.training.seeding import Purpose, derived_seed


@pytest.mark.parametrize("num_rows", [1, 1000, 2**21 + 1])
def test_an_order_of_rows_is_torchs_permutation_under_the_seed_of_its_pass(num_rows: int) -> None:
    generator = torch.Generator().manual_seed(derived_seed(3, Purpose.DATA_ORDER, 1))
    rows = torch.cat(list(batches_of_pass(num_rows, 2**17, "rows", seed=3, pass_number=1)))
    assert rows.equal(torch.randperm(num_rows, generator=generator, dtype=torch.int32))


@pytest.mark.parametrize("shuffle", ["rows", "blocks"])
def test_a_pass_has_each_row_once_in_whole_batches(shuffle: str) -> None:
    batches = list(batches_of_pass(300_001, 2**16, shuffle, seed=3, pass_number=0))
    assert [len(batch) for batch in batches] == [2**16] * 4 + [300_001 - 4 * 2**16]
    assert torch.cat(batches).sort().values.equal(torch.arange(300_001, dtype=torch.int32))


@pytest.mark.parametrize("shuffle", ["rows", "blocks"])
def test_every_pass_has_an_order_of_its_own(shuffle: str) -> None:
    first, second = (
        torch.cat(list(batches_of_pass(1000, 100, shuffle, seed=3, pass_number=number)))
        for number in (0, 1)
    )
    assert not first.equal(second)
