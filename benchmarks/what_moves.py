"""What moves: what each choice brings on each task, on validation and over paired seeds.

`python benchmarks/tasks.py FOLDER`, then `python benchmarks/what_moves.py FOLDER --tasks frappe
--choices none bins`: the default that `data init` would write for the task is trained with no
choice and with each. What `tabular/what_moves.csv` has is not trained again, so the program can be
stopped at any time, and two may train different tasks. `--table` prints the tables of
docs/results/what_moves.md. No test split is opened.
"""

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from scipy.stats import t

from hinet_search import api
from hinet_search.data.columns import Dataset
from hinet_search.results.objectives import objective_named
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import PASSES, Arm
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trainable import fit_all, trainable
from hinet_search.training.trial_config import build_config
from random_draws import space_around
from record import CPU, settings_of
from tasks import TASKS

FILE = Path(__file__).parent / "tabular" / "what_moves.csv"
NONE = "none"
METRICS = ("mean_auc", "gauc", "logloss")
LEVEL = 0.05
SCALE, PENALTY, DECAY = "features.unit_scale", "train.embedding_l2", "train.rate_decay"
# What was the default before `all three` was: every other choice is judged beside it.
WITHOUT = {SCALE: False, PENALTY: 0.0, DECAY: False}
# Pairs that might matter. `data init` proposes none for these tables.
CROSSES_OF_FILMS = (
    ("gender", "genre_first"),
    ("age", "genre_first"),
    ("occupation", "genre_first"),
)
CROSSES: Mapping[str, Sequence[Sequence[str]]] = {
    "kuairand_statistics": (("hour", "tag_first"), ("user_active_degree", "tag_first")),
    "movielens_100_000": CROSSES_OF_FILMS,
    "movielens_time_100_000": CROSSES_OF_FILMS,
    "frappe": (("country", "weather"), ("homework", "weekday")),
    "hillstrom": (("channel", "newbie"), ("mens", "womens"), ("history_segment", "channel")),
    "uneven": (("channel", "product"), ("region", "payment"), ("product", "gender")),
}


@dataclass(frozen=True)
class Choice:
    """Settings beside the default's, the features that the data get, and what ends a training."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    features: str = ""  # a key of the data's features, whose value CROSSES has
    objective: str = "mean_auc"


CHOICES: Mapping[str, Choice] = {
    NONE: Choice(),
    "bins": Choice({"features.number_encoding": "bins"}),
    "piecewise": Choice({"features.number_encoding": "piecewise"}),
    "focal": Choice({"train.loss": "focal"}),
    "pairs of scenarios": Choice({"train.loss": "pairs_within_scenarios"}),
    "users together": Choice({"train.shuffle": "users"}),
    "pairs of users": Choice({"train.loss": "pairs_within_users", "train.shuffle": "users"}),
    "pairs of users, .1": Choice(
        {
            "train.loss": "pairs_within_users",
            "train.shuffle": "users",
            "train.ranking_weight": 0.1,
        }
    ),
    "pairs, by gauc": Choice(
        {"train.loss": "pairs_within_users", "train.shuffle": "users"}, objective="gauc"
    ),
    "by gauc": Choice(objective="gauc"),
    "crosses": Choice(features="crosses"),
    "scenarios alike": Choice({"train.scenario_weights": "equal"}),
    "new embeddings": Choice({"train.reset_embeddings": True}),
    "more patience": Choice({"train.patience": 12}),
    "rate decay": Choice({DECAY: True}),
    "unit scale": Choice({SCALE: True}),
    "penalty": Choice({PENALTY: 0.002}),
    "penalty, decay": Choice({PENALTY: 0.002, DECAY: True}),
    "scale, decay": Choice({SCALE: True, DECAY: True}),
    "all three": Choice({SCALE: True, PENALTY: 0.002, DECAY: True}),
    "all three, .0002": Choice({SCALE: True, PENALTY: 0.0002, DECAY: True}),
    "all three, .02": Choice({SCALE: True, PENALTY: 0.02, DECAY: True}),
    "one pass": Choice({SCALE: True, DECAY: True, PASSES: 1.0}),
    "one pass, penalty": Choice({SCALE: True, PENALTY: 0.002, DECAY: True, PASSES: 1.0}),
}


@dataclass(frozen=True)
class Run:
    """One training: its values on validation at its best evaluation, and its CPU seconds."""

    task: str
    arm: str
    choice: str
    seed: int
    mean_auc: float
    gauc: float | None
    logloss: float
    passes: float
    seconds: float

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What was trained."""
        return self.task, self.arm, self.choice, self.seed


