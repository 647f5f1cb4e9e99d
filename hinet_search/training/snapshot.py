"""Snapshot: the whole state of a training as plain values and tensors, and a training put back into it.

On the CPU a training that goes on from a snapshot ends bit for bit where it would have ended without a stop. The order of
rows is no part of it: it follows from seed, pass and step.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from hinet_search.records import CellValue, EvaluationRecord
from hinet_search.training.course import Course, TrainingState
from hinet_search.training.optimiser import Optimiser

LAYOUT = 1  # of what `take` gives; one more with every change of it
PLAIN = ("step", "rows", "best_objective", "without_improvement", "evaluation_seconds")


def take(course: Course, state: TrainingState, optimiser: Optimiser) -> dict[str, Any]:
    """The state after the last step; reads what the device still holds."""
    state.readings.read(state.step)
    now = time.perf_counter()
    return {
        "plain": {name: getattr(state, name) for name in PLAIN},
        "seconds": now - course.began,
        "loop_seconds": now - state.loop_began,
        "losses": [state.readings.loss_sum, state.readings.num_losses],
        "evaluations": [_plain(record) for record in state.evaluations],
        "best": {
            "evaluation": state.best.evaluation,
            "cells": [asdict(cell) for cell in state.best.cells],
            "weights": state.best.weights,
        },
        "model": course.model.state_dict(),
        "optimiser": [part.state_dict() for part in optimiser.parts],
        "generators": _generators(course.given.device),
    }


def put_back(kept: Mapping[str, Any], course: Course, state: TrainingState, optimiser: Optimiser) -> None:
    """The state that was taken, in a training that has just begun under the same conditions."""
    for name, value in kept["plain"].items():
        setattr(state, name, value)
    state.loop_began = time.perf_counter() - kept["loop_seconds"]
    state.readings.loss_sum, state.readings.num_losses = kept["losses"]
    state.evaluations = [_record(record) for record in kept["evaluations"]]
    best = kept["best"]
    state.best.evaluation, state.best.weights = best["evaluation"], best["weights"]
    state.best.cells = tuple(CellValue(**cell) for cell in best["cells"])
    course.model.load_state_dict(kept["model"])
    for part, of_part in zip(optimiser.parts, kept["optimiser"], strict=True):
        part.load_state_dict(of_part)
    cpu, *cuda = kept["generators"]
    torch.set_rng_state(cpu)
    if cuda:
        torch.cuda.set_rng_state(cuda[0], course.given.device)


def _generators(device: torch.device) -> list[torch.Tensor]:
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _plain(record: EvaluationRecord) -> dict[str, Any]:
    return {**asdict(record), "cells": [asdict(cell) for cell in record.cells]}


def _record(plain: Mapping[str, Any]) -> EvaluationRecord:
    return EvaluationRecord(**{**plain, "cells": tuple(CellValue(**cell) for cell in plain["cells"])})
