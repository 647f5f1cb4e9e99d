"""Self-comparison: how often the verdict claims a difference of one configuration to itself.

`python docs/results/self_comparison.py kuairand_raw --arm shared_bottom --runs 60` trains the
default configuration of one arm under many seeds, scores validation (the test split stays closed),
and 200 times lets two groups of 5 runs meet in the comparison that a report uses. Shape legend: S
runs, R rows, T tasks, D resamplings.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.encoded_folder import open_dataset
from hinet_search.data.study_data import dataset_of
from hinet_search.results.finalist_values import headline
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.results.statistics.resampling import ScoredRows, resampled
from hinet_search.results.statistics.simultaneous import holm
from hinet_search.results.statistics.welch import ArmValues, Estimate, estimate
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import load_study
from hinet_search.training.fit import fit
from hinet_search.training.make_feed import make_feed
from hinet_search.training.metrics import cell_values
from hinet_search.training.predict import predict
from hinet_search.training.run_state import Conditions
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trial_config import build_config

SEEDS = 5  # runs of a group: what a claim needs
COMPARISONS = 200
EFFECT = 0.004  # macro AUC, planted
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Job:
    """One training of one configuration."""

    dataset: Path
    model: str
    values: dict[str, Value]
    objective: str
    seed: int


class Alone:
    """Nobody follows the training."""

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Nothing to do."""

    def should_stop(self) -> bool:
        """Never."""
        return False


def validation_logits(job: Job) -> Logits:
    """(R, T): the logits on validation of one training, from its best weights."""
    torch.set_num_threads(1)
    config = build_config(job.model, job.values)
    dataset, schema = config.features.view(open_dataset(job.dataset))
    model = seeded_model(lambda: config.build(schema), job.seed)
    objective, cpu = objective_named(job.objective), torch.device("cpu")
    fit(
        model,
        Conditions(dataset, schema, config.train, job.seed, job.seed, objective, cpu),
        Alone(),
    )
    return predict(model, make_feed(dataset.valid, cpu))


@dataclass(frozen=True)
class Data:
    """Validation rows, and the measure of the verdict on them."""

    valid: Columns
    scenarios: tuple[str, ...]
    tasks: tuple[str, ...]
    headline: str

    def value(self, logits_RT: Logits) -> float:
        """The headline of one run."""
        return objective_named(self.headline)(
            cell_values(logits_RT, self.valid, self.scenarios, self.tasks)
        )

    def side(self, logits_RT: Logits) -> ArmValues:
        """One run, with its headline under the resamplings of the users."""
        rows = self.valid
        scored = ScoredRows(
            logits_RT[None],
            rows.labels_RT,
            rows.scenario_R,
            rows.user_R,
            self.scenarios,
            self.tasks,
        )
        drawn = resampled(scored, headline=self.headline, seed=0)
        return ArmValues((self.value(logits_RT),), drawn.headline, drawn.num_units)


def group(runs: Sequence[ArmValues]) -> ArmValues:
    """Return the runs as seeds of one arm, averaged under each resampling as for a finalist."""
    drawn = np.mean([run.resampled for run in runs], axis=0)
    return ArmValues(tuple(run.values[0] for run in runs), tuple(drawn.tolist()), runs[0].num_units)


def compared(left: ArmValues, right: ArmValues) -> Estimate:
    """The difference of two groups."""
    difference = estimate(left, right)
    if difference is None:
        raise ValueError(
            f"a comparison needs two runs of each, got {len(left.values)} and {len(right.values)}"
        )
    return difference


def claimed(left: ArmValues, right: ArmValues) -> int:
    """Return 1 if `left` is called better, -1 if worse, 0 if undecided, as for one baseline."""
    difference = compared(left, right)
    (step,) = holm([difference.p])
    low, high = difference.interval(step.level)
    return int(low > 0) - int(high < 0)


def meetings(lefts: Sequence[ArmValues], rights: Sequence[ArmValues], seed: int) -> list[int]:
    """Compare random groups of `lefts` with disjoint groups of `rights`, COMPARISONS times."""
    generator = np.random.default_rng(seed)
    claims = []
    for _ in range(COMPARISONS):
        drawn = generator.permutation(len(lefts))
        ours, theirs = drawn[:SEEDS], drawn[SEEDS : 2 * SEEDS]
        claims.append(
            claimed(group([lefts[run] for run in ours]), group([rights[run] for run in theirs]))
        )
    return claims


def noisy(logits_SRT: Logits, scale: float, seed: int) -> Logits:
    """Add normal noise of `scale` times the logits' standard deviation, drawn for every run."""
    noise_SRT = np.random.default_rng(seed).standard_normal(logits_SRT.shape, dtype=np.float32)
    return logits_SRT + np.float32(scale) * logits_SRT.std(axis=1, keepdims=True) * noise_SRT


