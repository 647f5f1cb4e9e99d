"""Snapshot: save the whole state of a training as plain values and tensors, and restore it.

On the CPU a resumed training ends bit for bit where it would have ended without interruption. The
order of rows is not stored: it follows from seed, pass and step.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from hinet_search.results.records import CellValue, EvaluationRecord
from hinet_search.training.run_state import TrainingRun, TrainingState

# Version of what `take` returns and of the order of rows; increment it with every change.
LAYOUT = 5
PLAIN = ("step", "rows", "best_objective", "without_improvement", "evaluation_seconds")


@dataclass(frozen=True)
class Training:
    """One training, whose optimisers have a state each."""

    run: TrainingRun
    state: TrainingState

    def take(self, optimisers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the state after the last step; `optimisers` are the states of its optimisers.

        This waits for the device.
        """
        run = self.run
        state = self.state
        state.step_log.read(state.step)
        now = time.perf_counter()
        return {
            "seconds": now - state.began,
            "loop_seconds": now - state.loop_began,
            **_take(run, state),
            "optimisers": list(optimisers),
            "generators": self._generators(),
        }

    def put_back(self, taken: Mapping[str, Any]) -> None:
        """Restore what `take` returned, but optimisers, in a training that has just begun.

        It must have begun under the same conditions.
        """
        self.state.loop_began = time.perf_counter() - taken["loop_seconds"]
        _put_back(taken, self.run, self.state)
        first, *cuda = taken["generators"]
        torch.set_rng_state(first)
        if cuda:
            torch.cuda.set_rng_state(cuda[0], self.run.conditions.device)

    def _generators(self) -> list[Tensor]:
        device = self.run.conditions.device
        on_device = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
        return [torch.get_rng_state(), *on_device]


def _take(run: TrainingRun, state: TrainingState) -> dict[str, Any]:
    return {
        "plain": {name: getattr(state, name) for name in PLAIN},
        "losses": [state.step_log.loss_sum, state.step_log.num_losses],
        "evaluations": [_plain(record) for record in state.evaluations],
        "best": {
            "evaluation": state.best.evaluation,
            "cells": [asdict(cell) for cell in state.best.cells],
            "weights": state.best.weights,
        },
        "model": dict(run.model.state_dict()),
    }


def _put_back(taken: Mapping[str, Any], run: TrainingRun, state: TrainingState) -> None:
    for name, value in taken["plain"].items():
        setattr(state, name, value)
    state.step_log.loss_sum, state.step_log.num_losses = taken["losses"]
    state.evaluations = [_record(plain) for plain in taken["evaluations"]]
    best = taken["best"]
    state.best.evaluation = best["evaluation"]
    state.best.weights = best["weights"]
    state.best.cells = _cells(best["cells"])
    run.model.load_state_dict(taken["model"])


def _plain(record: EvaluationRecord) -> dict[str, Any]:
    return {**asdict(record), "cells": [asdict(cell) for cell in record.cells]}


def _record(plain: Mapping[str, Any]) -> EvaluationRecord:
    return EvaluationRecord(**{**plain, "cells": _cells(plain["cells"])})


def _cells(plain: Sequence[Mapping[str, Any]]) -> tuple[CellValue, ...]:
    return tuple(CellValue(**cell) for cell in plain)
