"""Pooling: turn the entries of a list, or the slots of a sequence, into one vector.

An entry of a list is the vector of an id. A slot is an earlier row: the vectors of its items, of
what is known of its labels and of how long ago it was, side by side. The query is the vector, or
the vectors side by side, of the row's own items.

mean        the mean of what is known, of a list or of a sequence
attention   of a list: its known entries by their match with the row's own item
din         the sum of the slots, each weighed by an MLP of query and slot (Zhou et al., Deep
            Interest Network, KDD 2018, section 4.3): the weights are not normalised, so that their
            sum says how much there is of interest
bst         a transformer block over the query and the slots (Chen et al., Behavior Sequence
            Transformer, DLP-KDD 2019), of which the output at the query is kept

Shape legend: B rows, L entries or slots, E width of an entry, Q width of the query and of the items
of a slot, D width of a slot, H hidden width.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad, relu

from hinet_search.models.layers.linear import Linear
from hinet_search.study.event_definition import SequenceReader

HIDDEN = 36  # of the MLP that weighs slots, as in the paper
INITIAL_STD = 0.01  # of positions, as of embeddings, and of what tells slots apart
WIDENING = 4  # of the feed-forward part of a transformer block


class MeanPooling(nn.Module):
    """The mean of the known entries, or of the slots that are there; zeros without any."""

    def forward(
        self,
        entries_BLE: Float[Tensor, "B L E"],
        known_BL: Bool[Tensor, "B L"],
        _query_BQ: Float[Tensor, "B Q"] | None,
    ) -> Float[Tensor, "B E"]:
        """Return one vector per row; the row's own items, if the list has any, are ignored."""
        is_known_BL = known_BL.to(entries_BLE.dtype)
        num_known_B1 = is_known_BL.sum(dim=1, keepdim=True).clamp(min=1)
        return _weighted_sum(is_known_BL / num_known_B1, entries_BLE)


class AttentionPooling(nn.Module):
    """Weigh known entries by their match with the row's own item: softmax of (q W) . k / sqrt(E).

    W starts as the identity, so that entries similar to the item weigh more from the first step.
    """

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.weight_EE = nn.Parameter(torch.eye(embedding_dim))

    def forward(
        self,
        entries_BLE: Float[Tensor, "B L E"],
        known_BL: Bool[Tensor, "B L"],
        item_BE: Float[Tensor, "B E"],
    ) -> Float[Tensor, "B E"]:
        """Return one vector per row, zeros where no entry is known; `item_BE` is the query q."""
        query_BE = item_BE @ self.weight_EE / math.sqrt(item_BE.shape[1])
        score_BL = torch.einsum("be,ble->bl", query_BE, entries_BLE)
        # The smallest finite number, not -inf: a row without known entries must not become NaN.
        weight_BL = score_BL.masked_fill(~known_BL, torch.finfo(score_BL.dtype).min).softmax(dim=1)
        return _weighted_sum(weight_BL * known_BL, entries_BLE)


class AttentionReader(nn.Module):
    """The sum of the slots, each with a weight from an MLP of [q, k, q - k, q * k] and the rest.

    k are the items of the slot. The first layer of the MLP is linear, so that the weights of q - k
    are those of q and of k: it needs no product of its own, and q has one for all slots.
    Weights start near 1 / L, so that the vector starts near the mean of a full sequence.
    """

    def __init__(self, query_width: int, width: int, length: int) -> None:
        super().__init__()
        self.of_query = Linear(query_width, HIDDEN)
        self.of_slots = Linear(query_width + width, HIDDEN, bias=False)
        self.weight = Linear(HIDDEN, 1)
        nn.init.normal_(self.weight.weight, std=INITIAL_STD)
        nn.init.constant_(self.weight.bias, 1 / length)

    def forward(
        self,
        slots_BLD: Float[Tensor, "B L D"],
        is_there_BL: Bool[Tensor, "B L"],
        query_BQ: Float[Tensor, "B Q"],
    ) -> Float[Tensor, "B D"]:
        """Return one vector per row, zeros without a slot."""
        num_slots = slots_BLD.shape[1]
        items_BLQ = slots_BLD[:, :, : query_BQ.shape[1]]
        product_BLQ = query_BQ.unsqueeze(1) * items_BLQ
        compared_BLI = torch.cat([product_BLQ, slots_BLD], dim=2)
        of_slots_BLH = torch.unflatten(
            self.of_slots(compared_BLI.flatten(end_dim=1)), 0, (-1, num_slots)
        )
        hidden_BLH = relu(of_slots_BLH + self.of_query(query_BQ).unsqueeze(1))
        weight_BL = torch.unflatten(
            self.weight(hidden_BLH.flatten(end_dim=1))[:, 0], 0, (-1, num_slots)
        )
        return _weighted_sum(weight_BL * is_there_BL, slots_BLD)


