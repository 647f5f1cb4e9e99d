"""Search: how soon strategies find the best configuration of a recorded table.

Every strategy searches every table with several seeds, on a simulated clock with some slots. The
target is a configuration whose truth (its mean over seeds) is within 0.001 of the best. Seconds are
those until the trial that looks best is that good, and stays so. Ratios are against Optuna's TPE.
Other libraries search in environments of their own (`search_peers.py`).
"""

import argparse
import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import inf, isinf
from pathlib import Path
from statistics import mean, median

import numpy as np

from recorded import recorded
from replay.clock import Trace, simulate
from replay.recorded_tables import recorded_table
from replay.strategy import MakeStrategy
from replay.table import Table
from replay.with_optuna import STRATEGIES
from search_peers import PEERS, replay_peers

NEAR = 0.001
TRIALS = 60  # whole trainings of mean length that a slot has time for, at most
FEWEST = 30  # configurations of a table that is searched
YARDSTICK = "optuna tpe"
SHARES = (0.1, 0.25, 0.5)  # of the time, at which regret is told
CURVE = tuple(number / 40 for number in range(1, 41))  # shares of the time of a drawn curve
RESAMPLES = 1000


@dataclass(frozen=True)
class SearchFigure:
    """One strategy on one table, over all repeats.

    `seconds` is the median to the target, infinity when most repeats never reach it, `low` and
    `high` its 95 % interval by bootstrap. `never` is the share of repeats that do not reach it.
    `regret` is the mean at `SHARES` of the time, `curve` that at `CURVE`. `failure` says why a peer
    has no figures.
    """

    table: str
    slots: int
    strategy: str
    repeats: int
    seconds: float
    low: float
    high: float
    never: float
    regret: tuple[float, ...]
    curve: tuple[float, ...]
    trials: float
    failure: str = ""


def bench_search(
    slots: Sequence[int],
    *,
    repeats: int,
    with_peers: bool = False,
    names: Container[str] | None = None,
    strategies: Container[str] | None = None,
) -> list[SearchFigure]:
    """Replay all strategies, or some, on every table that is large enough, or those named."""
    tables = [recorded_table(task, arm) for task, arm in recorded()]
    large = [table for table in tables if len(table.configurations) >= FEWEST]
    if names is not None:
        large = [table for table in large if table.name in names]
    figures = []
    for searched in large:
        for number in slots:
            figures += [
                figure(searched, number, name, make, repeats)
                for name, make in STRATEGIES.items()
                if strategies is None or name in strategies
            ]
            if with_peers:
                figures += list(_of_peers(searched, number, repeats, strategies))
    return figures


def _of_peers(
    searched: Table, slots: int, repeats: int, strategies: Container[str] | None
) -> Iterator[SearchFigure]:
    time = _seconds(searched) / slots
    for replayed in replay_peers(searched, slots, time, repeats, strategies):
        if not replayed.failure:
            yield summary(searched, slots, replayed.strategy, replayed.traces)
            continue
        names = (searched.name, slots, replayed.strategy)
        yield SearchFigure(*names, 0, inf, inf, inf, 1.0, (), (), 0.0, replayed.failure)


def figure(table: Table, slots: int, name: str, make: MakeStrategy, repeats: int) -> SearchFigure:
    """Replay one strategy on one table."""
    time = _seconds(table) / slots
    traces = [simulate(table, make(table, seed), slots, time) for seed in range(repeats)]
    return summary(table, slots, name, traces)


def summary(table: Table, slots: int, name: str, traces: Sequence[Trace]) -> SearchFigure:
    """Summarise the repeats of a strategy."""
    time = _seconds(table) / slots
    reached = np.array([trace.seconds_to(table.best_truth - NEAR) for trace in traces])
    generator = np.random.default_rng(0)
    drawn = np.sort(generator.choice(reached, size=(RESAMPLES, len(reached))), axis=1)
    medians = np.sort(drawn[:, len(reached) // 2])
    first = min(known.truth for known in table.configurations)

    def regret(share: float) -> float:
        return mean(table.best_truth - max(trace.at(share * time), first) for trace in traces)

    return SearchFigure(
        table.name,
        slots,
        name,
        len(traces),
        median(reached),
        float(medians[round(0.025 * RESAMPLES)]),
        float(medians[round(0.975 * RESAMPLES) - 1]),
        float(np.isinf(reached).mean()),
        tuple(map(regret, SHARES)),
        tuple(map(regret, CURVE)),
        mean(trace.trials for trace in traces),
    )


def _seconds(table: Table) -> float:
    """Seconds that one slot has: those of `TRIALS` mean trainings, at most the whole table."""
    whole = [known.seconds[-1] for known in table.configurations]
    return min(TRIALS * mean(whole), sum(whole))


def table(figures: Sequence[SearchFigure]) -> str:
    """A line for every table, number of slots and strategy."""
    return "\n".join(_lines(figures))


def _lines(figures: Sequence[SearchFigure]) -> Iterator[str]:
    yield "| table | slots | strategy | seconds to 0.001 | x TPE | never | regret | trials |"
    yield "|---" * 8 + "|"
    known = {(each.table, each.slots, each.strategy): each.seconds for each in figures}
    for each in figures:
        if each.failure:
            yield f"| {each.table} | {each.slots} | {each.strategy} | {each.failure} |||||"
            continue
        base = known.get((each.table, each.slots, YARDSTICK), inf)
        ratio = "" if isinf(base) or isinf(each.seconds) else f"{each.seconds / base:.2f}"
        regret = " / ".join(f"{value:.4f}" for value in each.regret)
        yield (
            f"| {each.table} | {each.slots} | {each.strategy} | {_span(each)} | {ratio} "
            f"| {each.never:.0%} | {regret} | {each.trials:.0f} |"
        )


def _span(each: SearchFigure) -> str:
    low, middle, high = (
        "never" if isinf(second) else f"{second:.0f}"
        for second in (each.low, each.seconds, each.high)
    )
    return f"{middle} ({low} to {high})"


def main() -> None:
    """Print the table of some strategies, and add its figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", nargs="+", type=int, default=[1])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--tables", nargs="+", metavar="TASK.ARM")
    of_peers = [strategy for peer in PEERS for strategy in peer.strategies]
    parser.add_argument("--strategies", nargs="+", choices=[*STRATEGIES, *of_peers], metavar="NAME")
    parser.add_argument("--to", type=Path, metavar="FILE.json")
    options = parser.parse_args()
    names = [name.replace(".", " ") for name in options.tables] if options.tables else None
    figures = bench_search(
        options.slots,
        repeats=options.repeats,
        with_peers=options.peers,
        names=names,
        strategies=options.strategies,
    )
    print(table(figures))
    if options.to:
        known = json.loads(options.to.read_text()) if options.to.exists() else {"search": []}
        known["search"] += [asdict(figure) for figure in figures]
        options.to.write_text(json.dumps(known))


if __name__ == "__main__":
    main()
