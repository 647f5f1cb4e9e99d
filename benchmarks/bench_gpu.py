"""GPU: training against a plain reference on the device, evaluation, upload, slots.

    python benchmarks/bench_gpu.py PART ... [--device cpu]

Every part takes less than ten minutes and prints its table; `run.py --only gpu` measures all parts
into a result file. On a CPU the parts show that they work, and nothing else.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn, profiler

import plain
from bench_slots import study_seconds
from bench_training import TRAINING, VARIANTS, WARM_UP_STEPS, our_training
from contestants import SEED, Contest, contests
from hinet_search.api import ready
from hinet_search.data.columns import Dataset
from hinet_search.results.objectives import objective_named
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.device import Wanted, sort_on
from hinet_search.training.feed import forget_copies, make_feed, predict
from hinet_search.training.fit import TrainingSteps
from hinet_search.training.metrics import cell_values
from hinet_search.training.run_state import Conditions, batches, begin
from hinet_search.training.train_config import TrainConfig
from layout import aligned
from work import make_dataset

BATCHES = (1024, 2048, 8192)
TF32 = "adam, tf32"  # the products of dense Adam's steps in TF32
GRAPHS = "adam, graphs"  # and its steps in fp32 replayed as one graph (training/replayed_steps.py)
STUDY, TRIALS = "quickstart", 16  # trials of each arm: enough for eight slots
SLOTS = (1, 4, 8)
ROUNDS, SECONDS, PROFILED_STEPS = 3, 0.3, 20
MANY_EPOCHS = 1e4


@dataclass(frozen=True)
class Speed:
    """One variant of one model at one batch size: medians of the rounds.

    `ratio` is that to the plain reference with its rows on the device. `busy` is the share of the
    time of some steps in which the device computes, `kernels` their number in a step, `megabytes`
    the peak memory of the device; None on a CPU.
    """

    model: str
    variant: str
    batch_size: int
    rows_per_second: float
    plain_rows_per_second: float
    ratio: float
    busy: float | None
    kernels: float | None
    megabytes: float | None


@dataclass(frozen=True)
class Scoring:
    """Rows a second to score a split on the device, and the seconds of its metrics."""

    model: str
    rows_per_second: float
    metrics_seconds: float


@dataclass(frozen=True)
class Upload:
    """Megabytes of the training rows, and the seconds until they are on the device."""

    megabytes: float
    seconds: float


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
    evaluation: list[Scoring]
    upload: list[Upload]
    slots: list[ManyTrials]


@dataclass(frozen=True)
class NoGPU:
    """Why nothing was measured."""

    reason: str


def bench_gpu(dataset: Dataset) -> GPUFigures | NoGPU:
    """Everything, where torch sees a GPU."""
    if not torch.cuda.is_available():
        return NoGPU(f"torch {torch.__version__} sees no GPU")
    device = torch.device("cuda", 0)
    return GPUFigures(
        device=torch.cuda.get_device_name(device),
        training=trainings(device, dataset),
        evaluation=evaluations(device, dataset),
        upload=uploads(device, dataset),
        slots=many_trials(device, dataset),
    )


def trainings(device: torch.device, dataset: Dataset) -> list[Speed]:
    """Every variant of every model at every batch size, in turns."""
    return [
        speed
        for contest in contests(dataset.full_schema)
        for batch_size in BATCHES
        for speed in _speeds(device, dataset, contest, batch_size)
    ]


def _speeds(
    device: torch.device, dataset: Dataset, contest: Contest, batch_size: int
) -> list[Speed]:
    feed = make_feed(dataset.train, device)
    configs = [config.model_copy(update={"batch_size": batch_size}) for config in VARIANTS.values()]
    of_variant = {
        variant: our_training(contest.ours(), feed, config)
        for variant, config in zip(VARIANTS, configs, strict=True)
    }
    in_tf32 = configs[0].model_copy(update={"precision": "tf32"})
    of_variant[TF32] = our_training(contest.ours(), feed, in_tf32)
    replayed = configs[0].model_copy(update={"cuda_graphs": True, "epochs": MANY_EPOCHS})
    of_variant[GRAPHS] = _whole_training(contest.ours(), dataset, replayed, device)
    reference = plain.training_on_device(
        contest.plain(), dataset.train, batch_size, TRAINING.learning_rate, device
    )
    rates: dict[str, list[float]] = {name: [] for name in (*of_variant, "plain")}
    for number in range(ROUNDS + 1):
        for name, steps in {**of_variant, "plain": reference}.items():
            if number == 0:
                _take(steps, WARM_UP_STEPS, device)
            else:
                rates[name].append(_rows_per_second(steps, device))
    speeds = []
    for name, steps in of_variant.items():
        busy, kernels, megabytes = _profiled(steps, device)
        ratios = [mine / other for mine, other in zip(rates[name], rates["plain"], strict=True)]
        speeds.append(
            Speed(
                contest.name,
                name,
                batch_size,
                median(rates[name]),
                median(rates["plain"]),
                median(ratios),
                busy,
                kernels,
                megabytes,
            )
        )
    return speeds


def _whole_training(
    model: nn.Module, dataset: Dataset, config: TrainConfig, device: torch.device
) -> Iterator[int]:
    """Yield the rows of each step of training/fit.py itself, without evaluations."""
    objective = objective_named("macro_auc")
    given = Conditions(dataset, dataset.full_schema, config, SEED, objective, device)
    run, state = begin(model.to(device).train(), given, began=0.0)
    steps = TrainingSteps(run, print)

    def begin_epoch(epochs_done: int) -> None:
        state.step_log.read(state.step)
        steps.begin_epoch(epochs_done)

    for rows_B in batches(run, 0, begin_epoch):
        steps.take(state, rows_B)
        yield len(rows_B)


def evaluations(device: torch.device, dataset: Dataset) -> list[Scoring]:
    """Score the training rows, which are the most, and compute their metrics."""
    feed = make_feed(dataset.train, device)
    figures = []
    for contest in contests(dataset.full_schema):
        model = contest.ours().to(device)
        predict(model, feed)
        began = time.perf_counter()
        scores_RT = predict(model, feed)
        scored = time.perf_counter()
        cell_values(scores_RT, dataset.train, dataset.full_schema.cells, sort_on(device))
        seconds = time.perf_counter() - scored
        figures.append(Scoring(contest.name, len(feed) / (scored - began), seconds))
    return figures


def uploads(device: torch.device, dataset: Dataset) -> list[Upload]:
    """Copy the training rows to the device, once they are in memory."""
    figures = []
    for _ in range(ROUNDS):
        forget_copies()
        _wait_for(device)
        began = time.perf_counter()
        make_feed(dataset.train, device)
        _wait_for(device)
        seconds = time.perf_counter() - began
        columns = dataset.train
        parts = (columns.ids_RF, columns.numeric_RN, columns.scenario_R, columns.labels_RT)
        figures.append(Upload(sum(part.nbytes for part in parts) / 1e6, seconds))
    return [sorted(figures, key=lambda figure: figure.seconds)[ROUNDS // 2]]


def many_trials(device: torch.device, dataset: Dataset) -> list[ManyTrials]:  # noqa: ARG001  the study has its own
    """The same study with 1, 4 and 8 slots on one device."""
    wanted: Wanted = "cuda" if device.type == "cuda" else "cpu"
    arms = len(ready(STUDY, LaunchOptions(trials=TRIALS, device=wanted)).study.arms)
    return [
        ManyTrials(
            STUDY, number, 3600 * TRIALS * arms / study_seconds(STUDY, TRIALS, number, wanted)
        )
        for number in SLOTS
    ]


def _take(steps: Iterator[int], number: int, device: torch.device) -> None:
    for _ in range(number):
        next(steps)
    _wait_for(device)


def _rows_per_second(steps: Iterator[int], device: torch.device) -> float:
    """Steps for at least SECONDS, and until the device has done them."""
    began, num_rows = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        num_rows += next(steps)
    _wait_for(device)
    return num_rows / (time.perf_counter() - began)


def _profiled(
    steps: Iterator[int], device: torch.device
) -> tuple[float | None, float | None, float | None]:
    """Return the device's share of the time, kernels in a step, and peak megabytes."""
    if device.type != "cuda":
        return None, None, None
    torch.cuda.reset_peak_memory_stats(device)
    with profiler.profile(activities=[profiler.ProfilerActivity.CUDA]) as profile:
        began = time.perf_counter()
        _take(steps, PROFILED_STEPS, device)
        seconds = time.perf_counter() - began
    events = [event for event in profile.key_averages() if event.self_device_time_total > 0]
    busy = sum(event.self_device_time_total for event in events) / 1e6  # each stream by itself
    kernels = sum(event.count for event in events) / PROFILED_STEPS
    return busy / seconds, kernels, torch.cuda.max_memory_allocated(device) / 1e6


