"""Light jobs: what a slot does in a storm instead of training. They import nothing heavy, so that a slot starts at once.

Values follow from the learning rate and the step, so that every one in the database can be told to be the right one.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.chaos.history import note

Manner = Literal["well", "kills itself", "exits", "out of memory", "deaf"]


@dataclass(frozen=True)
class Light:
    """A fake training, test access or summary. `where` is the folder of histories."""

    kind: Literal["train", "open", "summary"]
    key: str
    where: Path
    rate: float = 0.0
    seed: int = 0
    seeds: tuple[int, ...] = ()
    evaluations: int = 1
    seconds: float = 0.0  # an evaluation
    manner: Manner = "well"
    checkpoints: Path | None = None
    weights: Path | None = None


def value_of(rate: float, step: int) -> float:
    """The objective after so many evaluations."""
    return 0.5 + rate * step


def run(light: Light, emit: Callable[[object], None], should_stop: Callable[[], bool]) -> None:
    """Do the job; write its history before sending any message."""
    if light.kind == "train":
        _train(light, emit, should_stop)
    elif light.kind == "open":
        note(light.where, what="opened", key=light.key)
        emit(("opened", value_of(light.rate, 1)))
    else:
        emit(("summary", light.seeds))


def _train(light: Light, emit: Callable[[object], None], should_stop: Callable[[], bool]) -> None:
    done = _resumed(light)
    note(light.where, what="begin", key=light.key, seed=light.seed, done=done)
    for step in range(1, done + 1):
        emit(("evaluation", step, value_of(light.rate, step)))
    for step in range(done + 1, light.evaluations + 1):
        _wait(light)
        if light.manner != "deaf" and should_stop():
            emit(("trained", step - 1, value_of(light.rate, step - 1), True))
            return
        note(
            light.where,
            what="evaluation",
            key=light.key,
            step=step,
            value=value_of(light.rate, step),
        )
        emit(("evaluation", step, value_of(light.rate, step)))
        _keep(light, step)
    if light.weights:
        light.weights.parent.mkdir(parents=True, exist_ok=True)
        light.weights.write_text(str(light.seed))
    note(light.where, what="trained", key=light.key, seed=light.seed)
    emit(("trained", light.evaluations, value_of(light.rate, light.evaluations), False))


def _wait(light: Light) -> None:
    time.sleep(light.seconds)
    if light.manner == "kills itself":
        os.kill(os.getpid(), signal.SIGKILL)
    elif light.manner == "exits":
        raise SystemExit(3)
    elif light.manner == "out of memory":
        raise MemoryError


def _keep(light: Light, step: int) -> None:
    if light.checkpoints:
        light.checkpoints.mkdir(parents=True, exist_ok=True)
        part = light.checkpoints / "part"
        part.write_text(json.dumps(step))
        part.replace(light.checkpoints / "step")


def _resumed(light: Light) -> int:
    kept = light.checkpoints / "step" if light.checkpoints else None
    return int(json.loads(kept.read_text())) if kept and kept.exists() else 0
