"""Shown: what the seeds of a finalist show of themselves, attention, gates and experts, as means over seeds.

Shape legend: S seeds, M scenarios, K experts, P pairs of experts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.insight import ModelPart
from hinet_search.records import FinalistRecord

Table = list[list[float]]


@dataclass(frozen=True)
class Attention:
    """Row: the scenario that looks. `deviation` is that over seeds, None with one seed."""

    mean: Table
    deviation: Table | None


@dataclass(frozen=True)
class Gate:
    """Mean weights of a gate. Experts of two seeds have no more than their names in common, so these are flatter than
    any seed's: `favourite` is the mean of the largest weight, whichever expert has it."""

    weights: list[float]
    favourite: float


@dataclass(frozen=True)
class Alike:
    """Experts beside one another and how alike two of them are: in the mean, and the two that are most alike with a seed."""

    where: str
    count: int
    mean: float
    most: float


def attention(finalist: FinalistRecord) -> Attention | None:
    """SAN's table; None without attention."""
    found = [run.insight.attention for run in finalist.runs if run.insight.attention is not None]
    if not found:
        return None
    table_SMM = np.array(found, dtype=float)
    deviation = table_SMM.std(axis=0, ddof=1).tolist() if len(found) > 1 else None
    return Attention(table_SMM.mean(axis=0).tolist(), deviation)


def gates(finalist: FinalistRecord) -> dict[tuple[str, ...], dict[str, Gate]]:
    """Experts -> place of the gate -> gate; gates with the same experts share a table."""
    collected: dict[tuple[str, ...], dict[str, list[tuple[float, ...]]]] = {}
    for run in finalist.runs:
        for gate in run.insight.gates:
            collected.setdefault(gate.experts, {}).setdefault(gate.where, []).append(gate.weights)
    return {
        experts: {where: _gate(np.array(weights)) for where, weights in found.items()}
        for experts, found in collected.items()
    }


def _gate(weights_SK: NDArray[np.float64]) -> Gate:
    return Gate(weights_SK.mean(axis=0).tolist(), float(weights_SK.max(axis=1).mean()))


def alike(finalist: FinalistRecord) -> list[Alike]:
    """How alike experts are, place by place in the model."""
    tables: dict[str, list[tuple[tuple[float, ...], ...]]] = {}
    for run in finalist.runs:
        for one in run.insight.similarities:
            tables.setdefault(one.where, []).append(one.table)
    return [_alike(where, np.array(found)) for where, found in tables.items()]


def _alike(where: str, table_SKK: NDArray[np.float64]) -> Alike:
    pairs_SP = table_SKK[:, *np.triu_indices(table_SKK.shape[1], 1)]
    return Alike(where, table_SKK.shape[1], float(pairs_SP.mean()), float(pairs_SP.max(axis=1).mean()))


def parts(finalist: FinalistRecord) -> tuple[ModelPart, ...]:
    """The parts of the model, alike for every seed; empty where they were not recorded."""
    return finalist.runs[0].insight.parts
