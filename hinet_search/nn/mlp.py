"""A plain multi-layer perceptron."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from hinet_search.nn.activation import Activation
from hinet_search.nn.product import Linear


def mlp(in_width: int, widths: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Linear layers of `widths`, each followed by ReLU and dropout; (B, in_width) -> (B, widths[-1])."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([in_width, *widths]):
        layers += [Linear(inputs, outputs), Activation(dropout)]
    return nn.Sequential(*layers)
