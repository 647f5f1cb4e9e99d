"""Probe: a short training of one configuration on this machine: how long trials take, and what memory a slot needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from torch import nn

from hinet_search.config import TrialConfig
from hinet_search.data.columns import Dataset
from hinet_search.nn.measure import REPEATS
from hinet_search.training.config import TrainConfig
from hinet_search.training.device import begin_peak_memory, peak_memory_bytes
from hinet_search.training.feed import Feed, make_feed
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.optimiser import make_optimiser
from hinet_search.training.precision import matrix_products
from hinet_search.training.staged import Staged
from hinet_search.training.trainable import CANDIDATES, INSIGHT_ROWS

PROBE_ROWS = 16_384
GROWTH_ROWS = 32_768  # of fewer rows, a stage's time says little about a stage of all
FEWEST_STEPS, MOST_STEPS = 3, 100  # the first one is slower than all that follow
SHARE_OF_PASSES = 0.7  # of those after the first, that a trial takes on average with early stopping and pruning


@dataclass(frozen=True)
class Probed:
    """Seconds that trainings are expected to take on one slot, and memory at its peak.

    A finalist is trained to its end, measured and looked into, and may be scored on test.
    """

    seconds_per_trial: float
    seconds_per_finalist: float
    memory_bytes: int


def probe(config: TrialConfig, dataset: Dataset, device: torch.device, seconds: float) -> Probed:
    """Train for about `seconds`, for three steps at least; a model that grows does so for one stage on some rows."""
    dataset, schema = config.features.view(dataset)
    begin_peak_memory(device)
    model = config.build(schema)
    share = _share_of(config.train.passes)
    if isinstance(model, Staged):
        whole = _seconds_of_growth(model, dataset)
        return Probed(share * whole, whole, peak_memory_bytes(torch.device("cpu")))
    feed = make_feed(dataset.train.head(PROBE_ROWS), device)
    seconds_per_row = _seconds_per_row(model.to(device), feed, config.train, seconds)
    evaluations = config.train.passes * config.train.evaluations_per_pass
    rows = config.train.passes * dataset.train.num_rows + evaluations * dataset.valid.num_rows / 3  # no backward
    shown = min(INSIGHT_ROWS, dataset.valid.num_rows) + REPEATS * CANDIDATES  # experts are compared meanwhile
    scored = (dataset.valid.num_rows + dataset.test.num_rows) / 3
    whole = rows * seconds_per_row
    return Probed(share * whole, whole + (shown + scored) * seconds_per_row, peak_memory_bytes(device))


def _share_of(passes: float) -> float:
    """Of all passes, that a trial takes on average: hardly any is given up in the first one."""
    return 1.0 if passes <= 1 else (1 + SHARE_OF_PASSES * (passes - 1)) / passes


def _seconds_of_growth(model: Staged, dataset: Dataset) -> float:
    """All stages, from the first one on the first rows."""
    rows = dataset.train.head(GROWTH_ROWS)
    began = perf_counter()
    with _one_thread():
        share = next(model.stages(rows, seed=0))
    return (perf_counter() - began) / share * dataset.train.num_rows / rows.num_rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """As a slot works."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _seconds_per_row(model: nn.Module, feed: Feed, config: TrainConfig, seconds: float) -> float:
    """Median over the steps of a short training on the first rows."""
    optimiser = make_optimiser(model, config)
    rows_B = torch.arange(min(config.batch_size, len(feed)))
    took: list[float] = []
    with _one_thread():
        while len(took) < FEWEST_STEPS or (sum(took) < seconds and len(took) < MOST_STEPS):
            began = perf_counter()
            batch, labels_BT = feed.select(rows_B)
            optimiser.zero_grad()
            with matrix_products(config, feed.device):
                logits_BT = model(batch)
            torch.autograd.backward(own_scenario_loss(logits_BT.float(), labels_BT))
            optimiser.step()
            if feed.device.type == "cuda":
                torch.cuda.synchronize(feed.device)  # steps are handed over, and waited for nowhere else
            took.append(perf_counter() - began)
    return median(took) / len(rows_B)
