"""Claims: how often a claim is wrong when the truth is known, and a true difference is found.

`python docs/results/claims.py` prints the tables of all modules `claims_of_NAME.py` beside this
file, which are found by their name; nothing else names them. Each has a function `asked()`, which
returns a mapping of titles to questions, which are shared out to the processes one by one, or a
function `tables(studies, seed)`, which returns a mapping of titles to rows.

Here is also what they simulate: a `World` makes studies of some arms and five seeds: validation
and test values of every seed, finalists of which validation chooses one, an error of the users
that all seeds of an arm share. Each goes through the product's own choice, verdict and
recommendation. Shape legend: A arms, K finalists of an arm, S seeds, D resamplings.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from claims_rows import Row, Table, printed, read, save, write_page
from numpy.typing import NDArray
from scipy.stats import binomtest

from hinet_search.results.data_record import CellCount, DataRecord
from hinet_search.results.decision import decision
from hinet_search.results.objectives import Objective
from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    Cost,
    FinalistRecord,
    FinalistRun,
    FinalistSummary,
    Resampled,
)
from hinet_search.results.study_record import Budget, StudyRecord
from hinet_search.results.verdict import Verdict, verdict
from hinet_search.search.phases.finalists import best_of

ARMS = ("hinet", "single", "shared_bottom", "mmoe", "ple", "hmoe", "star", "flat_moe", "trees")
SEEDS = 5
RESAMPLINGS = 200
LEVEL = 0.75  # AUC of every arm but for its gain
LIKENESS = 0.54  # correlation of a seed's validation and test values, as measured on KuaiRand
HERE = Path(__file__).parent
CELL = CellCount("all", "click", (1, 1, 1), (1, 1, 1))
DATA = DataRecord("synthetic", "0", "by column", (1, 1, 1), ("all",), ("click",), 1, 0, (CELL,))
STUDY = StudyRecord(
    name="synthetic",
    description="",
    state="done",
    objective="macro_auc",
    maximize=True,
    sampler="",
    pruner="",
    seed=0,
    slots=1,
    budget=Budget(0, 1.0, SEEDS, 0),
    data=DATA,
    arms=(),
    study_yaml="",
    command="",
    versions={},
    test_accesses=0,
    reference="single",
)

Values = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """The truth of a study of arms with these `names`, and what is kept of it."""

    users: float = 0.001  # standard error of a difference of two arms over users
    spreads: tuple[float, ...] = (0.0015,) * 9  # standard deviation over seeds
    gains: tuple[float, ...] = (0.0,) * 9  # of every configuration of an arm
    finalists: int = 4
    order: float = 0.0  # standard deviation of what an order of rows does to an arm
    names: tuple[str, ...] = ARMS
    shared_batches: bool = False
    without_users: bool = False
    seeds: int = SEEDS
    configurations: float = 0.0  # deviation of what one search finds of an arm from another search
    cells: int = 1
    opened: int = SEEDS  # seeds of the second arm that were opened on test
    likeness: float = LIKENESS

    def searched(self, draw: np.random.Generator) -> "World":
        """The world of what one search found: its configurations have gains of their own."""
        if not self.configurations:
            return self
        found = np.array(self.gains) + draw.normal(size=len(self.names)) * self.configurations
        return replace(self, gains=tuple(found.tolist()))

    def study(self, draw: np.random.Generator) -> StudyRecord:
        """One study of this world, as it would be stored."""
        shape = (len(self.names), self.finalists, self.seeds)
        spread_A11 = np.array(self.spreads)[:, None, None]
        valid_AKS = draw.normal(size=shape) * spread_A11
        rest_AKS = draw.normal(size=shape) * spread_A11
        test_AKS = self.likeness * valid_AKS + (1 - self.likeness**2) ** 0.5 * rest_AKS
        orders = 1 if self.shared_batches else self.seeds
        order_AKS = draw.normal(size=(*shape[:2], orders)) * self.order
        level_A11 = LEVEL + np.array(self.gains)[:, None, None]
        of_users_A11 = draw.normal(size=(len(self.names), 1, 1)) * self.users / 2**0.5
        on_valid_AKS = level_A11 + valid_AKS + order_AKS
        on_test_AKS = level_A11 + test_AKS + order_AKS + of_users_A11
        arms = tuple(
            self._arm(place, on_valid_AKS[place], on_test_AKS[place], draw)
            for place in range(len(self.names))
        )
        budget = Budget(0, 1.0, self.seeds, self.finalists - 1)
        scenarios = tuple(scenario_names(self.cells))
        cells = tuple(replace(CELL, scenario=name) for name in scenarios)
        data = replace(DATA, scenarios=scenarios, cells=cells)
        return replace(
            STUDY, budget=budget, data=data, arms=arms, shared_batches=self.shared_batches
        )

    def _arm(
        self, place: int, valid_KS: Values, test_KS: Values, draw: np.random.Generator
    ) -> ArmRecord:
        cost = Cost(
            1, 1, 2000 - 100 * place, 1.0, 1.0, 1, "cpu"
        )  # each arm computes less than the one before
        trained = [_finalist(number, valid_S, cost) for number, valid_S in enumerate(valid_KS)]
        best = best_of(trained, Objective("macro_auc"), range(self.seeds))
        if best is None:
            raise ValueError("a finalist must be chosen, as every one has all seeds")
        of_users = self.users / 2**0.5
        test_SC = test_KS[best.trial_number][:, None] + self._apart(of_users, 1, draw)
        test_SC = test_SC + self._apart(self.spreads[place], self.seeds, draw)
        opened = self.opened if place == 1 else self.seeds
        runs = tuple(
            replace(run, test_cells=_cells(test_C) if run.seed < opened else None)
            for run, test_C in zip(best.runs, test_SC, strict=True)
        )
        drawn_DC = test_SC.mean(axis=0) + draw.normal(size=(RESAMPLINGS, 1)) * of_users
        drawn_DC += self._apart(of_users, RESAMPLINGS, draw)
        by_cell = tuple(tuple(drawn_D) for drawn_D in drawn_DC.T.tolist())
        drawn = tuple(drawn_DC.mean(axis=1).tolist())
        resampled = Resampled("users", 15_000, drawn, by_cell)
        summary = FinalistSummary(tuple(range(self.seeds)), (), (), resampled)
        kept = None if self.without_users or opened < self.seeds else summary
        name = self.names[place]
        opened_one = replace(best, chosen=True, runs=runs, summary=kept)
        finalists = tuple(opened_one if each is best else each for each in trained)
        return ArmRecord(name, name, (), {}, (), finalists, {})

    def _apart(self, spread: float, count: int, draw: np.random.Generator) -> Values:
        """(count, cells): what sets cells apart, so that their mean still varies by `spread`."""
        if self.cells == 1:
            return np.zeros((count, 1))
        apart = draw.normal(size=(count, self.cells)) * spread * self.cells**0.5
        return apart - apart.mean(axis=1, keepdims=True)


def scenario_names(count: int) -> list[str]:
    """Return the scenarios of a synthetic study."""
    return ["all"] if count == 1 else [f"scenario {number}" for number in range(count)]


def _cells(auc_C: Values) -> tuple[CellValue, ...]:
    names = scenario_names(len(auc_C))
    return tuple(
        CellValue(name, "click", 1000, 500, float(auc), None)
        for name, auc in zip(names, auc_C, strict=True)
    )


def _finalist(number: int, valid_S: Values, cost: Cost) -> FinalistRecord:
    runs = tuple(_run(seed, valid, cost) for seed, valid in enumerate(valid_S))
    return FinalistRecord(number, number == 0, False, {}, runs)


def _run(seed: int, valid: float, cost: Cost) -> FinalistRun:
    return FinalistRun(seed, float(valid), _cells(np.array([valid])), None, (), cost)


Happened = Callable[[World, StudyRecord, Verdict], bool]


def false_claim(world: World, _: StudyRecord, outcome: Verdict) -> bool:
    """Return whether an arm is called better or worse than the focus that is not."""
    truth = dict(zip(world.names, world.gains, strict=True))
    ours = truth[outcome.focus or ""]
    false_wins = [ours <= truth[name] for name in _claimed(outcome, "better")]
    false_losses = [ours >= truth[name] for name in _claimed(outcome, "worse")]
    return any(false_wins + false_losses)


def claim(_: World, __: StudyRecord, outcome: Verdict) -> bool:
    """Return whether anything is claimed of any arm."""
    return bool(_claimed(outcome, "better", "worse"))


def claim_of_cell(_: World, __: StudyRecord, outcome: Verdict) -> bool:
    """Return whether the focus is called better or worse than its rival in any cell."""
    return outcome.count("better") + outcome.count("worse") > 0


def claim_of_second(world: World, _: StudyRecord, outcome: Verdict) -> bool:
    """Return whether anything is claimed of the arm that lacks something."""
    return world.names[1] in _claimed(outcome, "better", "worse")


def win(_: World, __: StudyRecord, outcome: Verdict) -> bool:
    """Return whether the focus is better than all others."""
    return all(contrast.mark == "better" for contrast in outcome.contrasts)


def better_than_one(_: World, __: StudyRecord, outcome: Verdict) -> bool:
    """Return whether the focus is better than the first of the others."""
    return outcome.contrasts[0].mark == "better"


def _claimed(outcome: Verdict, *marks: str) -> list[str]:
    """Return the arms that have one of these marks."""
    return [contrast.arm for contrast in outcome.contrasts if contrast.mark in marks]


def costly_choice(world: World, record: StudyRecord, outcome: Verdict) -> bool:
    """Return whether a cheaper arm is recommended that loses as much as the margin, or more."""
    decided = decision(record, outcome)
    truth = dict(zip(world.names, world.gains, strict=True))
    return (
        decided.taken is not None
        and "is shown to lose" in decided.why
        and max(world.gains) - truth[decided.taken.name] >= record.budget.margin
    )


def cheaper_choice(_: World, record: StudyRecord, outcome: Verdict) -> bool:
    """Return whether a cheaper arm is taken as good enough."""
    return "is shown to lose" in decision(record, outcome).why


class Asked(Protocol):
    """A question that is asked of one synthetic study after the other."""

    @property
    def words(self) -> str:
        """The line of the table."""

    @property
    def limit(self) -> float | None:
        """The largest share that is allowed; None where there is no limit."""

    @property
    def part(self) -> float:
        """The part of all studies that is enough for it, as its studies take longer."""

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether it happens in one study."""


