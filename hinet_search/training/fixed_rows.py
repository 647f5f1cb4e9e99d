"""Fixed rows: every scenario has as many places in a batch, so that all batches have one shape.

A graph of a GPU (replayed_steps.py) repeats one step on the same shapes, and batches have more or
fewer rows of a scenario. Places that a batch leaves empty hold row 0 of the split, which the model
takes for one of that scenario. Their scores are dropped before the loss: whatever the loss is, it
and its gradients are those of the batch alone, up to rounding. Dropout draws for all places, so it
draws differently. A model whose rows depend on each other must not have such places.
Shape legend: B rows of a batch, M scenarios, P places, R rows of a split, T tasks.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hinet_search.models.layers.batch import Batch, to_device
from hinet_search.training.feed import Feed

DEVIATIONS = 3  # of the rows of a scenario; a batch in a thousand has more
MULTIPLE = 8  # of the places of a scenario


def places_of(scenario_R: Int[Tensor, "R"], batch_size: int) -> tuple[int, ...]:
    """Return the places of every scenario, which most random batches of these rows do not exceed.

    Scenarios after the last one present have none.
    """
    places = []
    for num_rows in torch.bincount(scenario_R).tolist():
        share = num_rows / len(scenario_R)
        mean = batch_size * share
        most = mean + DEVIATIONS * math.sqrt(mean * (1 - share))
        places.append(min(math.ceil(most / MULTIPLE) * MULTIPLE, batch_size))
    return tuple(places)


@dataclass(frozen=True)
class PlacedRows:
    """A batch with empty places, and its rows without them, all on one device."""

    batch: Batch
    place_B: Int[Tensor, "B"]
    rows_B: Int[Tensor, "B"]
    scenario_B: Int[Tensor, "B"]
    labels_BT: Float[Tensor, "B T"]


class FixedRows:
    """Batches of `batch_size` rows of a feed, in tensors that stay: each batch replaces the last.

    With `needs_every`, a batch without rows of a scenario does not fit: parts of a model that it
    leaves alone would get gradients of 0.
    """

    def __init__(self, feed: Feed, batch_size: int, *, needs_every: bool) -> None:
        self._feed = feed
        self._batch_size = batch_size
        self._needs_every = needs_every
        self.places = places_of(feed.scenario_R, batch_size)
        self._places_M = torch.tensor(self.places)
        scenario_P = torch.arange(len(self.places)).repeat_interleave(self._places_M)
        self._scenario_P = to_device(scenario_P, feed.device)
        numbers = torch.zeros(sum(self.places) + batch_size, dtype=torch.int64)
        self._numbers = to_device(numbers, feed.device)  # rows (P,), then places (B,)

    def hold(self, rows_B: Int[Tensor, "B"]) -> bool:
        """Hold these rows, which come by scenario, if they fit; they are on the host."""
        scenario_B = self._feed.scenario_R.index_select(0, rows_B).long()
        rows_M = torch.bincount(scenario_B, minlength=len(self.places))
        if len(rows_B) != self._batch_size or (rows_M > self._places_M).any():
            return False
        if self._needs_every and ((rows_M == 0) & (self._places_M > 0)).any():
            return False
        empty_M = self._places_M - rows_M
        empty_before_M = empty_M.cumsum(0) - empty_M
        place_B = torch.arange(len(rows_B)) + empty_before_M[scenario_B]
        rows_P = torch.zeros(sum(self.places), dtype=torch.int64)
        rows_P[place_B] = rows_B.long()
        self._numbers.copy_(to_device(torch.cat([rows_P, place_B]), self._feed.device))
        return True

    def read(self) -> PlacedRows:
        """Return the rows that are held, without asking the host."""
        rows_P, place_B = torch.split(self._numbers, [sum(self.places), self._batch_size])
        batch, labels_PT = self._feed.gather(rows_P, self._scenario_P, self.places)
        return PlacedRows(
            batch,
            place_B,
            rows_P.index_select(0, place_B),
            self._scenario_P.index_select(0, place_B),
            labels_PT.index_select(0, place_B),
        )
