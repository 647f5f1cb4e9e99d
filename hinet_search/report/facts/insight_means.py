"""Shown: diagnostics of a finalist as means over its seeds: attention, gates and experts.

Shape legend: S seeds, M scenarios, K experts, P pairs of experts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.records import FinalistRecord, ModelPart

Table = list[list[float]]


@dataclass(frozen=True)
class AttentionMeans:
    """Attention weights, a row per attending scenario; `deviation` is None with one seed."""

    mean: Table
    deviation: Table | None


@dataclass(frozen=True)
class GateMeans:
    """Mean weights of a gate over seeds, and `favourite`, the mean of each seed's largest weight.

    Experts of different seeds share only their names, so the means are flatter than any gate.
    """

    weights: list[float]
    favourite: float


@dataclass(frozen=True)
class SimilarityMeans:
    """Similarity of parallel experts: mean over pairs, and `most`, the mean of seeds' maxima."""

    where: str
    count: int
    mean: float
    most: float


def attention(finalist: FinalistRecord) -> AttentionMeans | None:
    """Return SAN's attention weights; None for a model without attention."""
    tables = [run.insight.attention for run in finalist.runs if run.insight.attention is not None]
    if not tables:
        return None
    table_SMM = np.array(tables, dtype=float)
    deviation = table_SMM.std(axis=0, ddof=1).tolist() if len(tables) > 1 else None
    return AttentionMeans(table_SMM.mean(axis=0).tolist(), deviation)


def gates(finalist: FinalistRecord) -> dict[tuple[str, ...], dict[str, GateMeans]]:
    """Return gates by their experts, then by their place in the model."""
    collected: dict[tuple[str, ...], dict[str, list[tuple[float, ...]]]] = {}
    for run in finalist.runs:
        for gate in run.insight.gates:
            collected.setdefault(gate.experts, {}).setdefault(gate.where, []).append(gate.weights)
    return {
        experts: {where: _gate(np.array(weights)) for where, weights in by_place.items()}
        for experts, by_place in collected.items()
    }


def _gate(weights_SK: NDArray[np.float64]) -> GateMeans:
    return GateMeans(weights_SK.mean(axis=0).tolist(), float(weights_SK.max(axis=1).mean()))


def similarities(finalist: FinalistRecord) -> list[SimilarityMeans]:
    """Return the similarity of experts for each place in the model that has several."""
    tables: dict[str, list[tuple[tuple[float, ...], ...]]] = {}
    for run in finalist.runs:
        for similarity in run.insight.similarities:
            tables.setdefault(similarity.where, []).append(similarity.table)
    return [_similarity(where, np.array(by_seed)) for where, by_seed in tables.items()]


def _similarity(where: str, table_SKK: NDArray[np.float64]) -> SimilarityMeans:
    count = table_SKK.shape[1]
    pairs_SP = table_SKK[:, *np.triu_indices(count, 1)]
    most = float(pairs_SP.max(axis=1).mean())
    return SimilarityMeans(where, count, float(pairs_SP.mean()), most)


def parts(finalist: FinalistRecord) -> tuple[ModelPart, ...]:
    """Return the parts of the model, the same for every seed; empty if they were not recorded."""
    return finalist.runs[0].insight.parts
