"""Shown: diagnostics of a finalist as means over its seeds: attention, gates and experts.

Shape legend: S seeds, M scenarios, K experts, P pairs of experts.
"""

from dataclasses import dataclass

import numpy as np

from hinet_search.results.records import FinalistRecord

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
    collected: dict[tuple[tuple[str, ...], str], list[tuple[float, ...]]] = {}
    for run in finalist.runs:
        for gate in run.insight.gates:
            collected.setdefault((gate.experts, gate.where), []).append(gate.weights)
    means: dict[tuple[str, ...], dict[str, GateMeans]] = {}
    for (experts, where), weights in collected.items():
        weights_SK = np.array(weights)
        favourite = float(weights_SK.max(axis=1).mean())
        of_experts = means.setdefault(experts, {})
        of_experts[where] = GateMeans(weights_SK.mean(axis=0).tolist(), favourite)
    return means


def similarities(finalist: FinalistRecord) -> list[SimilarityMeans]:
    """Return the similarity of experts for each place in the model that has several."""
    tables: dict[str, list[tuple[tuple[float, ...], ...]]] = {}
    for run in finalist.runs:
        for similarity in run.insight.similarities:
            tables.setdefault(similarity.where, []).append(similarity.table)
    means = []
    for where, by_seed in tables.items():
        table_SKK = np.array(by_seed)
        count = table_SKK.shape[1]
        pairs_SP = table_SKK[:, *np.triu_indices(count, 1)]
        most = float(pairs_SP.max(axis=1).mean())
        means.append(SimilarityMeans(where, count, float(pairs_SP.mean()), most))
    return means
