"""Claims of calibration: how often a calibrator or an ensemble is called better by chance.

`python docs/results/claims_of_calibration.py` prints how often what hinet-search says of
calibration and of ensembles is false where the truth is known. Scores of models are synthetic, all
that judges them is the product's own. Shape legend: R rows, U users, T tasks, M runs.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from claims import DATA, part_of, scenario_names
from claims_rows import Row
from numpy.typing import NDArray
from scipy.special import expit, logit

from hinet_search.data.columns import Columns
from hinet_search.report.checks.calibration import judged
from hinet_search.results.calibration_records import CellCalibration
from hinet_search.results.cells import make_cells
from hinet_search.results.objectives import objective_named
from hinet_search.results.statistics.calibrators import calibrate
from hinet_search.results.statistics.crossfitting import CrossFit, hold_out
from hinet_search.results.statistics.ensemble import combined, ensemble_logits
from hinet_search.results.statistics.ensemble_selection import Settings, select
from hinet_search.results.statistics.resampling import ScoredRows, units_of_rows
from hinet_search.training.metrics import cell_values

ALLOWED = 0.05
CELLS = make_cells(("Home", "Push", "Cart"), ("click",))
SHARES = (0.5, 0.3, 0.2)  # of the scenarios
Floats = NDArray[np.float64]


def rate(words: str, happened: Sequence[bool], allowed: float | None = ALLOWED) -> Row:
    """Return the share of studies in which it happened."""
    return Row(words, *part_of(sum(happened), len(happened)), len(happened), allowed)


def user_of_rows(
    draw: np.random.Generator, users: int, rows: float, *, heavy: bool
) -> NDArray[np.int32]:
    """Return the user of every row (R,); if `heavy`, their numbers of rows are Pareto (1.1)."""
    sizes_U = np.full(users, int(rows))
    if heavy:
        sizes_U = np.clip((draw.pareto(1.1, users) * rows / 2).astype(int), 1, 3000)
    return np.repeat(np.arange(users, dtype=np.int32), sizes_U)


# --- calibrators


@dataclass(frozen=True)
class CalibratedWorld:
    """Rows of a cell whose logits are right for all users together, though not for each."""

    users: int
    rows: float
    heavy: bool = False
    user_spread: float = 1.0

    def told(self, draw: np.random.Generator) -> CellCalibration:
        """Calibrate the cell, which needs it not."""
        user_R = user_of_rows(draw, self.users, self.rows, heavy=self.heavy)
        seen_R = draw.normal(size=len(user_R)) - 1
        unseen_R = draw.normal(size=self.users)[user_R] * self.user_spread
        label_R = draw.random(len(user_R)) < expit(seen_R + unseen_R)
        return calibrated_cell(over_users(seen_R, self.user_spread), label_R, user_R)


def over_users(seen_R: Floats, user_spread: float) -> Floats:
    """Return the logit of the mean probability over users, each with a normal effect."""
    node_N, weight_N = np.polynomial.hermite_e.hermegauss(31)
    probability_R = expit(seen_R[:, None] + user_spread * node_N) @ (weight_N / weight_N.sum())
    logit_R: Floats = logit(probability_R)
    return logit_R


def calibrated_cell(
    logit_R: Floats,
    label_R: NDArray[np.bool_],
    user_R: NDArray[np.int32],
) -> CellCalibration:
    """Calibrate one cell."""
    cells = CELLS[:1]
    return calibrate(
        logit_R.astype(np.float32)[:, None],
        label_R.astype(np.uint8)[:, None],
        np.zeros(len(user_R), np.int16),
        user_R,
        cells,
        seed=0,
    ).cells[0]


CALIBRATED = {
    "1,000 users of 5 rows, no effect of users": CalibratedWorld(1000, 5, user_spread=0.0),
    "100 users of 20 rows": CalibratedWorld(100, 20),
    "20 users of 50 rows": CalibratedWorld(20, 50),
    "8 users of 100 rows": CalibratedWorld(8, 100),
    "5 users of 100 rows": CalibratedWorld(5, 100),
    "100 users, Pareto activity": CalibratedWorld(100, 20, heavy=True),
    "30 users, Pareto activity": CalibratedWorld(30, 30, heavy=True),
}


def calibrators(studies: int, seed: int) -> Iterator[Row]:
    """Yield how often a cell that is right is calibrated, and a right calibrator replaced."""
    for words, world in CALIBRATED.items():
        draw = np.random.default_rng(seed)
        cells = [world.told(draw) for _ in range(studies)]
        enough = [cell for cell in cells if "needed" not in cell.reason]
        changed = [cell.calibrator.kind != "none" for cell in enough]
        yield rate(f"calibration, a cell that is right, {words}: changed", changed)


# --- cells that are not calibrated


@dataclass(frozen=True)
class JudgedWorld:
    """Cells in which a model is right for all users together, though not for each.

    In the first cell it takes the odds for `factor` times what they are.
    """

    cells: int
    users: int
    rows: float
    heavy: bool = False
    factor: float = 1.0

    def told(self, draw: np.random.Generator) -> bool:
        """Return whether a cell is called not calibrated."""
        seen_L = np.linspace(-4, 0, 16)
        score_L = over_users(seen_L, 1.0)
        effect_U = draw.normal(size=self.users)
        users = []
        scores = []
        labels = []
        for cell in range(self.cells):
            user_R = user_of_rows(draw, self.users, self.rows, heavy=self.heavy)
            level_R = draw.integers(len(seen_L), size=len(user_R))
            users.append(user_R)
            scores.append(score_L[level_R] + (np.log(self.factor) if cell == 0 else 0.0))
            labels.append(draw.random(len(user_R)) < expit(seen_L[level_R] + effect_U[user_R]))
        rows = np.cumsum([len(user_R) for user_R in users])
        columns = Columns(
            ids_RF=np.empty((rows[-1], 0), np.int32),
            numeric_RN=np.empty((rows[-1], 0), np.float32),
            scenario_R=np.searchsorted(rows, np.arange(rows[-1]), side="right").astype(np.int16),
            labels_RT=np.concatenate(labels)[:, None].astype(np.uint8),
            user_R=np.concatenate(users),
            lists_RS=np.empty((rows[-1], 0), np.int32),
        )
        logits_RT = np.concatenate(scores)[:, None].astype(np.float32)
        cells = make_cells(tuple(scenario_names(self.cells)), ("click",))
        finding = judged("The model", cell_values(logits_RT, columns, cells, chances=True), DATA)
        return finding is not None and finding.warns


JUDGED: dict[str, JudgedWorld] = {}
for _cells in (3, 10, 30):
    for _users, _rows in ((50, 40), (200, 20), (1000, 10)):
        JUDGED[f"{_cells} cells, {_users} users of {_rows} rows in each"] = JudgedWorld(
            _cells, _users, _rows
        )
        JUDGED[f"{_cells} cells, {_users} users with Pareto-distributed rows"] = JudgedWorld(
            _cells, _users, _rows, heavy=True
        )
MISTAKEN = {
    f"{words}, odds {factor} times too high in one": replace(JUDGED[words], factor=factor)
    for factor in (1.5, 2.0)
    for words in JUDGED
    if words.startswith("10 ")
}


def accused(studies: int, seed: int) -> Iterator[Row]:
    """Yield how often a right model is called not calibrated in a cell."""
    for words, world in JUDGED.items():
        draw = np.random.default_rng(seed)
        yield rate(words, [world.told(draw) for _ in range(studies)])


def found(studies: int, seed: int) -> Iterator[Row]:
    """Yield how often a model that is off in one cell is called so."""
    for words, world in MISTAKEN.items():
        draw = np.random.default_rng(seed)
        yield rate(words, [world.told(draw) for _ in range(studies)], None)


# --- ensembles


@dataclass(frozen=True)
class Pool:
    """Runs by the standard deviations of their errors, of rows and (times `of_users`) of users."""

    noise_M: tuple[float, ...]
    users: int
    rows: float
    heavy: bool = False
    of_users: float = 0.5

    def runs(
        self, draw: np.random.Generator, users: int, rows: float, *, heavy: bool
    ) -> ScoredRows:
        """Return the runs' scores of some users."""
        user_R = user_of_rows(draw, users, rows, heavy=heavy)
        shape = len(self.noise_M), users, 2
        true_RT = draw.normal(size=(len(user_R), 2)) + 0.5 * draw.normal(size=shape[1:])[user_R]
        error_MRT = draw.normal(size=(shape[0], len(user_R), 2))
        error_MRT += self.of_users * draw.normal(size=shape)[:, user_R]
        logits_MRT = 0.8 * true_RT - 1 + np.reshape(self.noise_M, (-1, 1, 1)) * error_MRT
        return ScoredRows(
            logits_MRT.astype(np.float32),
            (draw.random(true_RT.shape) < expit(true_RT - 1)).astype(np.uint8),
            (draw.random(len(user_R)) < 0.3).astype(np.int16),
            user_R,
            make_cells(("Home", "Push"), ("click", "order")),
        )

    def falsely_selected(self, draw: np.random.Generator, new: ScoredRows) -> bool:
        """Whether a selection replaces the plain mean, but gains nothing on many new users."""
        runs = self.runs(draw, self.users, self.rows, heavy=self.heavy)
        chosen = select(runs, Settings(objective_named("macro_auc"), 0, most=8, bags=3))
        if chosen.method == "mean":
            return False
        ensembles = (
            combined(new.logits_SRT, np.array(chosen.weight_M), chosen.scale),
            ensemble_logits(new.logits_SRT),
        )
        scored = new.part(np.stack(ensembles), np.ones(len(new.user_R), bool))
        unit_R, num_units = units_of_rows(new.user_R)
        objective = objective_named("macro_auc")
        fold = hold_out(0, scored, unit_R, objective)
        selected, mean = CrossFit([fold], objective, num_units).values()
        return bool(selected <= mean)


