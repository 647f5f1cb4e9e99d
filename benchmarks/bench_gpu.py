"""GPU: training against the plain reference, utilisation, several slots, stacked seeds."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import profiler

import bench_stacked
import plain
from bench_slots import study_seconds
from bench_stacked import StackedFigure
from bench_training import TRAINING, VARIANTS, WARM_UP_STEPS, our_training
from contestants import contests
from hinet_search.api import ready
from hinet_search.data.columns import Dataset
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.device import Wanted
from hinet_search.training.feed import make_feed
from layout import aligned

BATCH = 8192
STUDY, TRIALS = "quickstart", 16  # trials of each arm: enough for eight slots
SLOTS, SEEDS = (1, 4, 8), (1, 8, 32)
PROFILED_STEPS = 20


@dataclass(frozen=True)
class Speed:
    """One variant of one model: rows a second, median ratio to the plain reference, utilisation.

    `busy` is the share of the time of some steps in which the device computes; None on a CPU.
    """

    model: str
    variant: str
    rows_per_second: float
    plain_rows_per_second: float
    ratio: float
    busy: float | None


@dataclass(frozen=True)
class ManyTrials:
    """Trials an hour of a whole study, its finalists and the start of its slots within."""

    study: str
    slots: int
    trials_per_hour: float


@dataclass(frozen=True)
class GPUFigures:
    """All of one device."""

    device: str
    training: list[Speed]
    slots: list[ManyTrials]
    stacked: list[StackedFigure]


@dataclass(frozen=True)
class NoGPU:
    """Why nothing was measured."""

    reason: str


def bench_gpu(dataset: Dataset, *, rounds: int, seconds: float) -> GPUFigures | NoGPU:
    """Everything, where torch sees a GPU."""
    if not torch.cuda.is_available():
        return NoGPU(f"torch {torch.__version__} sees no GPU")
    device = torch.device("cuda")
    return GPUFigures(
        device=torch.cuda.get_device_name(device),
        training=speeds_on(device, dataset, rounds=rounds, seconds=seconds),
        slots=many_trials("cuda", SLOTS, TRIALS),
        stacked=bench_stacked.bench_stacked(
            dataset, batch_sizes=(BATCH,), numbers=SEEDS, rounds=rounds, device=device.type
        ),
    )


def speeds_on(
    device: torch.device, dataset: Dataset, *, rounds: int, seconds: float
) -> list[Speed]:
    """Every variant of every model, by turns; a CPU shows that it works where there is no GPU."""
    feed = make_feed(dataset.train, device)
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
        speeds = [
            [_rows_per_second(training, seconds, device) for training in trainings]
            for _ in range(rounds)
        ]
        *ours, theirs = zip(*speeds, strict=True)
        figures += [
            Speed(
                model=contest.name,
                variant=variant,
                rows_per_second=median(rates),
                plain_rows_per_second=median(theirs),
                ratio=median(mine / other for mine, other in zip(rates, theirs, strict=True)),
                busy=_busy(training, device) if device.type == "cuda" else None,
            )
            for variant, rates, training in zip(VARIANTS, ours, trainings, strict=False)
        ]
    return figures


def many_trials(device: Wanted, slots: Sequence[int], trials: int) -> list[ManyTrials]:
    """The same study with so many slots on one device."""
    arms = len(ready(STUDY, LaunchOptions(trials=trials, device=device)).study.arms)
    return [
        ManyTrials(
            STUDY, number, 3600 * trials * arms / study_seconds(STUDY, trials, number, device)
        )
        for number in slots
    ]


def _rows_per_second(training: Iterator[int], seconds: float, device: torch.device) -> float:
    """Steps for at least so long, and until the device has done them."""
    began, num_rows = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        num_rows += next(training)
    _wait_for(device)
    return num_rows / (time.perf_counter() - began)


def _busy(training: Iterator[int], device: torch.device) -> float:
    """Return the device's busy time over the time of the steps; each stream counts separately."""
    _wait_for(device)
    with profiler.profile(activities=[profiler.ProfilerActivity.CUDA]) as profile:
        began = time.perf_counter()
        for _ in range(PROFILED_STEPS):
            next(training)
        _wait_for(device)
        seconds = time.perf_counter() - began
    busy: float = sum(event.self_device_time_total for event in profile.key_averages()) / 1e6
    return busy / seconds


def _wait_for(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def table(figures: GPUFigures | NoGPU) -> str:
    """The figures as text, a line each, or why there are none."""
    if isinstance(figures, NoGPU):
        return f"not measured: {figures.reason}"
    speeds = [(f"rows/s on {figures.device}", "ours", "plain", "ratio", "busy")]
    speeds += [
        (
            f"{speed.model}, {speed.variant}",
            f"{speed.rows_per_second:,.0f}",
            f"{speed.plain_rows_per_second:,.0f}",
            f"{speed.ratio:.1f}",
            "" if speed.busy is None else f"{speed.busy:.0%}",
        )
        for speed in figures.training
    ]
    slots = [("a study", "slots", "trials an hour")]
    slots += [
        (study.study, str(study.slots), f"{study.trials_per_hour:,.0f}") for study in figures.slots
    ]
    return "\n\n".join([aligned(speeds), aligned(slots), bench_stacked.table(figures.stacked)])
