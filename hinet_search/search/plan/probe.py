"""Probe: train one configuration briefly to estimate a trial's duration and a slot's memory.

On a CPU, time is what this process computes, so that what other work takes does not count: that may
be gone in the next minute, or may have just begun (machine.py).

Probes run in this process on the CPU, and on a slot of their own on a GPU: a process that has used
a GPU holds some of its memory until it ends, and keeps all others off a device of exclusive mode.
The coordinator lives as long as its study, so it must not be that one.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import torch
from torch import nn

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.plugins import allow_only, allowed
from hinet_search.data.columns import Dataset
from hinet_search.executors import Emit, Job, JobEnd, Message, ShouldStop
from hinet_search.executors.processes.slots import ProcessExecutor
from hinet_search.models.layers.measure import REPEATS
from hinet_search.training.device import (
    begin_peak_memory,
    memory_errors_explained,
    peak_memory_bytes,
)
from hinet_search.training.feed import Feed, make_feed
from hinet_search.training.fit import forward_products, fp32_products
from hinet_search.training.fit_staged import Staged
from hinet_search.training.jobs.score import limit_threads, open_dataset
from hinet_search.training.optimiser import make_optimiser
from hinet_search.training.row_order import BYTES_OF_A_ROW
from hinet_search.training.teaching import StepLoss, step_loss
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trainable import CANDIDATES, INSIGHT_ROWS
from hinet_search.training.trial_config import TrialConfig

PROBE_ROWS = 2**18  # rows of large tables of ids are looked up in memory, not in a cache
GROWTH_ROWS = 32_768  # the time of a stage on fewer rows says little about one on all rows
GROWN_SHARE = 0.08  # of the rounds of trees: less would be timed badly
FEWEST_STEPS, MOST_STEPS = 3, 100  # the first step is slower than all that follow
# Of the epochs after the first, the share that a trial takes on average, with early stopping and
# pruning.
SHARE_OF_EPOCHS = 0.7
POLL_SECONDS = 1.0  # of a slot that probes


@dataclass(frozen=True)
class ProbeResult:
    """Expected seconds of trainings on one slot, and peak memory.

    A finalist is trained to its end, measured and diagnosed, and may be scored on test.
    """

    seconds_per_trial: float
    seconds_per_finalist: float
    memory_bytes: int


Prober = Callable[[TrialConfig, float], ProbeResult]  # probes a configuration for some seconds


@dataclass(frozen=True)
class ProbeJob:
    """Probe a configuration on a slot; models may come from `plugins`."""

    dataset: Path
    device: torch.device
    config: TrialConfig
    seconds: float
    plugins: tuple[str, ...] = field(default_factory=allowed)


@contextmanager
def prober(dataset: Dataset, device: torch.device) -> Iterator[Prober]:
    """Give the function that probes on the device; it raises what `probe` raises."""
    if device.type != "cuda":
        yield lambda config, seconds: probe(config, dataset, device, seconds)
        return
    with closing(ProcessExecutor([0])) as slot:
        yield partial(probe_on_slot, slot, dataset.folder, device)


def probe_on_slot(
    slot: ProcessExecutor, dataset: Path, device: torch.device, config: TrialConfig, seconds: float
) -> ProbeResult:
    """Probe in the process of a slot.

    Errors: MemoryError when that ran out of memory or died, EnvironmentFault for any other failure.
    """
    slot.submit(Job("probe", 1, run_probe, ProbeJob(dataset, device, config, seconds)))
    result: ProbeResult | None = None
    while True:
        for event in slot.poll(POLL_SECONDS):
            if isinstance(event, Message):
                result = event.body
            if isinstance(event, JobEnd):
                if result is not None:
                    return result
                if event.died:
                    raise MemoryError(event.cause)
                raise EnvironmentFault(
                    f"the probe of a training must end with a result, but {event.cause}"
                )


def run_probe(job: ProbeJob, emit: Emit, should_stop: ShouldStop) -> None:  # noqa: ARG001
    """Emit the result of a probe."""
    limit_threads()
    allow_only(job.plugins)
    emit(probe(job.config, open_dataset(job.dataset), job.device, job.seconds))


def probe(
    config: TrialConfig, dataset: Dataset, device: torch.device, seconds: float
) -> ProbeResult:
    """Train for about `seconds`, at least three steps; grow a part of a model that grows.

    Errors: MemoryError, with the text of `memory_errors_explained`.
    """
    with memory_errors_explained(device, f"batch size {config.train.batch_size:,}"):
        return _probed(config, dataset, device, seconds)


def _probed(
    config: TrialConfig, dataset: Dataset, device: torch.device, seconds: float
) -> ProbeResult:
    dataset, schema = config.features.view(dataset)
    begin_peak_memory(device)
    model = config.build(schema)
    share = _share_of(config.train.epochs)
    if isinstance(model, Staged):
        training = _seconds_of_growth(model, dataset)
        return ProbeResult(share * training, training, peak_memory_bytes(torch.device("cpu")))
    feed = make_feed(dataset.train.head(PROBE_ROWS), device)
    loss = step_loss(config.train, schema, dataset.train, None, device)
    seconds_per_row = _seconds_per_row(model.to(device), config.train, feed, loss, seconds)
    evaluations = config.train.epochs * config.train.evaluations_per_epoch
    # Without a backward pass a row takes about a third of the time.
    rows = config.train.epochs * dataset.train.num_rows + evaluations * dataset.valid.num_rows / 3
    # Diagnostics use rows to compare experts, and requests of CANDIDATES rows to time the model.
    diagnosed = min(INSIGHT_ROWS, dataset.valid.num_rows) + REPEATS * CANDIDATES
    scored = (dataset.valid.num_rows + dataset.test.num_rows) / 3
    training = rows * seconds_per_row
    finalist = training + (diagnosed + scored) * seconds_per_row
    memory = peak_memory_bytes(device)
    memory += sum(tensor.nbytes for tensor in model.state_dict().values())  # a copy of the best
    if device.type == "cpu":
        memory += BYTES_OF_A_ROW[config.train.shuffle] * dataset.train.num_rows
    return ProbeResult(share * training, finalist, memory)


def _share_of(epochs: float) -> float:
    """Return the share of all epochs that a trial takes on average; few are pruned in the first."""
    return 1.0 if epochs <= 1 else (1 + SHARE_OF_EPOCHS * (epochs - 1)) / epochs


def _seconds_of_growth(model: Staged, dataset: Dataset) -> float:
    """Estimate the seconds of all stages from the first ones on the first rows."""
    rows = dataset.train.head(GROWTH_ROWS)
    with _one_thread():
        next(model.stages(rows, seed=0))  # loads the library, which takes seconds
        began = process_time()  # trees grow on the CPU
        share = next(share for share in model.stages(rows, seed=0) if share >= GROWN_SHARE)
        seconds = process_time() - began
    return seconds / share * dataset.train.num_rows / rows.num_rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread, as in a slot."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _seconds_per_row(
    model: nn.Module, config: TrainConfig, feed: Feed, loss: StepLoss, seconds: float
) -> float:
    """Return the median over the steps of a short training, each on rows of its own if it can."""
    optimiser = make_optimiser(model, config)
    batch_size = min(config.batch_size, len(feed))
    num_batches = len(feed) // batch_size
    clock: Callable[[], float] = process_time if feed.device.type == "cpu" else perf_counter
    durations: list[float] = []
    until = perf_counter() + seconds
    with _one_thread():
        while len(durations) < FEWEST_STEPS or (
            perf_counter() < until and len(durations) < MOST_STEPS
        ):
            rows_B = torch.arange(batch_size) + len(durations) % num_batches * batch_size
            began = clock()
            batch, labels_BT = feed.select(rows_B)
            optimiser.zero_grad()
            with fp32_products(config, feed.device):
                with forward_products(config, feed.device):
                    logits_BT = model(batch)
                of_step = loss(logits_BT.float(), labels_BT, rows_B, batch.scenario_B)
                torch.autograd.backward(of_step)
            optimiser.step()
            if feed.device.type == "cuda":
                torch.cuda.synchronize(feed.device)  # nothing else waits for the kernels
            durations.append(clock() - began)
    return median(durations) / batch_size
