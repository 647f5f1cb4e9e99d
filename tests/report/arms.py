"""Synthetic arms of a study: trials, finalists and what their trainings measured, with seeded random numbers."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    Cost,
    EvaluationRecord,
    FinalistRecord,
    FinalistRun,
    FinalistSummary,
    GateUsage,
    Insight,
    ParameterRange,
    Resampled,
    Scalar,
    Start,
    TrialRecord,
)

SHOP = ("Home feed", "Search", "Detail page", "Cart", "Push")
ARMS = ("single", "shared_bottom", "mmoe", "ple", "star", "flat_moe", "hinet")
STRENGTH = {
    "hinet": 0.0090,
    "ple": 0.0050,
    "flat_moe": 0.0045,
    "mmoe": 0.0035,
    "star": 0.0020,
    "shared_bottom": -0.0030,
}
RANGES = (
    ParameterRange("train.learning_rate", "float", 3e-4, 5e-3, True, (), 1e-3),
    ParameterRange("model.scenario.num_sub_experts", "int", 1, 8, False, (), 3),
    ParameterRange("model.dropout", "float", 0.0, 0.6, False, (), 0.2),
    ParameterRange("model.embedding_dim", "categorical", None, None, False, ("4", "8", "16"), 8),
    ParameterRange("model.san.top_k", "int", 1, 4, False, (), 3, when="model.san.enabled"),
    ParameterRange("model.san.enabled", "categorical", None, None, False, ("true", "false"), True),
)


@dataclass(frozen=True)
class Shape:
    """Shape of a synthetic study."""

    arms: tuple[str, ...] = ARMS
    scenarios: tuple[str, ...] = SHOP
    tasks: tuple[str, ...] = ("click", "order")
    trials: int = 24
    seeds: int = 5
    finalists: bool = True
    opened: bool = True
    users: bool = True  # resamplings of users, which a claim needs; the same for all arms
    objective: str = "mean_auc"
    gap: float = 1.0  # scales the differences between arms
    single_class: tuple[tuple[str, str], ...] = ()


@cache
def made_up_arm(shape: Shape, name: str, index: int) -> ArmRecord:
    """Return an arm with its trials and finalists; `index` seeds them."""
    draw = np.random.default_rng(index)
    level = 0.7500 + shape.gap * STRENGTH.get(name, 0.0)
    ranges = RANGES if name == "hinet" else RANGES[:4]
    trials = tuple(_trial(shape, number, level, ranges, draw) for number in range(shape.trials))
    weights = draw.dirichlet(np.ones(len(ranges))).round(3)
    numbers = range(3 if shape.finalists else 0)
    finalists = tuple(_finalist(shape, name, number, level, trials) for number in numbers)
    return ArmRecord(
        name=name,
        model=name if name in ARMS else "ple",
        ranges=ranges,
        fixed={"train.optimizer": "adam"},
        trials=trials,
        finalists=finalists,
        importances={
            searched.name: float(weight) for searched, weight in zip(ranges, weights, strict=True)
        },
        starts=_starts(trials),
    )


def _starts(trials: tuple[TrialRecord, ...]) -> tuple[Start, ...]:
    """The trials after the default: one of another study, and two of a portfolio."""
    sources = (("ple/7", "summer"), ("portfolio 1", ""), ("portfolio 2", ""))
    pairs = zip(trials[1:], sources, strict=False)
    return tuple(Start(trial.parameters, *source) for trial, source in pairs)


def _trial(
    shape: Shape,
    number: int,
    level: float,
    ranges: tuple[ParameterRange, ...],
    draw: np.random.Generator,
) -> TrialRecord:
    kind = draw.random()
    state, cause, epochs = "complete", "", 4.0
    if number and kind < 0.03:
        state, cause = "failed", "out of memory at batch 4096"
    elif number and kind <= 0.35:
        state, cause, epochs = "pruned", "median pruner after 1.5 epochs", 1.5
    value = None
    if state != "failed":
        value = _turned(shape, level - 0.02 + 0.018 * float(draw.random()) ** 0.3)
    parameters = {
        searched.name: _drawn(searched, draw) if number else searched.default for searched in ranges
    }
    evaluations = _evaluations(shape, level, number) if number < 50 else ()
    kept = tuple(each for each in evaluations if each.epochs <= epochs)
    cost = _cost(level, number)
    return TrialRecord(number, state, value, parameters, number == 0, cause, kept, cost)


def _drawn(searched: ParameterRange, draw: np.random.Generator) -> Scalar:
    if searched.low is None or searched.high is None:
        choice = str(draw.choice(searched.choices))
        return {"true": True, "false": False}.get(choice, choice)
    if searched.kind == "int":
        return int(draw.integers(int(searched.low), int(searched.high) + 1))
    if searched.log:
        return float(np.exp(draw.uniform(np.log(searched.low), np.log(searched.high))))
    return float(draw.uniform(searched.low, searched.high))


def _turned(shape: Shape, auc: float) -> float:
    """Log losses fall as AUC rises."""
    return 1.2 - auc if shape.objective.startswith("logloss") else auc


def _cost(level: float, number: int) -> Cost:
    size = int(1_200_000 + 60_000_000 * (level - 0.75)) + 1_000 * number
    return Cost(
        6_200_000 + size,
        size,
        2 * size,
        412_000.0 - size / 10,
        552.0 + number,
        5_100_000_000,
        "NVIDIA H100",
    )


def _evaluations(shape: Shape, level: float, seed: int) -> tuple[EvaluationRecord, ...]:
    return tuple(
        EvaluationRecord(
            step=step,
            epochs=step / 4,
            objective=_turned(
                shape, level - 0.03 * float(np.exp(-step / 3)) + 0.0005 * (seed % 3) - 0.0001 * step
            ),
            train_loss=0.4 - step / 100,
            seconds=30.0 * step,
            cells=(),
        )
        for step in range(1, 17)
    )


def _finalist(
    shape: Shape, name: str, number: int, level: float, trials: tuple[TrialRecord, ...]
) -> FinalistRecord:
    trial = trials[min(number, len(trials) - 1)]
    runs = tuple(
        _run(shape, name, level - 0.001 * abs(number - 1), seed) for seed in range(shape.seeds)
    )
    if number != 1:
        runs = tuple(replace(run, test_cells=None) for run in runs)
    results = _summary(shape, runs) if number == 1 and shape.opened and shape.users else None
    return FinalistRecord(trial.number, number == 0, number == 1, trial.parameters, runs, results)


def _summary(shape: Shape, runs: tuple[FinalistRun, ...]) -> FinalistSummary:
    """Resamplings without an ensemble; a cell of one class has none."""
    drawn = tuple((0.7 + np.random.default_rng(7).normal(0, 0.004, 40)).tolist())
    cells = ((scenario, task) for scenario in shape.scenarios for task in shape.tasks)
    of_cells = tuple(() if cell in shape.single_class else drawn for cell in cells)
    return FinalistSummary(
        tuple(run.seed for run in runs), (), (), Resampled("users", 4_800, drawn, of_cells)
    )


def _run(shape: Shape, name: str, level: float, seed: int) -> FinalistRun:
    draw = np.random.default_rng([seed, sum(name.encode())])
    shift = 0.0006 * float(np.random.default_rng(seed).standard_normal())
    cells = tuple(
        _cell(shape, (scenario, task), level + shift + 0.01 * i - 0.02 * j, draw, i + j)
        for i, scenario in enumerate(shape.scenarios)
        for j, task in enumerate(shape.tasks)
    )
    valid = _turned(shape, level - 0.001 + shift)
    opened = cells if shape.opened else None
    return FinalistRun(
        seed,
        valid,
        cells,
        opened,
        _evaluations(shape, level, seed),
        _cost(level, seed),
        _insight(shape, name, draw),
    )


def _cell(
    shape: Shape, cell: tuple[str, str], level: float, draw: np.random.Generator, place: int
) -> CellValue:
    noise = float(draw.normal(0, 0.0004 * (1 + place)))
    rows = 41_200 >> place
    if cell in shape.single_class:
        return CellValue(*cell, rows, 0, None, 0.01, reason="one class")
    return CellValue(*cell, rows, rows // 20, level + noise, 1.2 - level - noise)


def _insight(shape: Shape, name: str, draw: np.random.Generator) -> Insight:
    if name != "hinet":
        return Insight()
    num_scenarios = len(shape.scenarios)
    attention = None
    if num_scenarios > 1:
        weights = draw.dirichlet(1 + np.arange(num_scenarios) % 4, size=num_scenarios) * (
            1 - np.eye(num_scenarios)
        )
        attention = tuple(
            tuple(float(weight) for weight in row)
            for row in weights / weights.sum(axis=1, keepdims=True)
        )
    gates = tuple(
        GateUsage(
            f"{scenario}/{task}",
            ("shared 1", "shared 2", "specific 1"),
            tuple(draw.dirichlet([4.0, 2.0, 3.0]).tolist()),
        )
        for scenario in shape.scenarios
        for task in shape.tasks
    )
    return Insight(attention, gates)
