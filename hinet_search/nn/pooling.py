"""Pooling: the vectors of a list's entries become one vector, the same way whatever the list's length.

Shape legend: B rows, L slots of the list, E embedding width.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class MeanPooling(nn.Module):
    """The plain mean of the known entries; zeros where there are none."""

    def forward(
        self, entries_BLE: Float[Tensor, "B L E"], known_BL: Bool[Tensor, "B L"], _item_BE: Float[Tensor, "B E"]
    ) -> Float[Tensor, "B E"]:
        """One vector per row; the row's own item has no say."""
        weight_BL = known_BL.to(entries_BLE.dtype)
        return _weighted_sum(weight_BL / weight_BL.sum(dim=1, keepdim=True).clamp(min=1), entries_BLE)


class AttentionPooling(nn.Module):
    """Entries weigh by how well they match the row's own item: softmax of (q W) . k / sqrt(E), over known entries.

    W starts as the identity, so that entries like the item weigh more from the first step.
    """

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.weight_EE = nn.Parameter(torch.eye(embedding_dim))

    def forward(
        self, entries_BLE: Float[Tensor, "B L E"], known_BL: Bool[Tensor, "B L"], item_BE: Float[Tensor, "B E"]
    ) -> Float[Tensor, "B E"]:
        """One vector per row, zeros where no entry is known; `item_BE` asks."""
        query_BE = item_BE @ self.weight_EE / math.sqrt(item_BE.shape[1])
        score_BL = torch.einsum("be,ble->bl", query_BE, entries_BLE)
        # the least number and not -inf: a row of nothing else must not become NaN
        weight_BL = score_BL.masked_fill(~known_BL, torch.finfo(score_BL.dtype).min).softmax(dim=1)
        return _weighted_sum(weight_BL * known_BL, entries_BLE)


def _weighted_sum(weight_BL: Float[Tensor, "B L"], entries_BLE: Float[Tensor, "B L E"]) -> Float[Tensor, "B E"]:
    # on CPU a batched product beats multiply and sum, and look-up and product together beat embedding_bag by 2.2
    return torch.bmm(weight_BL.unsqueeze(1), entries_BLE)[:, 0]


def make_pooling(kind: str, embedding_dim: int) -> MeanPooling | AttentionPooling:
    """The pooling of that name."""
    return AttentionPooling(embedding_dim) if kind == "attention" else MeanPooling()