ALIKE, MIXED = (1.0,) * 8, (0.6,) * 6 + (1.0, 1.3)
POOLS = {
    "8 alike, 60 users of 10 rows": Pool(ALIKE, 60, 10),
    "8 mixed, 60 users of 10 rows": Pool(MIXED, 60, 10),
    "8 mixed, 15 users of 40 rows": Pool(MIXED, 15, 40),
    "8 mixed, 60 users, Pareto activity": Pool(MIXED, 60, 20, heavy=True),
    "8 alike, 20 users, Pareto activity": Pool(ALIKE, 20, 40, heavy=True, of_users=1.5),
}


def ensembles(studies: int, seed: int) -> Iterator[Row]:
    """Yield how often a selected ensemble is called better than the plain mean, and is not."""
    for words, pool in POOLS.items():
        draw = np.random.default_rng(seed)
        new = pool.runs(np.random.default_rng(99), 1500, 10, heavy=False)
        falsely = [pool.falsely_selected(draw, new) for _ in range(studies)]
        yield rate(f"ensemble, {words}: selected, and no better than the plain mean", falsely)


PARTS: dict[str, Callable[[int, int], Iterator[Row]]] = {
    "calibrators": calibrators,
    "accused": accused,
    "found": found,
    "ensembles": ensembles,
}
TITLES = {
    "calibrators": "A calibrator",
    "accused": "A right model is called not calibrated in a cell",
    "found": "A cell that is off is found",
    "ensembles": "A selected ensemble",
}


def tables(studies: int, seed: int = 0) -> dict[str, list[Row]]:
    """Return all rates as rows of tables by their titles."""
    return {TITLES[name]: list(part(studies, seed)) for name, part in PARTS.items()}


def main() -> None:
    """Print them as rows of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    parts = [
        part(options.studies, 0) for name, part in PARTS.items() if options.only in (None, name)
    ]
    print("| claim | share | 95 % interval | allowed | studies |\n|---|---|---|---|---|")
    for part in parts:
        for each in part:
            allowed = "" if each.allowed is None else f"{each.allowed:g}"
            span = f"{each.low:.3f} to {each.high:.3f}"
            row = each.words, f"{each.share:.3f}", span, allowed, str(each.studies)
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
