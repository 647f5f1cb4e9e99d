"""Evaluation speed: an MMoE scores all rows and every cell gets its metrics.

Every round predicts, computes our metrics and scikit-learn's, one after the other, so that a ratio
compares what ran under the same load. Ours are all that a cell has (AUC, log loss, AUC within
users, calibration and its error), the plain ones AUC and log loss alone.
Shape legend: R rows, C rows of a cell, T tasks.
"""

import argparse
import time
from dataclasses import dataclass
from math import isclose
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score
from torch import nn

from contestants import contests
from hinet_search.data.columns import Columns
from hinet_search.results.records import CellValue
from hinet_search.training.feed import Feed, make_feed, predict
from hinet_search.training.metrics import cell_values
from work import SCHEMA, draw_rows

MODEL = "MMoE"
FULL, QUICK = (1_000_000, 3), (100_000, 2)  # rows, rounds


@dataclass(frozen=True)
class EvaluationFigure:
    """Seconds on one thread, medians over rounds; `seconds` is predicting and our metrics.

    `ratio` is the median of the rounds' ratios of plain metrics to ours, with the lowest and the
    highest beside it. `feed_seconds` is spent once a trial, when its rows are copied to the device.
    """

    model: str
    num_rows: int
    num_cells: int
    feed_seconds: float
    seconds: float
    predict_seconds: float
    metrics_seconds: float
    plain_metrics_seconds: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True)
class _Round:
    """Seconds of one round."""

    predicting: float
    metrics: float
    plain: float


def bench_evaluation(num_rows: int, *, rounds: int) -> EvaluationFigure:
    """Evaluate a fresh model on all rows: what it has learnt changes no time."""
    columns = draw_rows(num_rows, seed=0)
    model = next(contest.ours() for contest in contests(SCHEMA) if contest.name == MODEL)
    began = time.perf_counter()
    feed = make_feed(columns, torch.device("cpu"))
    feed_seconds = time.perf_counter() - began
    taken = [_round(model, feed, columns) for _ in range(rounds)]
    ratios = [timing.plain / timing.metrics for timing in taken]
    return EvaluationFigure(
        model=MODEL,
        num_rows=num_rows,
        num_cells=SCHEMA.num_scenarios * SCHEMA.num_tasks,
        feed_seconds=feed_seconds,
        seconds=median(timing.predicting + timing.metrics for timing in taken),
        predict_seconds=median(timing.predicting for timing in taken),
        metrics_seconds=median(timing.metrics for timing in taken),
        plain_metrics_seconds=median(timing.plain for timing in taken),
        ratio=median(ratios),
        ratio_low=min(ratios),
        ratio_high=max(ratios),
    )


def plain_metrics(scores_RT: NDArray[np.float32], columns: Columns) -> list[tuple[float, float]]:
    """AUC and log loss of every cell, scenario by scenario, as one writes them first."""
    values = []
    for scenario in range(len(SCHEMA.scenarios)):
        own_R = columns.scenario_R == scenario
        for task in range(len(SCHEMA.tasks)):
            labels_C, logits_C = (
                columns.labels_RT[own_R, task],
                scores_RT[own_R, task].astype(np.float64),
            )
            probabilities_C = 1 / (1 + np.exp(-logits_C))
            values.append(
                (
                    float(roc_auc_score(labels_C, logits_C)),
                    float(log_loss(labels_C, probabilities_C)),
                )
            )
    return values


def _round(model: nn.Module, feed: Feed, columns: Columns) -> _Round:
    began = time.perf_counter()
    scores_RT = predict(model, feed)
    predicted = time.perf_counter()
    ours = cell_values(scores_RT, columns, SCHEMA.cells)
    measured = time.perf_counter()
    plain = plain_metrics(scores_RT, columns)
    ended = time.perf_counter()
    assert all(map(_same, ours, plain)), "both compute the same"
    return _Round(predicted - began, measured - predicted, ended - measured)


def _same(ours: CellValue, plain: tuple[float, float]) -> bool:
    assert ours.auc is not None, "every cell has both classes"
    assert ours.logloss is not None, "every cell has rows"
    return isclose(ours.auc, plain[0], abs_tol=1e-9) and isclose(
        ours.logloss, plain[1], abs_tol=1e-9
    )


def table(figure: EvaluationFigure) -> str:
    """The figure as text, a line each."""
    plain_seconds = figure.plain_metrics_seconds
    what = f"{figure.num_rows:,} rows"
    ratio = f"{figure.ratio:.1f} ({figure.ratio_low:.1f}-{figure.ratio_high:.1f})"
    return "\n".join(
        (
            f"evaluate {figure.model} on {what}, s      {figure.seconds:8.2f}",
            f"  of which predicting, s              {figure.predict_seconds:8.2f}",
            f"  of which metrics of {figure.num_cells} cells, s     {figure.metrics_seconds:8.2f}",
            f"plain AUC and log loss, s             {plain_seconds:8.2f}   ratio {ratio}",
            f"rows to tensors, once a trial, s      {figure.feed_seconds:8.2f}",
        )
    )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK[0]:,} rows")
    num_rows, rounds = QUICK if parser.parse_args().quick else FULL
    torch.set_num_threads(1)
    print(table(bench_evaluation(num_rows, rounds=rounds)))


if __name__ == "__main__":
    main()
