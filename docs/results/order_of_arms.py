"""Order of arms: does the value on validation rank the arms as test does?

`python docs/results/order_of_arms.py kuairand --keep runs.jsonl` trains the default configuration
of every arm with 5 seeds and values each run on validation in three ways: at its best moment, as
arms are compared; with every part at a moment of its own, as a model of parts is kept; and with the
moments chosen on one half of the users and valued on the other. Runs that the file has are not
trained again. Shape legend: R rows, T tasks.
"""

import argparse
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from markdown_tables import line, spread
from numpy.typing import NDArray
from torch import nn

from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.encoded_folder import open_dataset
from hinet_search.data.study_data import dataset_of
from hinet_search.models.layers.contracts import IndependentParts, Part
from hinet_search.results.finalist_values import headline
from hinet_search.results.objectives import Objective, objective_named
from hinet_search.results.records import CellValue, EvaluationRecord
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import load_study
from hinet_search.training.best_weights import BestParts
from hinet_search.training.metrics import cell_values
from hinet_search.training.run_state import Conditions
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trainable import BuiltModel, fit_all, trainable
from hinet_search.training.trial_config import build_config

SEEDS = 5
CPU = torch.device("cpu")
Logits = NDArray[np.float32]
Cells = tuple[CellValue, ...]


@dataclass(frozen=True)
class Job:
    """One training of the default configuration of one arm."""

    dataset: Path
    arm: str
    model: str
    values: dict[str, Value]
    objective: str
    seed: int


@dataclass(frozen=True)
class Run:
    """Values of one training: the objective on validation in three ways, the headline on test."""

    arm: str
    seed: int
    one_moment: float
    own_moments: float
    cross_fitted: float
    test: float


WAYS: dict[str, Callable[[Run], float]] = {
    "one evaluation": lambda run: run.one_moment,
    "best per part": lambda run: run.own_moments,
    "cross-fitted": lambda run: run.cross_fitted,
}


class Follower:
    """Keeps the validation scores of every evaluation."""

    def __init__(self, score: Callable[[], Logits]) -> None:
        self._score = score
        self.logits: list[Logits] = []

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Score once more: an evaluation keeps only its metrics."""
        del record
        self.logits.append(self._score())

    def should_stop(self) -> bool:
        """Never."""
        return False


def trained(job: Job) -> Run:
    """Train, then value the run in every way."""
    torch.set_num_threads(1)
    config, objective = build_config(job.model, job.values), objective_named(job.objective)
    dataset, schema = config.features.view(open_dataset(job.dataset))
    model = trainable(seeded_model(lambda: config.build(schema), job.seed), schema, CPU)
    follower = Follower(lambda: model.scores(dataset.valid))
    given = Conditions(dataset, schema, config.train, job.seed, job.seed, objective, CPU)
    fit_all([model], [given], [follower], [None])

    def cells_on(chosen_R: NDArray[np.bool_]) -> list[Cells]:
        rows = dataset.valid.where(chosen_R)
        return [
            cell_values(logits_RT[chosen_R], rows, schema.cells) for logits_RT in follower.logits
        ]

    first_R = half_of_users(dataset.valid)
    everything, halves = cells_on(np.ones_like(first_R)), (cells_on(first_R), cells_on(~first_R))
    parts = parts_of(model.model, len(everything[0]))
    tested = cell_values(model.scores(dataset.test), dataset.test, schema.cells)
    return Run(
        job.arm,
        job.seed,
        one_moment=objective(everything[moments(whole(parts), objective, everything)[0]]),
        own_moments=objective(composed(parts, moments(parts, objective, everything), everything)),
        cross_fitted=fmean(
            objective(composed(parts, moments(parts, objective, choosing), valuing))
            for choosing, valuing in (halves, halves[::-1])
        ),
        test=objective_named(headline(job.objective))(tested),
    )


def half_of_users(rows: Columns) -> NDArray[np.bool_]:
    """(R,): the rows of a random half of the users; of the rows where there are no users."""
    unit_R = rows.user_R if (rows.user_R >= 0).any() else np.arange(rows.num_rows)
    units, unit_R = np.unique(unit_R, return_inverse=True)
    is_chosen_U = np.random.default_rng(0).permutation(len(units)) < len(units) // 2
    return is_chosen_U[unit_R]


def parts_of(model: BuiltModel, num_cells: int) -> list[tuple[int, ...]]:
    """The cells of every part that keeps a moment of its own."""
    if isinstance(model, IndependentParts):
        return [part.cells for part in model.independent_parts()]
    return [tuple(range(num_cells))]


def whole(parts: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """All cells as one part."""
    return [tuple(sorted(cell for cells in parts for cell in cells))]


class Moment(nn.Module):
    """Stands for a part: its only weight is the number of the evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("number", torch.tensor(0))


