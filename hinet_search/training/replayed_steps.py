"""Replayed steps: training steps that a GPU repeats as one CUDA graph, without Python.

A step of a small model is hundreds of kernels that run faster than the host launches them. A graph
is captured from one step: its kernels, and the memory that they read and write. So what changes
from step to step lies in tensors that stay, and batches have one shape: every scenario has as many
places in each. Places that a batch leaves empty hold row 0 of the split, which the model takes for
one of that scenario. Their scores are dropped before the loss: whatever the loss is, it and its
gradients depend on the batch alone, up to rounding. Dropout draws for all places, so it draws
differently. A batch that does not fit is no such step. What a new epoch changes is captured again.
No GPU has run this yet: tests/device/ simulates capture and replay.
Shape legend: B rows of a batch, M scenarios, P places, R rows of a split, T tasks.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hinet_search.models.layers.batch import Batch, to_device
from hinet_search.models.layers.contracts import BatchDependent, IndependentParts, WeightDependent
from hinet_search.training.feed import Feed, StreamedFeed
from hinet_search.training.run_state import TrainingRun

DEVIATIONS = 3  # of the rows of a scenario; a batch in a thousand has more
MULTIPLE = 8  # of the places of a scenario
MOST_PLACES = 4  # for each row of a batch
# Steps of an epoch before one is captured: libraries allocate, and Adam makes its moments.
WARM_UP_STEPS = 3
Taken = tuple[Tensor, Tensor]  # loss and gradient norm, on the device
Captured = tuple[Callable[[], None], Taken]  # what replays a step, and where its results will be


def places_of(scenario_R: Int[Tensor, "R"], batch_size: int) -> tuple[int, ...]:
    """Return the places of every scenario, enough for most random batches of the rows.

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


Step = Callable[[PlacedRows, Float[Tensor, ""]], Taken]  # on rows, at a share of the rates


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


def can_replay(run: TrainingRun) -> bool:
    """Return whether steps of a training can be replayed, and are to be.

    They can on a GPU that has all rows, with dense Adam, by one process; unless rows of a batch
    depend on each other, a model chooses what to compute by its weights, or so many scenarios are
    small that most places would be empty.
    """
    config = run.conditions.config
    if not config.cuda_graphs or run.feed.device.type != "cuda":
        return False
    if config.embedding_optimiser != "adam" or isinstance(run.feed, StreamedFeed):
        return False
    if sum(places_of(run.feed.scenario_R, config.batch_size)) > MOST_PLACES * config.batch_size:
        return False
    return not any(
        (isinstance(module, BatchDependent) and module.reads_batch)
        or (isinstance(module, WeightDependent) and module.reads_weights)
        for module in run.model.modules()
    )


class ReplayedSteps:
    """Steps of a training, which read rows and rates from the same memory, replayed or not."""

    def __init__(self, run: TrainingRun, say: Callable[[str], None]) -> None:
        self._say = say
        self._can_capture = True
        # Without rows of a scenario, its part of a model must be left alone.
        needs_every = isinstance(run.model, IndependentParts)
        batch_size = run.conditions.config.batch_size
        self._rows = FixedRows(run.feed, batch_size, needs_every=needs_every)
        self._rate_share = torch.ones((), device=run.feed.device)
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Capture a step again: moments may be dropped, and the model may compute otherwise."""
        self._captured: Captured | None = None
        self._steps_of_epoch = 0

    def hold(self, rows_B: Int[Tensor, "B"]) -> bool:
        """Hold the rows of the next step if they fit; they are on the host and come by scenario."""
        return self._rows.hold(rows_B)

    def take(self, step: Step, rate_share: float) -> Taken:
        """Take a step on the rows that are held; `step` is the same every time."""
        self._rate_share.fill_(rate_share)
        self._steps_of_epoch += 1
        if self._captured is None and self._steps_of_epoch > WARM_UP_STEPS and self._can_capture:
            self._captured = self._capture(step)
        if self._captured is None:
            # On the stream of the capture, as torch asks for.
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                taken = step(self._rows.read(), self._rate_share)
            torch.cuda.current_stream().wait_stream(self._stream)
            return taken
        replay, (loss, norm) = self._captured
        replay()
        return loss, norm  # until the next replay overwrites them

    def _capture(self, step: Step) -> Captured | None:
        """Return the replay of a step; None, with a notice, if it does what a graph cannot."""
        graph = torch.cuda.CUDAGraph()
        try:
            # In other threads, heartbeats and reading go on.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                results = step(self._rows.read(), self._rate_share)
        except RuntimeError as error:
            # What ends a capture hides what failed in it.
            if isinstance(error.__context__, torch.OutOfMemoryError):
                raise error.__context__ from None
            if "captur" not in str(error):  # the device is full, or failed otherwise
                raise
            self._can_capture = False
            reason = str(error).splitlines()[0]
            self._say(f"train.cuda_graphs: steps are taken one by one, no graph has them: {reason}")
            return None
        return graph.replay, results
