"""Claims of refit: how often a refit, a calibrator or an ensemble is called better by chance.

`python docs/results/claims_of_refit.py` prints how often what hinet-search says of newer rows, of
calibration and of ensembles is false where the truth is known. Scores of models are made up, all
that judges them is the product's own. `--trained 20` also trains: a model is fit again, so many
times, on rows of the source that it learned from. Shape legend: R rows, U users, T tasks, P places
where a training can stop, M runs.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
from claims import part_of
from claims_rows import Row
from numpy.typing import NDArray
from scipy.special import expit, logit

import hinet_search as hs
from hinet_search.data.columns import Columns
from hinet_search.results.calibration_records import Calibrator, CellCalibration
from hinet_search.results.cells import make_cells
from hinet_search.results.objectives import objective_named
from hinet_search.results.statistics.calibrators import calibrate
from hinet_search.results.statistics.crossfitting import CrossFit, HeldOut
from hinet_search.results.statistics.ensemble import combined
from hinet_search.results.statistics.ensemble_selection import ScoredRuns, select
from hinet_search.results.statistics.resampling import units_of_rows
from hinet_search.serving.newer.comparison import Comparison, compare, measure
from hinet_search.serving.newer.rows import judging_rows

ALLOWED = 0.05
CELLS = make_cells(("Home", "Push", "Cart"), ("click",))
SHARES = (0.5, 0.3, 0.2)  # of the scenarios
NUM_STOPS = 12
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


# --- refit


@dataclass(frozen=True)
class NewerWorld:
    """Held-out newer rows, and two models that are equally good on all users there are.

    A logit is off by a normal error of its row and one of its user, of the same size in both
    models. `ahead` is how much smaller those of the new model are.
    """

    users: int
    rows: float
    heavy: bool = False
    objective: str = "mean_auc"
    error: float = 0.5
    ahead: float = 0.0

    def told(self, draw: np.random.Generator) -> Comparison:
        """Compare the shipped model with the place to stop that is best on the rows that choose."""
        user_R = user_of_rows(draw, self.users, self.rows, heavy=self.heavy)
        true_R = draw.normal(size=len(user_R)) * 0.5 + draw.normal(size=self.users)[user_R] - 1
        rows = Columns(
            ids_RF=np.zeros((len(user_R), 0), np.int32),
            numeric_RN=np.zeros((len(user_R), 0), np.float32),
            scenario_R=draw.choice(3, len(user_R), p=SHARES).astype(np.int16),
            labels_RT=(draw.random(len(user_R)) < expit(true_R)).astype(np.uint8)[:, None],
            user_R=user_R,
            lists_RS=np.zeros((len(user_R), 0), np.int32),
        )
        shipped_RT = self._scores(draw, true_R, user_R, self.error)
        stops_PRT = [
            self._scores(draw, true_R, user_R, self.error - self.ahead) for _ in range(NUM_STOPS)
        ]
        is_judging_R = judging_rows(user_R)
        choosing, judging = rows.where(~is_judging_R), rows.where(is_judging_R)
        objective = objective_named(self.objective)
        values_P = [
            objective(measure(objective, each_RT[~is_judging_R], choosing, CELLS, "").cells)
            for each_RT in stops_PRT
        ]
        best_RT = stops_PRT[int(np.argmax(values_P) if objective.maximize else np.argmin(values_P))]
        before, after = (
            measure(objective, each_RT[is_judging_R], judging, CELLS, "")
            for each_RT in (shipped_RT, best_RT)
        )
        return compare(objective, judging, CELLS, before, after)

    def _scores(
        self, draw: np.random.Generator, true_R: Floats, user_R: NDArray[np.int32], error: float
    ) -> NDArray[np.float32]:
        of_user_R = draw.normal(size=self.users)[user_R]
        of_row_R = draw.normal(size=len(user_R))
        return (true_R + error * (of_user_R + of_row_R)).astype(np.float32)[:, None]


NEWER = {
    "120 held-out rows of 60 users": NewerWorld(60, 2),
    "300 held-out rows of 80 users": NewerWorld(80, 4),
    "3,000 held-out rows of 600 users": NewerWorld(600, 5),
    "about 40 users, Pareto activity": NewerWorld(40, 15, heavy=True),
    "about 200 users, Pareto activity": NewerWorld(200, 10, heavy=True),
    "24 users of 30 rows": NewerWorld(24, 30),
    "80 users of 15 rows, log loss": NewerWorld(80, 15, objective="logloss"),
    "60 users, Pareto activity, log loss": NewerWorld(60, 15, heavy=True, objective="logloss"),
    "80 users of 15 rows, worst_auc": NewerWorld(80, 15, objective="worst_auc"),
}
BETTER = NewerWorld(600, 5, error=0.8, ahead=0.4)


def refits(studies: int) -> Iterator[Row]:
    """Yield how often refit calls an equal model better, and worse; then how often it finds one."""
    for words, world in NEWER.items():
        draw = np.random.default_rng(0)
        told = [world.told(draw).gain.direction for _ in range(studies)]
        yield rate(f"refit, an equal model, {words}: better", [each == "better" for each in told])
        yield rate(f"refit, an equal model, {words}: worse", [each == "worse" for each in told])
    draw = np.random.default_rng(0)
    told = [BETTER.told(draw).gain.direction for _ in range(studies)]
    words = "refit, errors half as large, 3,000 held-out rows of 600 users: better"
    yield rate(words, [each == "better" for each in told], allowed=None)


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
    kept: Calibrator | None = None,
) -> CellCalibration:
    """Calibrate one cell, which may have a calibrator already."""
    cells = CELLS[:1]
    return calibrate(
        logit_R.astype(np.float32)[:, None],
        label_R.astype(np.uint8)[:, None],
        np.zeros(len(user_R), np.int16),
        user_R,
        cells,
        seed=0,
        kept={cells[0].name: kept} if kept else None,
    ).cells[0]


def refitted_cell(draw: np.random.Generator, num_rows: int, shipped: Calibrator) -> CellCalibration:
    """Calibrate again, on rows for which the line of slope .8 and intercept .2 is exactly right."""
    true_R = draw.normal(size=num_rows) * 1.2 - 2.2
    label_R = draw.random(num_rows) < expit(true_R)
    user_R = np.arange(num_rows, dtype=np.int32) // 3
    return calibrated_cell((true_R - 0.2) / 0.8, label_R, user_R, shipped)


CALIBRATED = {
    "1,000 users of 5 rows, no effect of users": CalibratedWorld(1000, 5, user_spread=0.0),
    "100 users of 20 rows": CalibratedWorld(100, 20),
    "20 users of 50 rows": CalibratedWorld(20, 50),
    "8 users of 100 rows": CalibratedWorld(8, 100),
    "5 users of 100 rows": CalibratedWorld(5, 100),
    "100 users, Pareto activity": CalibratedWorld(100, 20, heavy=True),
    "30 users, Pareto activity": CalibratedWorld(30, 30, heavy=True),
}
RIGHT, WRONG = (
    Calibrator("platt", 0.8, values=(0.2,)),
    Calibrator("platt", 1.6, values=(-0.8,)),
)


def calibrators(studies: int) -> Iterator[Row]:
    """Yield how often a cell that is right is calibrated, and a right calibrator replaced."""
    for words, world in CALIBRATED.items():
        draw = np.random.default_rng(0)
        cells = [world.told(draw) for _ in range(studies)]
        enough = [cell for cell in cells if "needed" not in cell.reason]
        changed = [cell.calibrator.kind != "none" for cell in enough]
        yield rate(f"calibration, a cell that is right, {words}: changed", changed)
    for num_rows in (600, 1200, 2400, 5000):
        draw = np.random.default_rng(0)
        drawn = [refitted_cell(draw, num_rows, RIGHT).calibrator != RIGHT for _ in range(studies)]
        yield rate(f"refit, a calibrator that is right, {num_rows:,} rows: replaced", drawn)
    draw = np.random.default_rng(0)
    drawn = [refitted_cell(draw, 2400, WRONG).calibrator != WRONG for _ in range(studies)]
    yield rate("refit, a calibrator that is wrong, 2,400 rows: replaced", drawn, allowed=None)


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
    ) -> ScoredRuns:
        """Return the runs' scores of some users."""
        user_R = user_of_rows(draw, users, rows, heavy=heavy)
        shape = len(self.noise_M), users, 2
        true_RT = draw.normal(size=(len(user_R), 2)) + 0.5 * draw.normal(size=shape[1:])[user_R]
        error_MRT = draw.normal(size=(shape[0], len(user_R), 2))
        error_MRT += self.of_users * draw.normal(size=shape)[:, user_R]
        logits_MRT = 0.8 * true_RT - 1 + np.reshape(self.noise_M, (-1, 1, 1)) * error_MRT
        return ScoredRuns(
            logits_MRT.astype(np.float32),
            (draw.random(true_RT.shape) < expit(true_RT - 1)).astype(np.uint8),
            (draw.random(len(user_R)) < 0.3).astype(np.int16),
            user_R,
            make_cells(("Home", "Push"), ("click", "order")),
        )

    def falsely_selected(self, draw: np.random.Generator, new: ScoredRuns) -> bool:
        """Whether a selection replaces the plain mean, but gains nothing on many new users."""
        runs = self.runs(draw, self.users, self.rows, heavy=self.heavy)
        chosen = select(runs, "macro_auc", seed=0, most=8, bags=3)
        if chosen.method == "mean":
            return False
        mean_M = np.full(len(self.noise_M), 1 / len(self.noise_M))
        ensembles = (
            combined(new.logits_MRT, np.array(chosen.weight_M), chosen.scale),
            combined(new.logits_MRT, mean_M, "probabilities"),
        )
        scored = new.scored_by(np.stack(ensembles), np.ones(len(new.user_R), bool))
        unit_R, num_units = units_of_rows(new.user_R)
        fold = HeldOut(0, scored, unit_R)
        selected, mean = CrossFit([fold], objective_named("macro_auc"), num_units).values()
        return bool(selected <= mean)


