"""Row order: which rows a step trains on. It depends on the seed and the pass alone, so every model sees the same.

`rows`    every order of rows is equally likely; of more than DRAWN_AT_ONCE rows an order is drawn while it is used
`blocks`  blocks of neighbouring rows are drawn, and the rows of some blocks are shuffled together: what is read at one time
          lies in few places, so that data larger than memory are read from disk once a pass
Shape legend: R rows of the split, W rows shuffled together, B rows of a batch.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from hinet_search.training.config import Shuffle
from hinet_search.training.permutation import order_in_runs
from hinet_search.training.seeding import Purpose, derived_seed

BLOCK_ROWS = 4096
BLOCKS_AT_ONCE = 64
DRAWN_AT_ONCE = 2**21  # takes 20 ms; ten million rows would take 200 before the first step


def batches_of_pass(
    num_rows: int, batch_size: int, shuffle: Shuffle, *, seed: int, pass_number: int
) -> Iterator[Int[Tensor, "B"]]:
    """Row numbers of every step of a pass, on the host; the last step has the rows that are left."""
    generator = torch.Generator().manual_seed(derived_seed(seed, Purpose.DATA_ORDER, pass_number))
    left = torch.empty(0, dtype=number_type(num_rows))
    for rows_W in _windows(num_rows, shuffle, generator):
        waiting = torch.cat([left, rows_W]) if len(left) else rows_W
        whole = len(waiting) - len(waiting) % batch_size
        yield from torch.split(waiting[:whole], batch_size) if whole else ()
        left = waiting[whole:]
    if len(left):
        yield left


def _windows(num_rows: int, shuffle: Shuffle, generator: torch.Generator) -> Iterator[Int[Tensor, "W"]]:
    """Runs of rows in their order."""
    if shuffle == "rows" and num_rows > DRAWN_AT_ONCE:
        yield from (rows_W.to(number_type(num_rows)) for rows_W in order_in_runs(num_rows, generator))
        return
    if shuffle == "rows":
        yield torch.randperm(num_rows, generator=generator, dtype=number_type(num_rows))
        return
    offsets = torch.arange(BLOCK_ROWS, dtype=number_type(num_rows))
    blocks = torch.randperm(-(-num_rows // BLOCK_ROWS), generator=generator, dtype=offsets.dtype)
    for some in torch.split(blocks, BLOCKS_AT_ONCE):
        rows_W = (some[:, None] * BLOCK_ROWS + offsets).flatten()
        rows_W = rows_W[rows_W < num_rows]  # the last block may be short
        yield rows_W[torch.randperm(len(rows_W), generator=generator)]


def number_type(num_rows: int) -> torch.dtype:
    """Half as wide wherever it is enough: drawing an order is bound by memory. The order is the same."""
    return torch.int32 if num_rows <= torch.iinfo(torch.int32).max else torch.int64
