"""Cross-fitted values and gains, against loops over folds and against resamplings."""

from dataclasses import replace

import numpy as np
import pytest

from hinet_search.results.objectives import names, objective_named
from hinet_search.results.statistics.crossfitting import CrossFit, HeldOut, hold_out
from hinet_search.results.statistics.resampling import ScoredRows, resampled, units_of_rows
from tests.results.scored_runs import draw_runs, exact_value

SEED = 4


def held_out(
    runs: ScoredRows, unit_R: np.ndarray, is_held_R: np.ndarray, objective: str, repeat: int = 0
) -> HeldOut:
    return hold_out(repeat, part(runs, is_held_R), unit_R[is_held_R], objective_named(objective))


def whole(runs: ScoredRows, objective: str) -> CrossFit:
    """Both runs of a pool as baseline and selection, in a single fold."""
    unit_R, num_units = units_of_rows(runs.user_R)
    fold = held_out(runs, unit_R, np.ones(len(unit_R), bool), objective)
    return CrossFit([fold], objective_named(objective), num_units)


@pytest.mark.parametrize("objective", names())
def test_the_value_of_a_single_fold_is_the_objective(objective: str) -> None:
    runs = draw_runs([1.0, 0.5])
    expected = [exact_value(runs, logits_RT, objective) for logits_RT in runs.logits_SRT]
    assert whole(runs, objective).values() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("objective", ["macro_auc", "logloss", "worst_auc"])
def test_the_deviation_of_a_gain_is_that_over_resamplings_of_users(objective: str) -> None:
    runs = draw_runs([1.0, 0.5])
    of_runs = []
    for logits_RT in runs.logits_SRT:
        run = replace(runs, logits_SRT=logits_RT[None])
        of_runs.append(resampled(run, headline=objective, seed=SEED).headline)
    sign = -1 if objective == "logloss" else 1
    deviation = np.std(np.subtract(of_runs[1], of_runs[0]), ddof=1)
    gain = whole(runs, objective).gain(SEED, held_over_seen=0.0)
    assert gain.estimate == pytest.approx(sign * (gain.selected_value - gain.mean_value))
    # Student's t of 59 degrees; `resampled` weights cells by the rows drawn besides.
    assert gain.high - gain.estimate == pytest.approx(2.001 * deviation, rel=2e-2)
    assert gain.estimate - gain.low == pytest.approx(gain.high - gain.estimate)


def test_a_cell_is_a_mean_over_folds_and_an_objective_one_over_repeats() -> None:
    runs = draw_runs([1.0, 0.5, 0.8])
    unit_R, num_units = units_of_rows(runs.user_R)
    folds, expected = [], []
    for repeat in range(2):
        fold_R = np.random.default_rng(repeat).permutation(num_units)[unit_R] % 3
        masks = [fold_R == fold for fold in range(3)]
        folds += [held_out(runs, unit_R, is_held_R, "macro_auc", repeat) for is_held_R in masks]
        for cell in runs.cells:
            cell_name = f"auc[{cell.scenario}/{cell.task}]"
            is_cell_R = runs.scenario_R == cell.scenario_number
            rows = [(is_cell_R & (fold_R == fold)).sum() for fold in range(3)]
            values = [
                exact_value(part(runs, fold_R == fold), run_logits[fold_R == fold], cell_name)
                for fold in range(3)
                for run_logits in runs.logits_SRT[1:2]
            ]
            expected.append(np.average(values, weights=rows))
    values_A = CrossFit(folds, objective_named("macro_auc"), num_units).values()
    assert values_A[1] == pytest.approx(np.mean(expected), abs=1e-9)


def part(runs: ScoredRows, is_kept_R: np.ndarray) -> ScoredRows:
    return runs.part(runs.logits_SRT[:, is_kept_R], is_kept_R)


def test_a_fold_in_which_a_cell_lacks_a_class_is_left_out_of_the_cell() -> None:
    runs = draw_runs([1.0, 0.5])
    unit_R, num_units = units_of_rows(runs.user_R)
    is_first_R = unit_R < 30
    runs.labels_RT[is_first_R & (runs.scenario_R == 1), 1] = 0
    name = "auc[Push/order]"
    folds = [held_out(runs, unit_R, is_held_R, name) for is_held_R in (is_first_R, ~is_first_R)]
    value_A = CrossFit(folds, objective_named(name), num_units).values()
    rest = part(runs, ~is_first_R)
    expected = [exact_value(rest, logits_RT, "auc[Push/order]") for logits_RT in rest.logits_SRT]
    assert value_A == pytest.approx(expected, abs=1e-9)