def mean_loss(data: Data, logits_SRT: Logits, scale: float, seed: int) -> float:
    """By how much noise of that scale lowers the headline on average."""
    changed = zip(logits_SRT, noisy(logits_SRT, scale, seed), strict=True)
    return fmean(data.value(before) - data.value(after) for before, after in changed)


def calibrated(loss: Callable[[float], float], low: float = 0.0, high: float = 1.0) -> float:
    """The scale at which `loss` is EFFECT, by bisection."""
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if loss(middle) < EFFECT else (low, middle)
    return (low + high) / 2


def trained(arguments: argparse.Namespace) -> tuple[Data, Logits]:
    """Return the logits of all runs (S, R, T) on validation; reuse the file `--scores` if any."""
    study = load_study(arguments.study)
    arm = next(candidate for candidate in study.arms if candidate.name == arguments.arm)
    dataset: Dataset = dataset_of(study, arguments.cache, print)
    data = Data(
        dataset.valid,
        dataset.full_schema.scenarios,
        dataset.full_schema.tasks,
        headline(study.spec.objective),
    )
    if arguments.scores and arguments.scores.is_file():
        return data, np.load(arguments.scores)
    values = arm.space.values(arm.space.default())
    jobs = [
        Job(dataset.folder, arm.model, values, study.spec.objective, seed)
        for seed in range(arguments.runs)
    ]
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(arguments.slots) as pool:
        logits_SRT = np.stack(pool.map(validation_logits, jobs, chunksize=1))
    print(f"{arguments.runs} trainings of {arm.name} in {time.perf_counter() - began:.0f} s")
    if arguments.scores:
        np.save(arguments.scores, logits_SRT)
    return data, logits_SRT


def print_false_claims(sides: Sequence[ArmValues]) -> None:
    """Print the rates of all runs, and of disjoint pools, which show the effect of shared runs."""
    print(
        f"\none configuration against itself, {COMPARISONS} comparisons "
        f"of {SEEDS} with {SEEDS} runs:"
    )
    third = len(sides) // 3
    pools = [
        ("all runs", sides),
        *((f"pool {i + 1} of 3", sides[i * third : (i + 1) * third]) for i in range(3)),
    ]
    for name, pool in pools:
        print(
            f"  {name} ({len(pool)} runs): "
            f"{sum(map(abs, meetings(pool, pool, 1))) / COMPARISONS:.1%} false verdicts"
        )


def print_power(data: Data, logits_SRT: Logits, sides: Sequence[ArmValues]) -> None:
    """Calibrate noise on a third of the runs; compare the others with newly drawn noise."""
    third = len(sides) // 3
    scale = calibrated(lambda tried: mean_loss(data, logits_SRT[:third], tried, 2))
    worse = [data.side(logits_RT) for logits_RT in noisy(logits_SRT[third:], scale, 3)]
    better = sides[third:]
    loss = fmean(
        ours.values[0] - theirs.values[0] for ours, theirs in zip(better, worse, strict=True)
    )
    claims = meetings(better, worse, 4)
    print(
        f"\na planted difference of {EFFECT} "
        f"(noise of {scale:.2f} sd; {loss:.4f} in the compared runs):"
    )
    print(
        f"  found by {SEEDS} seeds in {claims.count(1) / COMPARISONS:.0%}, "
        f"with the wrong sign in {claims.count(-1)}"
    )


def print_spread(data: Data, sides: Sequence[ArmValues]) -> None:
    """What the errors of a comparison are made of."""
    values = [side.values[0] for side in sides]
    difference = compared(group(sides[:SEEDS]), group(sides[SEEDS : 2 * SEEDS]))
    print(
        f"{data.headline} on validation: {fmean(values):.4f}, "
        f"standard deviation over seeds {stdev(values):.4f}"
    )
    print(
        f"a difference of {SEEDS} and {SEEDS} runs: "
        f"seeds ±{difference.seed_error:.4f}, users ±{difference.user_error:.4f}"
    )


def main() -> None:
    """Train, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--arm", default="shared_bottom")
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path(".hinet-search/cache"))
    parser.add_argument(
        "--scores", type=Path, help="keep the logits in this .npy file, or take them from it"
    )
    arguments = parser.parse_args()
    data, logits_SRT = trained(arguments)
    sides = [data.side(logits_RT) for logits_RT in logits_SRT]
    print_spread(data, sides)
    print_false_claims(sides)
    print_power(data, logits_SRT, sides)


if __name__ == "__main__":
    main()
