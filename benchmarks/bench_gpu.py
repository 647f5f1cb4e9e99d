"""Training speed on a GPU: our models with their columns there, against the plain reference on the same one."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch

import plain
from bench_training import TRAINING, VARIANTS, WARM_UP_STEPS, our_training
from contestants import contests
from hinet_search.data.columns import Dataset
from hinet_search.training.feed import make_feed
from layout import aligned

BATCH = 8192


@dataclass(frozen=True)
class GPUFigure:
    """One variant of one model on one device: rows a second, and the median of the rounds' ratios to the plain reference."""

    device: str
    model: str
    variant: str
    rows_per_second: float
    plain_rows_per_second: float
    ratio: float


@dataclass(frozen=True)
class NoGPU:
    """Why nothing was measured."""

    reason: str


def bench_gpu(dataset: Dataset, *, rounds: int, seconds: float) -> list[GPUFigure] | NoGPU:
    """Every variant of every model, by turns, where torch sees a GPU."""
    if not torch.cuda.is_available():
        return NoGPU(f"torch {torch.__version__} sees no GPU")
    return figures_on(torch.device("cuda"), dataset, rounds=rounds, seconds=seconds)


def figures_on(device: torch.device, dataset: Dataset, *, rounds: int, seconds: float) -> list[GPUFigure]:
    """The figures of a device; a CPU shows that it works where there is no GPU."""
    feed = make_feed(dataset.train, device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    figures = []
    for contest in contests(dataset.full_schema):
        configs = [config.model_copy(update={"batch_size": BATCH}) for config in VARIANTS.values()]
        trainings = [our_training(contest.ours(), feed, config) for config in configs]
        rate = TRAINING.learning_rate
        trainings.append(plain.plain_training(contest.plain(), dataset.train, BATCH, rate, device))
        for training in trainings:
            for _ in range(WARM_UP_STEPS):
                next(training)
        _wait_for(device)
        speeds = [[_rows_per_second(training, seconds, device) for training in trainings] for _ in range(rounds)]
        *ours, theirs = zip(*speeds, strict=True)
        figures += [
            GPUFigure(
                device=name,
                model=contest.name,
                variant=variant,
                rows_per_second=median(one),
                plain_rows_per_second=median(theirs),
                ratio=median(mine / other for mine, other in zip(one, theirs, strict=True)),
            )
            for variant, one in zip(VARIANTS, ours, strict=True)
        ]
    return figures


def _rows_per_second(training: Iterator[int], seconds: float, device: torch.device) -> float:
    """Steps for at least so long, and until the device has done them."""
    began, num_rows = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        num_rows += next(training)
    _wait_for(device)
    return num_rows / (time.perf_counter() - began)


def _wait_for(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def table(figures: Sequence[GPUFigure] | NoGPU) -> str:
    """The figures as text, a line each, or why there are none."""
    if isinstance(figures, NoGPU):
        return f"not measured: {figures.reason}"
    lines = [(f"rows/s on {figures[0].device}", "ours", "plain", "ratio")]
    lines += [
        (
            f"{one.model}, {one.variant}",
            f"{one.rows_per_second:,.0f}",
            f"{one.plain_rows_per_second:,.0f}",
            f"{one.ratio:.1f}",
        )
        for one in figures
    ]
    return aligned(lines)
