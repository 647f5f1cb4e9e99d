"""Permutation: an order of very many rows in runs, so that the first rows are known before the last ones are drawn.

A Feistel network on whole numbers of as many bits as it takes maps them one to one onto themselves; what it makes of
0, 1, 2, ... without the numbers that are no rows is an order (Luby and Rackoff, SIAM J. Comput. 1988). It is as good as
random, but not every order can come out of a key.
Shape legend: W numbers of a run.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor

ROUNDS = 6
RUN = 2**16
_FACTORS = (-7046029254386353131, -4658895280553007687)  # odd, with about half of their bits set


def order_in_runs(num_rows: int, generator: torch.Generator) -> Iterator[Int[Tensor, "W"]]:
    """All of 0 to num_rows - 1 (at most 2^60), each once, in runs of at most RUN; their order depends on the generator."""
    bits = max(2, (num_rows - 1).bit_length())
    keys = torch.randint(2**62, (ROUNDS,), generator=generator).tolist()
    for start in range(0, 2**bits, RUN):
        numbers_W = _mapped(torch.arange(start, min(start + RUN, 2**bits)), bits, keys)
        yield numbers_W[numbers_W < num_rows]


def _mapped(numbers_W: Int[Tensor, "W"], bits: int, keys: list[int]) -> Int[Tensor, "W"]:
    """Each half in turn is changed by what the other half says, which the other half can undo."""
    low_bits = bits // 2
    high_mask, low_mask = 2 ** (bits - low_bits) - 1, 2**low_bits - 1
    high_W, low_W = numbers_W >> low_bits, numbers_W & low_mask
    for turn, key in enumerate(keys):
        if turn % 2:
            low_W = low_W ^ (_scattered(high_W, key) & low_mask)
        else:
            high_W = high_W ^ (_scattered(low_W, key) & high_mask)
    return torch.bitwise_or(high_W << low_bits, low_W)


def _scattered(numbers_W: Int[Tensor, "W"], key: int) -> Int[Tensor, "W"]:
    """Numbers of 31 bits that look random (multiplications wrap around)."""
    mixed_W = (numbers_W + key) * _FACTORS[0]
    mixed_W = (mixed_W ^ (mixed_W >> 29)) * _FACTORS[1]
    return mixed_W >> 33