def main() -> None:
    """Train what is missing, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--arms", nargs="+", default=["shared_bottom"])
    parser.add_argument("--choices", nargs="+", default=list(CHOICES), choices=list(CHOICES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        print("\n".join(tables(read_runs(), options.tasks)))
        return
    torch.set_num_threads(1)
    for task in options.tasks:
        for choice in options.choices:
            _train_missing(options, task, choice)


def _train_missing(options: argparse.Namespace, task: str, choice: str) -> None:
    done = {run.key for run in read_runs()}
    missing = [
        (arm, seed)
        for arm in options.arms
        for seed in range(1, options.seeds + 1)
        if (task, arm, choice, seed) not in done
    ]
    if not missing:
        return
    prepared = api.ready(str(_study_file(options.folder, task, choice)), LaunchOptions())
    settings = replace(settings_of(prepared.study, prepared.dataset), bins=False)
    arms = {arm.name: arm for arm in prepared.study.arms}
    for name, seed in missing:
        arm = arms[name]
        space = space_around(arm.space, settings)
        passes = {**settings.fixed, PASSES: float(settings.passes)}
        values = {**space.values(space.default()), **passes, **WITHOUT}
        values |= CHOICES[choice].settings
        run = _train(Run(task, name, choice, seed, 0, 0, 0, 0, 0), arm, values, prepared.dataset)
        write_run(run)
        print(f"{task} {name} {choice} {seed}: {run.mean_auc:.4f} in {run.seconds:.0f} s")
        sys.stdout.flush()


def _study_file(folder: Path, task: str, choice: str) -> Path:
    """Return the study of a task, with the features of the choice."""
    path = folder / f"{task}.yaml"
    key = CHOICES[choice].features
    if not key:
        return path
    tree = json.loads(path.read_text())
    tree["data"]["features"][key] = CROSSES[task]
    changed = folder / f"{task}-{key}.yaml"
    changed.write_text(json.dumps(tree, indent=1))
    return changed


def _train(run: Run, arm: Arm, values: Mapping[str, Any], dataset: Dataset) -> Run:
    """Return the run with its values."""
    config = build_config(arm.model, values)
    data, schema = config.features.view(dataset)
    model = trainable(seeded_model(lambda: config.build(schema), run.seed), schema, CPU)
    objective = objective_named(CHOICES[run.choice].objective)
    conditions = Conditions(data, schema, config.train, run.seed, run.seed, objective, CPU)
    began = time.process_time()
    (result,) = fit_all([model], [conditions], [_Untouched()], [None])
    assert isinstance(result, FitResult), result
    cells = result.valid_cells
    has_users = any(cell.gauc is not None for cell in cells)
    return Run(
        task=run.task,
        arm=run.arm,
        choice=run.choice,
        seed=run.seed,
        mean_auc=objective_named("mean_auc")(cells),
        gauc=objective_named("gauc")(cells) if has_users else None,
        logloss=objective_named("logloss")(cells),
        passes=result.evaluations[-1].passes,
        seconds=time.process_time() - began,
    )


class _Untouched:
    """Watches nothing and never stops a training."""

    def on_evaluation(self, record: object) -> None:
        """Ignore it."""

    def should_stop(self) -> bool:
        """Return False."""
        return False


def read_runs() -> list[Run]:
    """Return all trainings of the file."""
    if not FILE.exists():
        return []
    with FILE.open() as file:
        return [_run(row) for row in csv.DictReader(file)]


def _run(row: Mapping[str, str]) -> Run:
    return Run(
        task=row["task"],
        arm=row["arm"],
        choice=row["choice"],
        seed=int(row["seed"]),
        mean_auc=float(row["mean_auc"]),
        gauc=float(row["gauc"]) if row["gauc"] else None,
        logloss=float(row["logloss"]),
        passes=float(row["passes"]),
        seconds=float(row["seconds"]),
    )


def write_run(run: Run) -> None:
    """Add a training to the file."""
    is_new = not FILE.exists()
    with FILE.open("a", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Run)])
        if is_new:
            writer.writeheader()
        values = asdict(run)
        rounded = {name: _rounded(value) for name, value in values.items()}
        writer.writerow(rounded)


def _rounded(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def tables(runs: Sequence[Run], tasks: Sequence[str]) -> list[str]:
    """Return tables of an arm and metric: a row a choice, a column a task, gains with intervals.

    Intervals are Student t over paired seeds (95 %). **Bold** is shown after Bonferroni's
    correction for all gains of the table.
    """
    lines = []
    for arm in dict.fromkeys(run.arm for run in runs):
        of_arm = [run for run in runs if run.arm == arm]
        for metric in METRICS:
            lines += ["", f"{arm}, {metric}", "", *_table(of_arm, tasks, metric)]
    return lines


def _table(runs: Sequence[Run], tasks: Sequence[str], metric: str) -> list[str]:
    plain = {}
    for task in tasks:
        by_seed = _by_seed(runs, task, NONE, metric)
        if by_seed:
            plain[task] = by_seed
    gains = {}
    for choice in CHOICES:
        for task, before in plain.items():
            after = _by_seed(runs, task, choice, metric)
            paired = [after[seed] - before[seed] for seed in before.keys() & after.keys()]
            if choice != NONE and len(paired) > 1:
                gains[choice, task] = paired
    first = [NONE, *(_number(fmean(by_seed.values())) for by_seed in plain.values())]
    lines = [f"| choice | {' | '.join(plain)} |", "|---" * len(first) + "|", _line(first)]
    for choice in dict.fromkeys(choice for choice, _ in gains):
        cells = [_gain(gains.get((choice, task), []), len(gains)) for task in plain]
        lines.append(_line([choice, *cells]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _by_seed(runs: Iterable[Run], task: str, choice: str, metric: str) -> dict[int, float]:
    values = {}
    for run in runs:
        value = getattr(run, metric)
        if (run.task, run.choice) == (task, choice) and value is not None:
            values[run.seed] = value
    return values


def _gain(paired: Sequence[float], num_gains: int) -> str:
    """Return `+.0012 (.0003 to .0021)`."""
    if not paired:
        return ""
    mean = fmean(paired)
    error = stdev(paired) / sqrt(len(paired))
    half = float(t.ppf(1 - LEVEL / 2, len(paired) - 1)) * error
    text = f"{_number(mean, sign='+')} ({_number(mean - half)} to {_number(mean + half)})"
    is_shown = abs(mean) > float(t.ppf(1 - LEVEL / 2 / num_gains, len(paired) - 1)) * error
    return f"**{text}**" if is_shown else text


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.4f}".replace("0.", ".", 1).replace("-", "−")


if __name__ == "__main__":
    main()