ALIKE, MIXED = (1.0,) * 8, (0.6,) * 6 + (1.0, 1.3)
POOLS = {
    "8 alike, 60 users of 10 rows": Pool(ALIKE, 60, 10),
    "8 mixed, 60 users of 10 rows": Pool(MIXED, 60, 10),
    "8 mixed, 15 users of 40 rows": Pool(MIXED, 15, 40),
    "8 mixed, 60 users, Pareto activity": Pool(MIXED, 60, 20, heavy=True),
    "8 alike, 20 users, Pareto activity": Pool(ALIKE, 20, 40, heavy=True, of_users=1.5),
}


def ensembles(studies: int) -> Iterator[Row]:
    """Yield how often a selected ensemble is called better than the plain mean, and is not."""
    for words, pool in POOLS.items():
        draw = np.random.default_rng(0)
        new = pool.runs(np.random.default_rng(99), 1500, 10, heavy=False)
        falsely = [pool.falsely_selected(draw, new) for _ in range(studies)]
        yield rate(f"ensemble, {words}: selected, and no better than the plain mean", falsely)


# --- whole trainings

STUDY = """data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {1: Home, 2: Push, 3: Cart}}
  tasks: {click: {column: clicked}}
  user: user
  item: item
  time: minute
  features: {categorical: [user, item], numeric: [price]}
  split: {by: time, valid_from: 9000, test_from: 10500}
arms: {shared_bottom: }
trials: 1
passes: 12
finalists: {top: 1, seeds: 1}
fixed: {train.batch_size: 128, train.learning_rate: 0.003}
slots: 1
device: cpu
"""
TASTE_U = np.random.default_rng(77).normal(size=80)
TASTE_OF_ITEMS = np.random.default_rng(78).normal(size=8)


