"""Cost of a killed slot and of checkpoints.

Times from `kill -9` of a slot until its training resumes, and trainings with and without
checkpoints in turns. A training has resumed when it asks whether to take its next step, with its
checkpoint restored.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import torch

from hinet_search.data.prepare import prepare
from hinet_search.executors import Executor, Job, JobEnd, Message
from hinet_search.executors.processes.slots import ProcessExecutor
from hinet_search.training.checkpoint import SUFFIX, VARIABLE, Checkpoints
from hinet_search.training.jobs.messages import TrainingResult, TrainJob
from hinet_search.training.jobs.train import train
from hinet_search.training.trial_config import build_config
from layout import aligned
from work import write_table

# On the disk of the checkout: a folder for temporary files may be memory.
FOLDER = Path(__file__).resolve().parent.parent / ".benchmarks"
MODEL, BATCH, EVALUATIONS = "mmoe", 2048, 4
STEP = "step"
SECONDS_APART = "1"  # between checkpoints; users have 10


@dataclass(frozen=True)
class RestartFigure:
    """Medians over the rounds; a checkpoint is written every second at most.

    `ratio` is trainings with checkpoints over those without, `share` the part of their time that
    they stand still for checkpoints, `still_seconds` for one of them.
    """

    num_rows: int
    noticed_seconds: float
    running_seconds: float
    ratio: float
    ratio_range: tuple[float, float]
    share: float
    num_checkpoints: float
    megabytes: float
    still_seconds: float


@dataclass(frozen=True)
class _Training:
    """How long one took, and stood still for every checkpoint."""

    seconds: float
    stills: tuple[float, ...]
    megabytes: float


def bench_restart(num_rows: int, *, epochs: float, rounds: int) -> RestartFigure:
    """Deaths and trainings of MMoE on one table."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="restart-", dir=FOLDER) as name, _often():
        folder = Path(name)
        definition = write_table(folder / "rows.parquet", num_rows)
        dataset = prepare(definition, folder, folder / "cache", lambda _: None).folder
        values = {
            "train.epochs": epochs,
            "train.evaluations_per_epoch": EVALUATIONS,
            "train.batch_size": BATCH,
        }
        config = build_config(MODEL, {**values, "train.patience": 0})
        job = TrainJob(dataset, config, 0, "macro_auc", "cpu")
        deaths = [
            _death(replace(job, checkpoints=folder / f"death-{number}")) for number in range(rounds)
        ]
        pairs = [
            (_training(job), _training(replace(job, checkpoints=folder / f"kept-{number}")))
            for number in range(rounds)
        ]
    ratios = [kept.seconds / plain.seconds for plain, kept in pairs]
    stills = [seconds for _, kept in pairs for seconds in kept.stills]
    return RestartFigure(
        num_rows=num_rows,
        noticed_seconds=median(noticed for noticed, _ in deaths),
        running_seconds=median(running for _, running in deaths),
        ratio=median(ratios),
        ratio_range=(min(ratios), max(ratios)),
        share=median(sum(kept.stills) / kept.seconds for _, kept in pairs),
        num_checkpoints=median(len(kept.stills) for _, kept in pairs),
        megabytes=max(kept.megabytes for _, kept in pairs),
        still_seconds=median(stills),
    )


@contextmanager
def _often() -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = SECONDS_APART
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


def _death(job: TrainJob) -> tuple[float, float]:
    """Return the seconds from the kill until it is known, and until the training resumes."""
    executor = ProcessExecutor([0])
    try:
        executor.submit(Job("arm/0", 1, train_and_say, job))
        assert job.checkpoints is not None, "it goes on from there"
        folder = job.checkpoints
        _heard(executor, lambda _: _has_checkpoint(folder))
        (slot,) = multiprocessing.active_children()
        began = time.perf_counter()
        slot.kill()
        _heard(executor, _is_end)
        noticed = time.perf_counter() - began
        executor.submit(Job("arm/0", 2, train_and_say, job))
        _heard(executor, _is_step)
        return noticed, time.perf_counter() - began
    finally:
        executor.close()


def train_and_say(
    job: TrainJob, emit: Callable[[object], None], should_stop: Callable[[], bool]
) -> None:
    """A training that says when it takes a step."""

    def asked() -> bool:
        emit(STEP)
        return should_stop()

    train(job, emit, asked)


def _heard(executor: Executor, wanted: Callable[[object], bool]) -> None:
    """Wait for a message; RuntimeError where the training ends before it."""
    while True:
        for message in executor.poll(0.05):
            if wanted(message):
                return
            if _is_end(message):
                raise RuntimeError(f"the training ended too soon, train more rows: {message}")


def _is_end(message: object) -> bool:
    return isinstance(message, JobEnd)


def _is_step(message: object) -> bool:
    return isinstance(message, Message) and message.body == STEP


def _has_checkpoint(folder: Path) -> bool:
    return any(folder.glob(f"*{SUFFIX}"))


def _training(job: TrainJob) -> _Training:
    """One, in this process."""
    stills: list[float] = []
    save = Checkpoints.save

    def timed(checkpoints: Checkpoints, *content: Any) -> None:
        began = time.perf_counter()
        save(checkpoints, *content)
        stills.append(time.perf_counter() - began)

    sent: list[object] = []
    Checkpoints.save = timed  # type: ignore[assignment, method-assign]  # timed for this training
    try:
        train(job, sent.append, lambda: False)
    finally:
        Checkpoints.save = save  # type: ignore[method-assign]
    (trained,) = [message for message in sent if isinstance(message, TrainingResult)]
    sizes = (
        [path.stat().st_size for path in job.checkpoints.glob(f"*{SUFFIX}")]
        if job.checkpoints
        else []
    )
    return _Training(trained.cost.seconds, tuple(stills), max(sizes, default=0) / 1e6)


def table(figure: RestartFigure) -> str:
    """The figure as text, a line each."""
    low, high = figure.ratio_range
    lines = [
        ("from kill -9 of a slot until it is known, s", f"{figure.noticed_seconds:.2f}"),
        ("from kill -9 of a slot until its training resumes, s", f"{figure.running_seconds:.2f}"),
        (
            "training with checkpoints over one without",
            f"{figure.ratio:.3f} ({low:.3f}-{high:.3f})",
        ),
        ("part of a training's time that it stands still for them", f"{figure.share:.2%}"),
        (
            f"checkpoints of {figure.megabytes:.0f} MB in a training, s of one",
            f"{figure.num_checkpoints:.0f}, {figure.still_seconds:.3f}",
        ),
    ]
    return aligned(lines)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    print(
        table(bench_restart(200_000 if quick else 1_000_000, epochs=1.0, rounds=2 if quick else 5))
    )


if __name__ == "__main__":
    import_module("bench_restart").main()  # slots import what they run by the name of its module