def moments(
    parts: Sequence[tuple[int, ...]], objective: Objective, evaluations: Sequence[Cells]
) -> list[int]:
    """The evaluation that every part keeps, by the rule of training."""
    moments_of_parts = [Moment() for _ in parts]
    best = BestParts(
        tuple(Part(moment, cells) for moment, cells in zip(moments_of_parts, parts, strict=True)),
        objective,
    )
    for number, cells in enumerate(evaluations):
        for moment in moments_of_parts:
            moment.load_state_dict({"number": torch.tensor(number)})
        best.offer(number + 1, cells)
    return [int(weights["number"]) for weights in best.weights]


def composed(
    parts: Sequence[tuple[int, ...]], kept: Sequence[int], evaluations: Sequence[Cells]
) -> Cells:
    """The cells of a model whose parts are at these evaluations."""
    of_cell = {cell: number for cells, number in zip(parts, kept, strict=True) for cell in cells}
    return tuple(evaluations[of_cell[cell]][cell] for cell in range(len(of_cell)))


def jobs_of(name: str, cache: Path, num_seeds: int) -> Iterator[Job]:
    """Yield every arm with every seed, except arms sized by another arm: they have no default."""
    study = load_study(name)
    dataset: Dataset = dataset_of(study, cache, print)
    arms = [arm for arm in study.arms if study.spec.arms[arm.name].size_of is None]
    for seed in range(num_seeds):
        for arm in arms:
            values = arm.space.values(arm.space.default())
            yield Job(dataset.folder, arm.name, arm.model, values, study.spec.objective, seed)


def print_table(runs: Sequence[Run]) -> None:
    """Every arm in every way, and how many pairs of arms each way puts in the order of test."""
    arms = list(dict.fromkeys(run.arm for run in runs))
    of_arm = {arm: [run for run in runs if run.arm == arm] for arm in arms}
    print(
        f"| arm | {' | '.join(f'valid, {way}' for way in WAYS)} | test |\n"
        f"|{'---|' * (len(WAYS) + 2)}"
    )
    for arm in sorted(arms, key=lambda arm: -fmean(run.test for run in of_arm[arm])):
        columns = [
            [value(run) for run in of_arm[arm]] for value in (*WAYS.values(), lambda run: run.test)
        ]
        print(line([arm, *map(spread, columns)]))
    pairs = list(combinations(arms, 2))
    for way, value in WAYS.items():
        agree = sum(
            (fmean(map(value, of_arm[left])) - fmean(map(value, of_arm[right])))
            * (fmean(run.test for run in of_arm[left]) - fmean(run.test for run in of_arm[right]))
            > 0
            for left, right in pairs
        )
        print(f"{way}: {agree} of {len(pairs)} pairs of arms stand in the order of test")


def main() -> None:
    """Train what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--cache", type=Path, default=Path(".hinet-search/cache"))
    parser.add_argument(
        "--keep", type=Path, required=True, help="a file of runs, one JSON object a line"
    )
    arguments = parser.parse_args()
    lines = arguments.keep.read_text().splitlines() if arguments.keep.is_file() else []
    runs = [Run(**json.loads(line)) for line in lines]
    done = {(run.arm, run.seed) for run in runs}
    waiting = [
        job
        for job in jobs_of(arguments.study, arguments.cache, arguments.seeds)
        if (job.arm, job.seed) not in done
    ]
    with (
        multiprocessing.get_context("spawn").Pool(arguments.slots) as pool,
        arguments.keep.open("a") as file,
    ):
        for run in pool.imap_unordered(trained, waiting):
            runs.append(run)
            print(f"{len(runs)} of {len(done) + len(waiting)}: {run}")
            file.write(json.dumps(asdict(run)) + "\n")
            file.flush()
    print_table(runs)


if __name__ == "__main__":
    main()
