"""Snapshot: the whole state of a training as plain values and tensors, and a training put back into it.

Models that train as one are one snapshot. On the CPU a training that goes on from a snapshot ends bit for bit where it
would have ended without a stop. The order of rows is no part of it: it follows from seed, pass and step.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from hinet_search.records import CellValue, EvaluationRecord
from hinet_search.training.course import Course, TrainingState

LAYOUT = 2  # of what `take` gives; one more with every change of it
PLAIN = ("step", "rows", "best_objective", "without_improvement", "evaluation_seconds")

Training = tuple[Course, TrainingState]


def take(trainings: Sequence[Training], optimisers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """The state after the last step of one model, or of all that train on the same batches; reads their devices."""
    course, state = trainings[0]
    for _, one in trainings:
        one.readings.read(one.step)
    now = time.perf_counter()
    return {
        "seconds": now - course.began,
        "loop_seconds": now - state.loop_began,
        "trainings": [_taken(*one) for one in trainings],
        "optimisers": [one.state_dict() for one in optimisers],
        "generators": _generators(course.given.device),
    }


def put_back(
    kept: Mapping[str, Any], trainings: Sequence[Training], optimisers: Sequence[torch.optim.Optimizer]
) -> None:
    """The state that was taken, in trainings that have just begun under the same conditions."""
    for of_one, (course, state) in zip(kept["trainings"], trainings, strict=True):
        state.loop_began = time.perf_counter() - kept["loop_seconds"]
        _put_back(of_one, course, state)
    for optimiser, of_one in zip(optimisers, kept["optimisers"], strict=True):
        optimiser.load_state_dict(of_one)
    cpu, *cuda = kept["generators"]
    torch.set_rng_state(cpu)
    if cuda:
        torch.cuda.set_rng_state(cuda[0], trainings[0][0].given.device)


def _taken(course: Course, state: TrainingState) -> dict[str, Any]:
    return {
        "plain": {name: getattr(state, name) for name in PLAIN},
        "losses": [state.readings.loss_sum, state.readings.num_losses],
        "evaluations": [_plain(record) for record in state.evaluations],
        "best": {
            "evaluation": state.best.evaluation,
            "cells": [asdict(cell) for cell in state.best.cells],
            "weights": state.best.weights,
        },
        "model": course.model.state_dict(),
    }


def _put_back(kept: Mapping[str, Any], course: Course, state: TrainingState) -> None:
    for name, value in kept["plain"].items():
        setattr(state, name, value)
    state.readings.loss_sum, state.readings.num_losses = kept["losses"]
    state.evaluations = [_record(record) for record in kept["evaluations"]]
    best = kept["best"]
    state.best.evaluation, state.best.weights = best["evaluation"], best["weights"]
    state.best.cells = tuple(CellValue(**cell) for cell in best["cells"])
    course.model.load_state_dict(kept["model"])


def _generators(device: torch.device) -> list[torch.Tensor]:
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _plain(record: EvaluationRecord) -> dict[str, Any]:
    return {**asdict(record), "cells": [asdict(cell) for cell in record.cells]}


def _record(plain: Mapping[str, Any]) -> EvaluationRecord:
    return EvaluationRecord(**{**plain, "cells": tuple(CellValue(**cell) for cell in plain["cells"])})
