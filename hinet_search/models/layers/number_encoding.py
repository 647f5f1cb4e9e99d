"""Number encodings: the numeric inputs, and vectors of them beside the numbers themselves.

standardised  no vectors
bins          the sum of the vectors of all bins up to the number's, of about as many training rows
              each: a function of steps, in which neighbours share what they have in common
piecewise     the same, where the number's own bin counts by the share of it that lies below the
              number: a function of straight lines (Gorishniy et al., On Embeddings for Numerical
              Features in Tabular Deep Learning, NeurIPS 2022, section 3.2)

Inputs are standardised before; different numbers share no weights. If encodings differ,
the numbers of each have theirs, one encoding after the other.
Shape legend: R training rows, B rows of a batch, N numeric inputs, V distinct values of one, K
bins, E width of a vector, D = N * (1 + E) if all have one.
"""

import math
from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from hinet_search.study.feature_definition import NumberEncoding

NUM_BINS = 32
INITIAL_STD = 0.01  # of the vectors of bins, as of embeddings
MOST_ROWS = 2**17  # of which bins are made
BEYOND = 1e30  # where a bin begins that no number reaches
NARROWEST = 1e-6  # a bin of one value


class Standardised(nn.Module):
    """The numbers as they are."""

    def __init__(self, num_inputs: int) -> None:
        super().__init__()
        self.width = num_inputs

    def forward(self, number_BN: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
        """Return the numbers."""
        return number_BN


class BinEncoding(nn.Module):
    """A vector of every bin of the numbers at `places`. Without `begin_with` none has a bin."""

    low_NK: Tensor
    width_NK: Tensor

    def __init__(self, places: Sequence[int], width: int, *, has_steps: bool) -> None:
        super().__init__()
        num_inputs = len(places)
        self.places = places
        self.width = num_inputs * (1 + width)
        self.has_steps = has_steps
        weight_NKE = torch.empty(num_inputs, NUM_BINS, width)
        self.weight_NKE = nn.Parameter(weight_NKE.normal_(std=INITIAL_STD))
        self.register_buffer("low_NK", torch.full((num_inputs, NUM_BINS), BEYOND))
        self.register_buffer("width_NK", torch.ones(num_inputs, NUM_BINS))

    def begin_with(self, number_RN: NDArray[np.float32]) -> None:
        """Make the bins of training rows; a model that learns on keeps the bins of its weights."""
        if (self.low_NK < BEYOND).any():
            return
        step = math.ceil(len(number_RN) / MOST_ROWS)
        chosen_RN = np.array(number_RN[::step])  # read once: the rows may be those of a mapped file
        for number, place in enumerate(self.places):
            low_K, width_K = bins_of(chosen_RN[:, place])
            self.low_NK[number] = torch.from_numpy(low_K)
            self.width_NK[number] = torch.from_numpy(width_K)

    def forward(self, number_BN: Float[Tensor, "B N"]) -> Float[Tensor, "B D"]:
        """Return the numbers of a row, then their vectors, side by side."""
        above_NBK = number_BN.T.unsqueeze(2) - self.low_NK.unsqueeze(1)
        if self.has_steps:
            share_NBK = (above_NBK >= 0).to(number_BN.dtype)
        else:
            share_NBK = (above_NBK / self.width_NK.unsqueeze(1)).clamp(0, 1)
        vector_NBE = torch.bmm(share_NBK, self.weight_NKE)
        return torch.cat([number_BN, vector_NBE.transpose(0, 1).flatten(start_dim=1)], dim=1)


class MixedEncoding(nn.Module):
    """Numbers of several encodings: the numbers of one with their vectors, then of the next."""

    order_N: Tensor

    def __init__(self, kind_N: Sequence[NumberEncoding], width: int) -> None:
        super().__init__()
        order: list[int] = []
        self.sizes: list[int] = []
        self.width = 0
        self.parts = nn.ModuleDict()
        for kind in get_args(NumberEncoding):
            places = [place for place, other in enumerate(kind_N) if other == kind]
            if places:
                part = _encoding_of(kind, places, width)
                self.parts[kind] = part
                self.sizes.append(len(places))
                self.width += part.width
                order += places
        self.register_buffer("order_N", torch.tensor(order), persistent=False)

    def forward(self, number_BN: Float[Tensor, "B N"]) -> Float[Tensor, "B D"]:
        """Return what each encoding makes of its numbers, side by side."""
        numbers = torch.split(number_BN.index_select(1, self.order_N), self.sizes, dim=1)
        parts = zip(self.parts.values(), numbers, strict=True)
        return torch.cat([part(of_part_BN) for part, of_part_BN in parts], dim=1)


def make_number_encoding(
    kind_N: Sequence[NumberEncoding], num_inputs: int, width: int
) -> Standardised | BinEncoding | MixedEncoding:
    """Return the encoding of that many numbers, with vectors of that width.

    Without kinds the numbers are as they are.
    """
    kinds = {*kind_N} or {"standardised"}
    if len(kinds) > 1:
        return MixedEncoding(kind_N, width)
    return _encoding_of(kinds.pop(), range(num_inputs), width)


def _encoding_of(
    kind: NumberEncoding, places: Sequence[int], width: int
) -> Standardised | BinEncoding:
    if kind == "standardised":
        return Standardised(len(places))
    return BinEncoding(places, width, has_steps=kind == "bins")


def bins_of(number_R: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the bins of one number begin (K,) and how wide they are (K,).

    Edges lie halfway between two training values, so a value that many rows have gets a bin of its
    own. Bins that are left over begin BEYOND; a constant has these alone.
    """
    low_K = np.full(NUM_BINS, BEYOND)
    width_K = np.ones(NUM_BINS)
    value_V, count_V = np.unique(number_R.astype(np.float64), return_counts=True)
    if len(value_V) < 2:
        return low_K, width_K
    halfway = (value_V[:-1] + value_V[1:]) / 2
    below = np.cumsum(count_V)[:-1]  # rows below each of these
    wanted = np.arange(1, NUM_BINS) * len(number_R) / NUM_BINS
    chosen = np.unique(np.searchsorted(below, wanted).clip(max=len(below) - 1))
    edges = np.concatenate([value_V[:1], halfway[chosen], value_V[-1:]])
    num_bins = len(edges) - 1
    low_K[:num_bins] = edges[:-1]
    width_K[:num_bins] = np.maximum(np.diff(edges), NARROWEST)
    return low_K, width_K
