"""Plain reference of number encodings: one number at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hinet_search.models.layers.number_encoding import BinEncoding, MixedEncoding, Standardised

Layer = Standardised | BinEncoding | MixedEncoding


def encoded(encoding: Layer, numbers_N: Tensor, kinds: Sequence[str] = ()) -> Tensor:
    """The numbers of a row, then the vector of each, if they have any.

    Where their encodings, `kinds`, differ, first all this of one kind, then of the next.
    """
    if isinstance(encoding, MixedEncoding):
        return _mixed(encoding, numbers_N, kinds)
    parts = [numbers_N]
    for place, number in enumerate(numbers_N):
        if isinstance(encoding, BinEncoding):
            parts.append(_binned(encoding, place, number))
    return torch.cat(parts)


def _mixed(encoding: MixedEncoding, numbers_N: Tensor, kinds: Sequence[str]) -> Tensor:
    parts = []
    for kind in ("standardised", "bins", "piecewise"):
        own = [number for number, other in zip(numbers_N, kinds, strict=True) if other == kind]
        if own:
            parts.append(encoded(encoding.parts[kind], torch.stack(own)))
    return torch.cat(parts)


def _binned(encoding: BinEncoding, place: int, number: Tensor) -> Tensor:
    total = torch.zeros_like(encoding.weight_NKE[place, 0])
    for bin_number, vector in enumerate(encoding.weight_NKE[place]):
        above = number - encoding.low_NK[place, bin_number]
        if above < 0:
            continue
        share = 1.0 if encoding.has_steps else above / encoding.width_NK[place, bin_number]
        total = total + min(share, 1.0) * vector
    return total
