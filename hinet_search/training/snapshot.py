"""Snapshot: save the whole state of a training as plain values and tensors, and restore it.

A stack of models is one snapshot. On the CPU a resumed training ends bit for bit where it would
have ended without interruption. The order of rows is not stored: it follows from seed, pass and
step.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from hinet_search.results.records import CellValue, EvaluationRecord
from hinet_search.training.run_state import TrainingRun, TrainingState
from hinet_search.training.weight_updates import WeightUpdates

# Version of what `take` returns and of the order of rows; increment it with every change.
LAYOUT = 4
PLAIN = ("step", "rows", "best_objective", "without_improvement", "evaluation_seconds")

Training = tuple[TrainingRun, TrainingState]


def take(trainings: Sequence[Training], optimisers: Sequence[WeightUpdates]) -> dict[str, Any]:
    """Return the state of one model, or of a stack of models, after its last step.

    This waits for the device.
    """
    run, state = trainings[0]
    for _, each_state in trainings:
        each_state.step_log.read(each_state.step)
    now = time.perf_counter()
    return {
        "seconds": now - run.began,
        "loop_seconds": now - state.loop_began,
        "trainings": [_take_one(*training) for training in trainings],
        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
        "generators": _generators(run.conditions.device),
    }


def put_back(
    taken: Mapping[str, Any],
    trainings: Sequence[Training],
    optimisers: Sequence[WeightUpdates],
) -> None:
    """Restore what `take` returned in trainings that have just begun under the same conditions."""
    for taken_training, (run, state) in zip(taken["trainings"], trainings, strict=True):
        state.loop_began = time.perf_counter() - taken["loop_seconds"]
        _put_back_one(taken_training, run, state)
    for optimiser, optimiser_state in zip(optimisers, taken["optimisers"], strict=True):
        optimiser.load_state_dict(optimiser_state)
    cpu, *cuda = taken["generators"]
    torch.set_rng_state(cpu)
    if cuda:
        torch.cuda.set_rng_state(cuda[0], trainings[0][0].conditions.device)


def _take_one(run: TrainingRun, state: TrainingState) -> dict[str, Any]:
    return {
        "plain": {name: getattr(state, name) for name in PLAIN},
        "losses": [state.step_log.loss_sum, state.step_log.num_losses],
        "evaluations": [_plain(record) for record in state.evaluations],
        "best": {
            "evaluation": state.best.evaluation,
            "cells": [asdict(cell) for cell in state.best.cells],
            "weights": state.best.weights,
        },
        "model": run.model.state_dict(),
    }


def _put_back_one(taken: Mapping[str, Any], run: TrainingRun, state: TrainingState) -> None:
    for name, value in taken["plain"].items():
        setattr(state, name, value)
    state.step_log.loss_sum, state.step_log.num_losses = taken["losses"]
    state.evaluations = [_record(plain) for plain in taken["evaluations"]]
    best = taken["best"]
    state.best.evaluation, state.best.weights = best["evaluation"], best["weights"]
    state.best.cells = _cells(best["cells"])
    run.model.load_state_dict(taken["model"])


def _generators(device: torch.device) -> list[torch.Tensor]:
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def _plain(record: EvaluationRecord) -> dict[str, Any]:
    return {**asdict(record), "cells": [asdict(cell) for cell in record.cells]}


def _record(plain: Mapping[str, Any]) -> EvaluationRecord:
    return EvaluationRecord(**{**plain, "cells": _cells(plain["cells"])})


def _cells(plain: Sequence[Mapping[str, Any]]) -> tuple[CellValue, ...]:
    return tuple(CellValue(**cell) for cell in plain)