class TransformerReader(nn.Module):
    """One block of a transformer over the query and the slots, at the query.

    Only the output at the query is kept, so no other token asks: attention is by the query alone,
    with one head. Keys and values are linear in the tokens, so they are never computed for each.
    Every slot has the vector of its position beside the vectors of its parts.
    """

    def __init__(self, query_width: int, width: int, length: int) -> None:
        super().__init__()
        self.padding = width - query_width
        self.positions_TD = nn.Parameter(torch.empty(length + 1, width).normal_(std=INITIAL_STD))
        self.query = Linear(width, width, bias=False)
        self.key = Linear(width, width, bias=False)
        self.value = Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.hidden = Linear(width, WIDENING * width)
        self.output = Linear(WIDENING * width, width)
        self.output_norm = nn.LayerNorm(width)

    def forward(
        self,
        slots_BLD: Float[Tensor, "B L D"],
        is_there_BL: Bool[Tensor, "B L"],
        query_BQ: Float[Tensor, "B Q"],
    ) -> Float[Tensor, "B D"]:
        """Return one vector per row; without a slot the query attends to itself."""
        own_B1D = pad(query_BQ, (0, self.padding)).unsqueeze(1)
        tokens_BTD = torch.cat([own_B1D, slots_BLD], dim=1) + self.positions_TD
        own_BD = tokens_BTD[:, 0]
        # q . (W x) is (W^T q) . x, and the weighted sum of W x is W times that of x.
        asking_BD = self.query(own_BD) @ self.key.weight / math.sqrt(own_BD.shape[1])
        score_BT = torch.bmm(tokens_BTD, asking_BD.unsqueeze(2))[:, :, 0]
        is_there_BT = pad(is_there_BL, (1, 0), value=True)
        lowest = torch.finfo(score_BT.dtype).min
        weight_BT = score_BT.masked_fill(~is_there_BT, lowest).softmax(dim=1)
        attended_BD = self.value(_weighted_sum(weight_BT, tokens_BTD))
        h_BD = self.norm(own_BD + attended_BD)
        y_BD: Tensor = self.output_norm(h_BD + self.output(leaky_relu(self.hidden(h_BD))))
        return y_BD


Reader = MeanPooling | AttentionReader | TransformerReader


def make_reader(kind: SequenceReader, query_width: int, width: int, length: int) -> Reader:
    """Return a reader of slots of a width, whose first `query_width` numbers are their items."""
    if kind == "din":
        return AttentionReader(query_width, width, length)
    if kind == "bst":
        return TransformerReader(query_width, width, length)
    return MeanPooling()


def make_pooling(kind: str, embedding_dim: int) -> MeanPooling | AttentionPooling:
    """Return a pooling of the kind `mean` or `attention`."""
    return AttentionPooling(embedding_dim) if kind == "attention" else MeanPooling()


def _weighted_sum(
    weight_BL: Float[Tensor, "B L"], entries_BLE: Float[Tensor, "B L E"]
) -> Float[Tensor, "B E"]:
    # On the CPU a batched product is faster than multiply and sum; look-up and product together
    # are 2.2 times as fast as embedding_bag.
    return torch.bmm(weight_BL.unsqueeze(1), entries_BLE)[:, 0]