def shop_rows(num_rows: int, seed: int, first: int) -> pl.DataFrame:
    """A row a minute of one source, which never changes."""
    draw = np.random.default_rng(seed)
    user_R, item_R = draw.integers(0, 80, num_rows), draw.integers(0, 8, num_rows)
    logit_R = TASTE_U[user_R] + TASTE_OF_ITEMS[item_R] - 0.5
    return pl.DataFrame(
        {
            "place": draw.choice([1, 2, 3], num_rows, p=SHARES),
            "user": user_R,
            "item": [f"item {item}" for item in item_R],
            "price": draw.normal(100, 20, num_rows).round(2),
            "clicked": (draw.random(num_rows) < expit(logit_R)).astype(np.int8),
            "minute": np.arange(first, first + num_rows),
        }
    )


def trained(refits: int, row_counts: Sequence[int] = (600, 1500)) -> Iterator[Row]:
    """Yield how often a model is called better that was trained on newer rows of one source."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop_rows(12_000, 0, 0).write_parquet(folder / "shop.parquet")
        study = folder / "study.yaml"
        study.write_text(STUDY)
        hs.launch(str(study), output=folder / "out")
        hs.export(str(study), folder / "model", output=folder / "out")
        for num_rows in row_counts:
            seeds = zip(range(refits), count(100), strict=False)
            marks = [_refitted(folder, number, num_rows, seed) for number, seed in seeds]
            for mark in ("better", "worse"):
                words = f"refit, trained on {num_rows:,} rows of the same source: {mark}"
                yield rate(words, [each == mark for each in marks])


def _refitted(folder: Path, number: int, num_rows: int, seed: int) -> str:
    path = folder / f"newer-{num_rows}-{number}.parquet"
    shop_rows(num_rows, seed, 12_000).write_parquet(path)
    return hs.refit(folder / "model", path, folder / f"refit-{num_rows}-{number}").mark


PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "refits": refits,
    "calibrators": calibrators,
    "ensembles": ensembles,
}
TITLES = {
    "refits": "A model that was fit again on newer rows",
    "calibrators": "A calibrator",
    "ensembles": "A selected ensemble",
}


def tables(studies: int) -> dict[str, list[Row]]:
    """Return all rates but those of whole trainings, as rows of tables by their titles."""
    return {TITLES[name]: list(part(studies)) for name, part in PARTS.items()}


def main() -> None:
    """Print them as rows of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--only", choices=[*PARTS, "trained"])
    parser.add_argument("--trained", type=int, default=0, metavar="REFITS")
    options = parser.parse_args()
    parts = [part(options.studies) for name, part in PARTS.items() if options.only in (None, name)]
    if options.trained:
        parts.append(trained(options.trained))
    print("| claim | share | 95 % interval | allowed | studies |\n|---|---|---|---|---|")
    for part in parts:
        for each in part:
            allowed = "" if each.allowed is None else f"{each.allowed:g}"
            span = f"{each.low:.3f} to {each.high:.3f}"
            row = each.words, f"{each.share:.3f}", span, allowed, str(each.studies)
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