def _wait_for(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def table(figures: GPUFigures | NoGPU) -> str:
    """The figures as text, a line each, or why there are none."""
    if isinstance(figures, NoGPU):
        return f"not measured: {figures.reason}"
    parts = (
        table_of_trainings(figures.training),
        table_of_evaluations(figures.evaluation),
        table_of_uploads(figures.upload),
        table_of_slots(figures.slots),
    )
    return "\n\n".join([figures.device, *parts])


def table_of_trainings(speeds: Sequence[Speed]) -> str:
    """A line for each variant of a model at a batch size."""
    lines = [("rows/s", "batch", "ours", "plain", "ratio", "busy", "kernels", "MB")]
    for speed in speeds:
        on_device = ("", "", "")
        if speed.busy is not None:
            on_device = f"{speed.busy:.0%}", f"{speed.kernels:.0f}", f"{speed.megabytes:,.0f}"
        name = f"{speed.model}, {speed.variant}"
        ours, other = f"{speed.rows_per_second:,.0f}", f"{speed.plain_rows_per_second:,.0f}"
        lines.append((name, f"{speed.batch_size:,}", ours, other, f"{speed.ratio:.1f}", *on_device))
    return aligned(lines)


def table_of_evaluations(figures: Sequence[Scoring]) -> str:
    """A line for each model."""
    lines = [("evaluation", "rows/s", "metrics, s")]
    lines += [
        (figure.model, f"{figure.rows_per_second:,.0f}", f"{figure.metrics_seconds:.2f}")
        for figure in figures
    ]
    return aligned(lines)


def table_of_uploads(figures: Sequence[Upload]) -> str:
    """The upload."""
    lines = [("upload, MB", "s")]
    lines += [(f"{figure.megabytes:,.0f}", f"{figure.seconds:.3f}") for figure in figures]
    return aligned(lines)


def table_of_slots(figures: Sequence[ManyTrials]) -> str:
    """A line for each number of slots."""
    lines = [("a study", "slots", "trials an hour")]
    lines += [(each.study, str(each.slots), f"{each.trials_per_hour:,.0f}") for each in figures]
    return aligned(lines)


PARTS: dict[str, Callable[[torch.device, Dataset], str]] = {
    "training": lambda *given: table_of_trainings(trainings(*given)),
    "evaluation": lambda *given: table_of_evaluations(evaluations(*given)),
    "upload": lambda *given: table_of_uploads(uploads(*given)),
    "slots": lambda *given: table_of_slots(many_trials(*given)),
}


def main() -> None:
    """Measure the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    device, dataset = torch.device(given.device), make_dataset(given.rows)
    for part in given.parts:
        began = time.perf_counter()
        print(PARTS[part](device, dataset), flush=True)
        print(f"{part}: {time.perf_counter() - began:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
