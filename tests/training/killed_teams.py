"""Teams whose processes are killed at any moment: a training goes on where it was.

    python -m tests.training.killed_teams [20]

kills the slot's process and its partner in turn, at random moments, and compares the weights with
those of a training without kills.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import torch

from hinet_search import api
from hinet_search.executors.processes.slots import ProcessExecutor
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.jobs.messages import TrainJob
from hinet_search.training.jobs.train import train
from hinet_search.training.tensors import read_tensors
from hinet_search.training.trial_config import build_config
from tests.executors.driving import ends, said, submit
from tests.executors.processes import children_of, is_alive
from tests.small import STUDY, write_study
from tests.waiting import wait_until

SLOT, PARTNER = "slot", "partner"
KILLED = (SLOT, PARTNER)
MOST_ATTEMPTS = 50


def job_of(folder: Path) -> TrainJob:
    """A training of some seconds by two processes, with dropout and checkpoints at every step."""
    ready = api.ready(str(write_study(folder, STUDY)), LaunchOptions(output=folder / "out"))
    settings = {"train.passes": 10.0, "train.patience": 0, "model.dropout": 0.2}
    config = build_config("mmoe", settings)
    return TrainJob(ready.dataset.folder, config, 3, "mean_auc", "cpu", workers=2)


@contextmanager
def executor() -> Iterator[ProcessExecutor]:
    before = os.environ.get("HINET_SEARCH_CHECKPOINT_SECONDS")
    os.environ["HINET_SEARCH_CHECKPOINT_SECONDS"] = "0"
    try:
        with closing(ProcessExecutor([0])) as slots:
            yield slots
    finally:
        del os.environ["HINET_SEARCH_CHECKPOINT_SECONDS"]
        if before is not None:
            os.environ["HINET_SEARCH_CHECKPOINT_SECONDS"] = before


def weights_of(
    job: TrainJob, folder: Path, kills: tuple[tuple[str, float | None], ...] = ()
) -> dict[str, torch.Tensor]:
    """Train on a slot, whose processes are killed on the way; return the weights.

    They are killed so many seconds after a start, or with None once there is a checkpoint.
    """
    job = replace(job, weights=folder / "w.safetensors", checkpoints=folder / "checkpoints")
    waiting = list(kills)
    with executor() as slots:
        for _ in range(MOST_ATTEMPTS):
            if attempt(slots, job, waiting.pop(0) if waiting else None):
                break
    assert job.weights is not None, "the job has weights"
    return read_tensors(job.weights, "train again")


def attempt(slots: ProcessExecutor, job: TrainJob, kill: tuple[str, float | None] | None) -> bool:
    """Run the job once; return whether it came to its end."""
    submit(slots, train, job)
    began = time.monotonic()
    while True:
        heard = ends(said(slots, 0.02))
        if heard:
            (end,) = heard
            assert end.died or not end.cause, end.cause
            assert end.died or kill is None, "the training ended before its kill"
            return not end.died
        if kill and is_time(job, kill[1], time.monotonic() - began):
            kill = None if killed(slots, kill[0]) else kill


def is_time(job: TrainJob, at: float | None, seconds: float) -> bool:
    assert job.checkpoints is not None, "the job has checkpoints"
    return any(job.checkpoints.glob("*.json")) if at is None else seconds > at


def killed(slots: ProcessExecutor, which: str) -> bool:
    """Kill a process if it is there; return whether it was."""
    slot = slots._slots[0].process.pid
    partners = children_of(slot)
    victims = {slot} if which == SLOT else partners
    for victim in victims:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, partners)), at_most=20)  # also without their slot
    return bool(victims)


def main(times: int) -> None:
    """Print a line for every kill."""
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        job = job_of(folder)
        began = time.monotonic()
        expected = weights_of(job, folder / "whole")
        seconds_alone = time.monotonic() - began
        for number in range(times):
            which = KILLED[number % 2]
            seconds = chance.uniform(0.0, 0.6 * seconds_alone)
            weights = weights_of(job, folder / str(number), ((which, seconds),))
            same = all(torch.equal(weights[name], expected[name]) for name in expected)
            print(f"{which} killed after {seconds:.2f} s: the same weights: {same}", flush=True)  # noqa: T201  its output


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