@dataclass(frozen=True)
class Question:
    """A count in a world, and the largest share that it may have; None where there is no limit."""

    words: str
    world: World
    happened: Happened
    limit: float | None = None
    part: float = 1.0

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether it happens in one study of the world."""
        world = self.world.searched(draw)
        record = world.study(draw)
        return self.happened(world, record, verdict(record))


def share(question: Asked, studies: int, seed: int = 0) -> tuple[float, float, float]:
    """Return how often it happened, with the ends of the exact 95 % interval."""
    draw = np.random.default_rng(seed)
    return part_of(sum(question.happens(draw) for _ in range(studies)), studies)


def part_of(count: int, studies: int) -> tuple[float, float, float]:
    """Return a count as a share, with the ends of the exact 95 % interval."""
    ends = binomtest(count, studies).proportion_ci(0.95)
    return count / studies, float(ends.low), float(ends.high)


Tables = Mapping[str, Sequence[Row]]  # by title


def answered(title: str, question: Asked, studies: int, seed: int = 0) -> Tables:
    """Return the table of one line that answers a question."""
    enough = max(1, round(question.part * studies))
    row = Row(question.words, *share(question, enough, seed), enough, question.limit)
    return {title: [row]}


def tables_of(name: str, studies: int, seed: int) -> Tables:
    """Return the tables of a module."""
    tables: Tables = importlib.import_module(name).tables(studies, seed)
    return tables


def asked_of(
    name: str, studies: int, seed: int, only: str, pool: ProcessPoolExecutor
) -> Iterator[Future[Tables]]:
    """Start what a module asks; if it has questions, those whose line holds `only`."""
    module = importlib.import_module(name)
    if not hasattr(module, "asked"):
        yield pool.submit(tables_of, name, studies, seed)
        return
    for title, questions in module.asked().items():
        for question in questions:
            if only in question.words:
                yield pool.submit(answered, title, question, studies, seed)


def module_names() -> list[str]:
    """Return the modules that have tables: those of the verdict first."""
    names = sorted(path.stem for path in HERE.glob("claims_of_*.py"))
    return sorted(names, key=lambda name: name != "claims_of_verdict")


def main() -> None:
    """Print the tables as Markdown."""
    names = module_names()
    parts = [name.removeprefix("claims_of_") for name in names]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000, help="simulated for every line")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--processes", type=int, default=1, help="that share the lines")
    parser.add_argument("--part", choices=parts, action="append", help="only these modules")
    parser.add_argument("--only", default="", metavar="TEXT", help="only lines that hold this text")
    parser.add_argument("--write", action="store_true", help="write claims.csv and claims.md")
    chosen = parser.parse_args()
    if chosen.write and chosen.only:
        parser.error("--write needs whole tables, without --only")
    sys.path.insert(0, str(HERE))
    answers: list[tuple[str, Future[Tables]]] = []
    rows: dict[tuple[str, str], list[Row]] = {}
    with ProcessPoolExecutor(chosen.processes) as pool:
        for part, name in zip(parts, names, strict=True):
            if part in (chosen.part or parts):
                asked = asked_of(name, chosen.studies, chosen.seed, chosen.only, pool)
                answers += [(part, answer) for answer in asked]
        for number, (part, answer) in enumerate(answers, 1):
            for title, of_answer in answer.result().items():
                rows.setdefault((part, title), []).extend(of_answer)
            print(f"{number} of {len(answers)}", end="\r", file=sys.stderr, flush=True)
    tables = [Table(part, title, of_title) for (part, title), of_title in rows.items()]
    for table in tables:
        print("\n".join(printed(table.title, table.rows)))
    if chosen.write:
        kept = [table for table in read() if table.family not in (chosen.part or parts)]
        save(sorted([*kept, *tables], key=lambda table: parts.index(table.family)))
        write_page()


if __name__ == "__main__":
    main()
