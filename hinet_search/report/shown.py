"""Shown: what the seeds of a finalist show of themselves, attention, gates and experts, as means over seeds.

Shape legend: S seeds, M scenarios, K experts.
"""

from dataclasses import dataclass

import numpy as np

from hinet_search.records import FinalistRecord, ModelPart

Table = list[list[float]]


@dataclass(frozen=True)
class Attention:
    """Row: the scenario that looks. `deviation` is that over seeds, None with one seed."""

    mean: Table
    deviation: Table | None


@dataclass(frozen=True)
class Alike:
    """Experts beside one another: the mean similarity of two of them, the most alike pair (from 1), and how many they are."""

    where: str
    count: int
    mean: float
    most: float
    pair: tuple[int, int]


def attention(finalist: FinalistRecord) -> Attention | None:
    """SAN's table; None without attention."""
    found = [run.insight.attention for run in finalist.runs if run.insight.attention is not None]
    if not found:
        return None
    table_SMM = np.array(found, dtype=float)
    deviation = table_SMM.std(axis=0, ddof=1).tolist() if len(found) > 1 else None
    return Attention(table_SMM.mean(axis=0).tolist(), deviation)


def mean_gates(finalist: FinalistRecord) -> dict[tuple[str, ...], dict[str, list[float]]]:
    """Experts -> gate -> mean weights; gates with the same experts share a table."""
    collected: dict[tuple[str, ...], dict[str, list[tuple[float, ...]]]] = {}
    for run in finalist.runs:
        for gate in run.insight.gates:
            collected.setdefault(gate.experts, {}).setdefault(gate.where, []).append(gate.weights)
    return {
        experts: {where: [float(weight) for weight in np.mean(weights, axis=0)] for where, weights in gates.items()}
        for experts, gates in collected.items()
    }


def alike(finalist: FinalistRecord) -> list[Alike]:
    """How alike experts are, place by place in the model."""
    tables: dict[str, list[tuple[tuple[float, ...], ...]]] = {}
    for run in finalist.runs:
        for one in run.insight.similarities:
            tables.setdefault(one.where, []).append(one.table)
    return [_alike(where, np.mean(found, axis=0)) for where, found in tables.items()]


def _alike(where: str, mean_KK: np.ndarray) -> Alike:
    pairs = [
        (float(mean_KK[k, other]), (k + 1, other + 1))
        for k in range(len(mean_KK))
        for other in range(k + 1, len(mean_KK))
    ]
    most, pair = max(pairs)
    return Alike(where, len(mean_KK), sum(value for value, _ in pairs) / len(pairs), most, pair)


def parts(finalist: FinalistRecord) -> tuple[ModelPart, ...]:
    """The parts of the model, alike for every seed; empty where they were not recorded."""
    return finalist.runs[0].insight.parts
