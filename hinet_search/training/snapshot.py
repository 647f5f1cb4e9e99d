"""Snapshot: save the whole state of a training as plain values and tensors, and restore it.

On the CPU a resumed training ends bit for bit where it would have ended without interruption. The
order of rows is not stored: it follows from seed, epoch and step.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from hinet_search.results.records import CellValue, EvaluationRecord
from hinet_search.training.run_state import TrainingRun, TrainingState, falls_at

# Version of what `snapshot` returns and of the order of rows; increment it with every change.
LAYOUT = 5
PLAIN = ("step", "rows", "best_objective", "without_improvement", "evaluation_seconds")


def snapshot(
    run: TrainingRun, state: TrainingState, optimisers: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the state after the last step; `optimisers` are the states of its optimisers.

    This waits for the device.
    """
    state.step_log.read(state.step)
    now = time.perf_counter()
    device = run.conditions.device
    generators = [torch.get_rng_state()]
    if device.type == "cuda":
        generators.append(torch.cuda.get_rng_state(device))
    return {
        "seconds": now - state.began,
        "loop_seconds": now - state.loop_began,
        "plain": {name: getattr(state, name) for name in PLAIN},
        "losses": [state.step_log.loss_sum, state.step_log.num_losses],
        "evaluations": [asdict(record) for record in state.evaluations],
        "best": {
            "evaluation": state.best.evaluation,
            "cells": [asdict(cell) for cell in state.best.cells],
            "weights": state.best.weights,
        },
        "model": dict(run.model.state_dict()),
        "optimisers": list(optimisers),
        "generators": generators,
    }


def put_back(taken: Mapping[str, Any], run: TrainingRun, state: TrainingState) -> None:
    """Restore what `snapshot` returned, but optimisers, in a training that has just begun.

    It must have begun under the same conditions.
    """
    state.loop_began = time.perf_counter() - taken["loop_seconds"]
    for name, value in taken["plain"].items():
        setattr(state, name, value)
    state.step_log.loss_sum, state.step_log.num_losses = taken["losses"]
    state.evaluations = [
        EvaluationRecord(**{**plain, "cells": _cells(plain["cells"])})
        for plain in taken["evaluations"]
    ]
    conditions = run.conditions
    falls = falls_at(state.evaluations, conditions.objective, conditions.config)
    state.num_falls = len(falls)
    best = taken["best"]
    state.best.evaluation = best["evaluation"]
    state.best.weights = best["weights"]
    state.best.cells = _cells(best["cells"])
    run.model.load_state_dict(taken["model"])
    first, *cuda = taken["generators"]
    torch.set_rng_state(first)
    if cuda:
        torch.cuda.set_rng_state(cuda[0], run.conditions.device)


def _cells(plain: Sequence[Mapping[str, Any]]) -> tuple[CellValue, ...]:
    return tuple(CellValue(**cell) for cell in plain)
