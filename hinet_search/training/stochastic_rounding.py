"""Stochastic rounding: of fp32 to bf16, up or down at random, so that the mean stays what it was.

A number between two of bf16 becomes the one further from 0 with the probability that is its
distance from the other one, as a share of the step. Rounded to the nearest, updates below half a
step would be lost.
Shape legend: U rows of a table, E embedding width.
"""

import torch
from jaxtyping import BFloat16, Float, Int
from torch import Tensor

OF_THE_REST = 0xFFFF  # the bits of fp32 that bf16 lacks
ALL_BUT_16 = 48  # of the bits of a drawn number


def rounded(
    values_UE: Float[Tensor, "U E"], rows_U: Int[Tensor, "U"], generator: torch.Generator
) -> BFloat16[Tensor, "U E"]:
    """Return finite values of rows of a table in bf16, with a generator of their device.

    The noise of a number is uniform, and a sum of what is drawn for its row and for its column, so
    that of any two numbers is independent. It does not depend on the order of the rows.
    """
    bits_UE = values_UE.float().view(torch.int32)
    drawn = torch.empty(1 + bits_UE.shape[1], dtype=torch.int64, device=bits_UE.device)
    drawn.random_(-(2**63), None, generator=generator)
    factor, of_columns_E = drawn[0] | 1, drawn[1:] >> ALL_BUT_16
    of_rows_U = rows_U * factor >> ALL_BUT_16  # Dietzfelbinger et al. 1997: multiply, shift
    noise_UE = of_rows_U.int().unsqueeze(1) + of_columns_E.int()
    carried_UE = noise_UE.bitwise_and_(OF_THE_REST).add_(bits_UE).bitwise_and_(~OF_THE_REST)
    return carried_UE.view(torch.float32).bfloat16()
