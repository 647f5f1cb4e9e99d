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
    """A fake training, test access, summary, or other work with files.

    `where` is the folder of histories. Work of any kind needs some files and makes others.
    """

    kind: Literal["train", "open", "summary", "selection", "member", "teacher", "ensemble", "refit"]
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
    measured_first: bool = False
    needs: tuple[Path, ...] = ()
    makes: tuple[Path, ...] = ()


def value_of(rate: float, step: int) -> float:
    """The objective after so many evaluations."""
    return 0.5 + rate * step


def run(light: Light, emit: Callable[[object], None], should_stop: Callable[[], bool]) -> None:
    """Do the job; write its history before sending any message."""
    missing = [str(path) for path in light.needs if not path.exists()]
    assert not missing, f"{light.key} needs {missing}"
    if light.kind == "train":
        _train(light, emit, should_stop)
    elif light.kind == "open":
        note(light.where, what="opened", key=light.key)
        emit(("opened", value_of(light.rate, 1)))
    elif light.kind == "summary":
        emit(("summary", light.seeds))
    else:
        _wait(light)
        for path in light.makes:
            _write(path, light.key)
        note(light.where, what=light.kind, key=light.key)
        emit((light.kind, len(light.needs)))


def _train(light: Light, emit: Callable[[object], None], should_stop: Callable[[], bool]) -> None:
    if light.measured_first:
        emit(("cost", None))
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
        for path in (*light.makes, light.weights):
            _write(path, str(light.seed))
    note(light.where, what="trained", key=light.key, seed=light.seed)
    emit(("trained", light.evaluations, value_of(light.rate, light.evaluations), False))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.replace(path)


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
