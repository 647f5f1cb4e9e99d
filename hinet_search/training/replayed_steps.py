"""Replayed steps: training steps that a GPU repeats as one CUDA graph, without Python.

A step of a small model is hundreds of kernels that run faster than the host launches them. A graph
is captured from one step: its kernels, and the memory that they read and write. So batches have one
shape (fixed_rows.py), and what changes from step to step lies in tensors that stay. A batch that
does not fit is no such step. What a new pass changes is captured again.
No GPU has run this yet: tests/device/ simulates capture and replay.
Shape legend: B rows of a batch.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hinet_search.common.errors import ConfigurationError
from hinet_search.models.layers.contracts import BatchDependent, IndependentParts, WeightDependent
from hinet_search.training.fixed_rows import FixedRows, PlacedRows, places_of
from hinet_search.training.run_state import TrainingRun
from hinet_search.training.streamed_feed import StreamedFeed

# Steps of a pass before one is captured: libraries allocate, and Adam makes its moments.
WARM_UP_STEPS = 3
MOST_PLACES = 4  # for each row of a batch
Taken = tuple[Tensor, Tensor]  # loss and gradient norm, on the device
Captured = tuple[Callable[[], None], Taken]  # what replays a step, and where its results will be
Step = Callable[[PlacedRows, Float[Tensor, ""]], Taken]  # on rows, at a share of the rates


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

    def __init__(self, run: TrainingRun) -> None:
        # Without rows of a scenario, its part of a model must be left alone.
        needs_every = isinstance(run.model, IndependentParts)
        batch_size = run.conditions.config.batch_size
        self._rows = FixedRows(run.feed, batch_size, needs_every=needs_every)
        self._rate_share = torch.ones((), device=run.feed.device)
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.begin_pass()

    def begin_pass(self) -> None:
        """Capture a step again: moments may be dropped, and the model may compute otherwise."""
        self._captured: Captured | None = None
        self._steps_of_pass = 0

    def hold(self, rows_B: Int[Tensor, "B"]) -> bool:
        """Hold the rows of the next step if they fit; they are on the host and come by scenario."""
        return self._rows.hold(rows_B)

    def take(self, step: Step, rate_share: float) -> Taken:
        """Take a step on the rows that are held; `step` is the same every time."""
        self._rate_share.fill_(rate_share)
        self._steps_of_pass += 1
        if self._steps_of_pass <= WARM_UP_STEPS:
            return self._take_unrecorded(step)
        if self._captured is None:
            self._captured = self._capture(step)
        replay, (loss, norm) = self._captured
        replay()
        return loss.clone(), norm.clone()  # the next replay overwrites them

    def _capture(self, step: Step) -> Captured:
        """Return the replay of a step; ConfigurationError if the step does what a graph cannot."""
        graph = torch.cuda.CUDAGraph()
        try:
            # In other threads, heartbeats and reading go on.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                results = step(self._rows.read(), self._rate_share)
        except RuntimeError as error:
            if "captur" not in str(error):  # the device is full, or failed otherwise
                raise
            raise ConfigurationError(
                "train.cuda_graphs needs steps that a CUDA graph can repeat, but: "
                f"{str(error).splitlines()[0]}",
                remedy="set train.cuda_graphs to false: steps are then taken one by one",
            ) from error
        return graph.replay, results

    def _take_unrecorded(self, step: Step) -> Taken:
        """Take a step on the stream of the capture, as torch asks for."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            taken = step(self._rows.read(), self._rate_share)
        torch.cuda.current_stream().wait_stream(self._stream)
        return taken
