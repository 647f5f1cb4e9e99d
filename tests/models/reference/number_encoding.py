"""Plain reference of number encodings: one number at a time."""

import math

import torch
from torch import Tensor

from hinet_search.models.layers.number_encoding import (
    BinEncoding,
    PeriodicEncoding,
    Standardised,
)


def encoded(encoding: Standardised | BinEncoding | PeriodicEncoding, numbers_N: Tensor) -> Tensor:
    """The numbers of a row, then the vector of each, if they have any."""
    parts = [numbers_N]
    for place, number in enumerate(numbers_N):
        if isinstance(encoding, BinEncoding):
            parts.append(_binned(encoding, place, number))
        elif isinstance(encoding, PeriodicEncoding):
            parts.append(_periodic(encoding, place, number))
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


def _periodic(encoding: PeriodicEncoding, place: int, number: Tensor) -> Tensor:
    frequencies = encoding.frequency_NF[place]
    angles = [2 * math.pi * frequency * number for frequency in frequencies]
    waves = [torch.sin(angle) for angle in angles] + [torch.cos(angle) for angle in angles]
    total = encoding.bias_N1E[place, 0]
    for wave, weight_E in zip(waves, encoding.weight_NWE[place], strict=True):
        total = total + wave * weight_E
    return total.clamp(min=0)
