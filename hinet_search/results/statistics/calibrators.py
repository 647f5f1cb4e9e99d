"""Calibrators: make the probabilities of each cell right, without changing the order of its rows.

A calibrator is fitted on validation, per cell. Two kinds are tried: Platt scaling, a line on the
logit, and isotonic regression. Every calibrator increases strictly, so the order of a cell's rows
and its AUC stay as they are. In a cell of amounts a logit is the log of the expected amount, and
the log loss is half the Poisson deviance (results/families.py).
Shape legend: R rows of a split, T tasks, C rows of a cell in ascending order of logit, K points
(distinct or pooled logits), B blocks of points, P parameters of a fit, U units (users, or rows
without a user).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from hinet_search.common import heartbeat
from hinet_search.results.calibration_records import (
    Calibration,
    Calibrator,
    CellCalibration,
    ScoreBins,
)
from hinet_search.results.cells import Cell, CellName, Labels
from hinet_search.results.families import BERNOULLI, POISSON, Family
from hinet_search.results.metrics import metric_named
from hinet_search.results.statistics.resampling import units_of_rows
from hinet_search.results.statistics.score_bins import score_bins
from hinet_search.results.statistics.scored_cell import Floats, ScoredCell, sums_by_unit

NUM_FOLDS = 5
# Positives, and negatives, of a cell that is calibrated; rows with an amount above 0.
MIN_OF_CLASS = 50
CONFIDENCE = 0.95  # one-sided, that a calibrator lowers the log loss
MIN_SLOPE = 0.01  # of Platt's line, per standard deviation of the logits
LINE_SHARE = 0.01  # of Platt's line in an isotonic calibrator, so that it increases strictly
MAX_PRIOR = 15.0  # largest |logit| that Platt's line adds to a block of an isotonic calibrator
MAX_STEPS = 100
MAX_HALVINGS = 40
TOLERANCE = 1e-12  # log loss per row that a last step of Newton may still gain
LIMIT = float(np.finfo(np.float32).max)  # of a calibrated logit, so that it is finite

Errors = tuple[float | None, float | None]  # log loss and calibration error; None without rows


@dataclass(frozen=True)
class LogitPoints:
    """Rows and the sum of their labels at ascending logits.

    Pooled rows are counted at their mean logit.
    """

    logit_K: Floats
    rows_K: Floats
    total_K: Floats
    family: Family = BERNOULLI


def calibrate(
    logits_RT: NDArray[np.float32],
    labels_RT: Labels,
    scenario_R: NDArray[np.int16],
    user_R: NDArray[np.int32],
    cells: Sequence[Cell],
    *,
    seed: int,
) -> Calibration:
    """Choose and fit the calibrator of every cell on the rows of validation.

    Logits must be finite; `user_R` is -1 for no user. The units of a cell, its users and its rows
    without a user, are divided into five folds by `seed`, and every row is calibrated by a fit on
    the other folds. The kind with the lowest cross-fitted log loss is fitted again on all rows if
    the lower end of a one-sided 95 % interval of its gain over the logits as they are is above 0.
    The interval is Student's, with the standard error of a mean over clusters of rows: what
    resampling the units estimates, without draws. So a cell is calibrated only where that helps
    users that the fit has not seen. The result does not depend on the order of rows.
    """
    calibrated = []
    after_RT = logits_RT.astype(np.float32)
    for cell in cells:
        rows = np.flatnonzero(scenario_R == cell.scenario_number)
        task = cell.task_number
        label_C = cell.labels(labels_RT, rows)
        logit_C = logits_RT[rows, task]
        user_C = user_R[rows]
        order_C = np.lexsort((user_C, label_C, logit_C))  # depends on their values alone
        unit_C, num_units = units_of_rows(user_C[order_C])
        score_C = logit_C[order_C].astype(np.float64)
        ordered = ScoredCell(score_C, label_C[order_C], unit_C, num_units, cell.family)
        generator = np.random.default_rng([seed, cell.scenario_number, task])
        of_cell, after_RT[rows[order_C], task] = _calibrate_cell(cell.name, ordered, generator)
        calibrated.append(of_cell)
        heartbeat.send_heartbeat()
    bins = _bins(logits_RT, after_RT, labels_RT, scenario_R, cells)
    return Calibration(tuple(calibrated), tuple(bins))


def apply(
    calibrators: Mapping[CellName, Calibrator],
    cells: Sequence[Cell],
    logits_RT: NDArray[np.float32],
    scenario_R: NDArray[np.int16],
) -> NDArray[np.float32]:
    """(R, T): the calibrated logits, finite for finite logits; other cells keep their logits.

    The order within a cell is kept. Logits that differ by less than float32 resolves after
    calibration (a ten-millionth of the value) may become equal.
    """
    calibrated_RT = logits_RT.astype(np.float32)
    for cell in cells:
        if cell.name not in calibrators or calibrators[cell.name].kind == "none":
            continue
        rows = np.flatnonzero(scenario_R == cell.scenario_number)
        logit_C = calibrated_logits(calibrators[cell.name], logits_RT[rows, cell.task_number])
        calibrated_RT[rows, cell.task_number] = logit_C.clip(-LIMIT, LIMIT)
    return calibrated_RT


def calibrated_logits(calibrator: Calibrator, logit_C: NDArray[np.floating]) -> Floats:
    """(C,): the calibrated logits of one cell, in float64 and in any order of rows."""
    wide_C = logit_C.astype(np.float64)
    inside_C = wide_C.clip(calibrator.knots[0], calibrator.knots[-1])
    between_C = np.interp(inside_C, calibrator.knots, calibrator.values)
    value_C: Floats = between_C + calibrator.slope * (wide_C - inside_C)
    return value_C


def platt(points: LogitPoints) -> Calibrator:
    """Fit slope and intercept by maximum likelihood, on smoothed targets.

    Platt's targets, (P + 1) / (P + 2) for P positives and 1 / (N + 2) for N negatives, keep the fit
    finite if the logits separate the labels. Amounts of R rows are drawn to their mean by one part
    in R + 1, for the same reason. The slope is at least MIN_SLOPE: if logits tell nothing, or the
    reverse, calibrated logits are nearly the intercept, but in the same order.
    """
    mean = np.average(points.logit_K, weights=points.rows_K)
    spread = np.sqrt(np.average((points.logit_K - mean) ** 2, weights=points.rows_K))
    scale = spread if spread > 0 else 1.0
    scaled_K = (points.logit_K - mean) / scale  # for a well-conditioned fit
    ones_K = np.ones_like(scaled_K)
    slope = MIN_SLOPE
    if spread > 0:
        design_KP = np.stack([scaled_K, ones_K], axis=1)
        slope, at_mean = _newton(points, design_KP, np.zeros_like(ones_K))
    if slope <= MIN_SLOPE:  # the log loss is convex, so its minimum is where the slope is least
        slope = MIN_SLOPE
        (at_mean,) = _newton(points, ones_K[:, np.newaxis], slope * scaled_K)
    return Calibrator(
        "platt", float(slope / scale), values=(float(at_mean - slope * mean / scale),)
    )


def isotonic(points: LogitPoints) -> Calibrator:
    """Fit an increasing function by isotonic regression, with a knot at the centre of each block.

    Isotonic regression pools neighbours into blocks whose mean label increases. A block counts at
    its mean logit, not as a step (centred isotonic regression, Oron and Flournoy 2017), so rows of
    a block keep their order. Platt's line adds one row to each block, which keeps blocks of one
    class, or without an amount above 0, finite. It also has a hundredth of every knot's value and
    continues the function outside the knots, so the slope is nowhere below a hundredth of the
    line's.
    """
    line = platt(points)
    family = points.family
    blocks = _pooled(points)
    prior_B = family.mean(calibrated_logits(line, blocks.logit_K).clip(-MAX_PRIOR, MAX_PRIOR))
    with_prior = replace(blocks, rows_K=blocks.rows_K + 1, total_K=blocks.total_K + prior_B)
    smoothed = _pooled(with_prior)
    value_B = family.score(smoothed.total_K / smoothed.rows_K)
    line_B = calibrated_logits(line, smoothed.logit_K)
    blended_B = (1 - LINE_SHARE) * value_B + LINE_SHARE * line_B
    return Calibrator(
        "isotonic", line.slope, tuple(smoothed.logit_K.tolist()), tuple(blended_B.tolist())
    )


KINDS: Mapping[str, Callable[[LogitPoints], Calibrator]] = {"platt": platt, "isotonic": isotonic}


def points_of(logit_C: Floats, label_C: Labels, family: Family = BERNOULLI) -> LogitPoints:
    """Count rows and labels at each distinct logit; `logit_C` must be in ascending order."""
    first_K = np.flatnonzero(np.diff(logit_C, prepend=-np.inf))
    rows_K = np.diff(first_K, append=len(logit_C)).astype(np.float64)
    total_K = np.add.reduceat(label_C.astype(np.float64), first_K)
    return LogitPoints(logit_C[first_K], rows_K, total_K, family)


def _bins(
    logits_RT: NDArray[np.float32],
    after_RT: NDArray[np.float32],
    labels_RT: Labels,
    scenario_R: NDArray[np.int16],
    cells: Sequence[Cell],
) -> Iterator[ScoreBins]:
    """Yield the bins of every task, of the rows of all its scenarios."""
    scenarios_of: dict[int, list[int]] = {}
    first_of: dict[int, Cell] = {}
    for cell in cells:
        scenarios_of.setdefault(cell.task_number, []).append(cell.scenario_number)
        first_of.setdefault(cell.task_number, cell)
    for task, scenarios in scenarios_of.items():
        rows = np.flatnonzero(np.isin(scenario_R, scenarios))
        if len(rows):
            cell = first_of[task]
            label_C = cell.labels(labels_RT, rows)
            scores = logits_RT[rows, task], after_RT[rows, task]
            yield score_bins(cell.task, *scores, label_C, cell.family)


def _calibrate_cell(
    name: CellName, cell: ScoredCell, generator: np.random.Generator
) -> tuple[CellCalibration, Floats]:
    """Choose the kind of one cell by its cross-fitted log loss, and fit it on all rows.

    Return it with the cross-fitted logits (C,), or the logits as they are.
    """
    before = _errors(cell, cell.score_C)
    reason = _not_enough(cell)
    if reason:
        return _calibration(name, Calibrator(), before, before, reason), cell.score_C
    fold_C = (generator.permutation(cell.num_units) % NUM_FOLDS)[cell.unit_C]
    fitted = {kind: _cross_fitted(cell, fold_C, fit) for kind, fit in KINDS.items()}
    loss = {kind: float(_losses(cell, logit_C).mean()) for kind, logit_C in fitted.items()}
    best = min(loss, key=loss.__getitem__)
    gain_C = _losses(cell, cell.score_C) - _losses(cell, fitted[best])
    gain_U = sums_by_unit(cell.unit_C, gain_C, cell.num_units)
    rows_U = sums_by_unit(cell.unit_C, np.ones(len(gain_C)), cell.num_units)
    if not _is_shown(gain_U, rows_U):
        measure = "half the deviance" if cell.family is POISSON else "log loss"
        reason = f"no gain shown: {measure} {before[0]:.6f}, and {loss[best]:.6f} with {best}"
        return _calibration(name, Calibrator(), before, before, reason), cell.score_C
    calibrator = KINDS[best](points_of(cell.score_C, cell.label_C, cell.family))
    return _calibration(name, calibrator, before, _errors(cell, fitted[best])), fitted[best]


def _calibration(
    name: CellName, calibrator: Calibrator, before: Errors, after: Errors, reason: str = ""
) -> CellCalibration:
    return CellCalibration(
        name[0], name[1], calibrator, before[0], after[0], before[1], after[1], reason
    )


def _not_enough(cell: ScoredCell) -> str:
    """Return why the cell has too few rows or units to be calibrated; empty if it has enough."""
    positives = int((cell.label_C > 0).sum())
    negatives = len(cell.label_C) - positives
    if cell.family is POISSON:
        if positives < MIN_OF_CLASS:
            return f"{positives} amounts above 0: {MIN_OF_CLASS} are needed"
    elif min(positives, negatives) < MIN_OF_CLASS:
        needed = f"{MIN_OF_CLASS} of each are needed"
        return f"{positives} positives and {negatives} negatives: {needed}"
    if cell.num_units < NUM_FOLDS:
        return f"rows of {cell.num_units} users: {NUM_FOLDS} are needed to cross-fit"
    return ""


def _losses(cell: ScoredCell, logit_C: Floats) -> Floats:
    """(C,): what each row costs with these logits."""
    return replace(cell, score_C=logit_C).losses


def _errors(cell: ScoredCell, logit_C: Floats) -> Errors:
    """Return log loss and calibration error of the cell with these logits; None without rows."""
    scores = replace(cell, score_C=logit_C)
    return metric_named("logloss").value(scores), metric_named("ece").value(scores)


def _cross_fitted(
    cell: ScoredCell, fold_C: NDArray[np.int64], fit: Callable[[LogitPoints], Calibrator]
) -> Floats:
    """(C,): logits of the rows of each fold, calibrated by a fit on the rows of the others."""
    fitted_C = np.empty_like(cell.score_C)
    for fold in range(NUM_FOLDS):
        held_out_C = fold_C == fold
        seen_C = ~held_out_C
        points = points_of(cell.score_C[seen_C], cell.label_C[seen_C], cell.family)
        calibrator = fit(points)
        fitted_C[held_out_C] = calibrated_logits(calibrator, cell.score_C[held_out_C])
    return fitted_C


def _is_shown(gain_U: Floats, rows_U: Floats) -> bool:
    """Whether the one-sided interval of the mean gain per row is above 0, units being clusters."""
    num_units = len(gain_U)
    mean = gain_U.sum() / rows_U.sum()
    residual_U = gain_U - mean * rows_U
    variance = num_units / (num_units - 1) * (residual_U**2).sum()
    error = np.sqrt(variance) / rows_U.sum()
    return bool(mean > stdtrit(num_units - 1, CONFIDENCE) * error)


def chance_of_sum(residual_C: Floats, unit_C: NDArray[np.int64], num_units: int) -> float:
    """Return how often a sum of residuals is as far from 0 if each unit's is 0 on average.

    The variance of the sum is the sum of the squared residuals of units. Its degrees of freedom are
    the number of equal units that would vary as much (Satterthwaite 1946): few if a few users have
    most rows.
    """
    residual_U = sums_by_unit(unit_C, residual_C, num_units)
    square_U = residual_U**2
    variance = square_U.sum()
    if not variance:
        return 1.0
    degrees = variance**2 / (square_U**2).sum()
    return float(2 * stdtr(degrees, -abs(residual_U.sum()) / np.sqrt(variance)))


def _pooled(points: LogitPoints) -> LogitPoints:
    """Pool neighbouring points until the mean label increases: isotonic regression.

    The means of the blocks minimise the log loss and the deviance alike.
    """
    from scipy.optimize import isotonic_regression

    mean_K = points.total_K / points.rows_K
    first_B = isotonic_regression(mean_K, weights=points.rows_K).blocks[:-1]
    rows_B = np.add.reduceat(points.rows_K, first_B)
    centre_B = np.add.reduceat(points.rows_K * points.logit_K, first_B) / rows_B
    return LogitPoints(centre_B, rows_B, np.add.reduceat(points.total_K, first_B), points.family)


def _newton(points: LogitPoints, design_KP: Floats, offset_K: Floats) -> Floats:
    """(P,): the parameters that minimise log loss on smoothed targets, by Newton's method.

    The logit of a point is `offset_K + design_KP @ parameters`. The log loss is convex, and a step
    that would increase it is halved.
    """
    family = points.family
    target_K = _smoothed_total(points)
    zeros_K = np.zeros_like(target_K)

    def loss(parameter_P: Floats) -> float:
        logit_K = offset_K + design_KP @ parameter_P
        return float(points.rows_K @ family.loss(logit_K, zeros_K) - target_K @ logit_K)

    parameter_P = np.zeros(design_KP.shape[1])
    for _ in range(MAX_STEPS):
        mean_K = family.mean(offset_K + design_KP @ parameter_P)
        weight_K = points.rows_K * family.variance(mean_K)
        gradient_P = design_KP.T @ (points.rows_K * mean_K - target_K)
        step_P = np.linalg.solve(design_KP.T @ (weight_K[:, np.newaxis] * design_KP), gradient_P)
        is_last = gradient_P @ step_P <= TOLERANCE * points.rows_K.sum()
        for _ in range(0 if is_last else MAX_HALVINGS):
            if loss(parameter_P - step_P) <= loss(parameter_P):
                break
            step_P = step_P / 2
        parameter_P = parameter_P - step_P
        if is_last:
            break
    return parameter_P


def _smoothed_total(points: LogitPoints) -> Floats:
    """(K,): the sum of the smoothed targets over the rows of each point."""
    rows = points.rows_K.sum()
    total = points.total_K.sum()
    target_K: Floats
    if points.family is POISSON:
        target_K = (rows * points.total_K + points.rows_K * total / rows) / (rows + 1)
        return target_K
    of_positive = (total + 1) / (total + 2)
    of_negative = 1 / (rows - total + 2)
    negatives_K = points.rows_K - points.total_K
    target_K = points.total_K * of_positive + negatives_K * of_negative
    return target_K
