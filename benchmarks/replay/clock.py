"""Clock: a strategy on a recorded table, with several slots, in simulated seconds.

Proposals take no time. A resumed trial goes on from where it paused.
"""

import heapq
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from replay.strategy import Decision, New, Strategy
from replay.table import Table


@dataclass(frozen=True)
class Trace:
    """The truth of the best known trial over time: that with the highest value so far.

    `truth[k]` holds from `seconds[k]` on.
    """

    seconds: Sequence[float]
    truth: Sequence[float]
    trials: int

    def at(self, second: float) -> float:
        """Return the truth at a moment; minus infinity before the first evaluation."""
        known = bisect_right(self.seconds, second)
        return self.truth[known - 1] if known else float("-inf")

    def seconds_to(self, truth: float) -> float:
        """Return the second from which on the best known trial is as good; infinity if never."""
        since = float("inf")
        for second, reached in zip(self.seconds, self.truth, strict=True):
            since = min(since, second) if reached >= truth else float("inf")
        return since


@dataclass
class _Running:
    """A trial on the table: what it has shown, and what it has cost."""

    configuration: int
    shown: int = 0


@dataclass
class _Run:
    """The state of a simulation."""

    table: Table
    strategy: Strategy
    trials: list[_Running] = field(default_factory=list)
    events: list[tuple[float, int, int]] = field(default_factory=list)  # second, order, trial
    num_events: int = 0
    best: float = float("-inf")
    seconds: list[float] = field(default_factory=list)
    truth: list[float] = field(default_factory=list)

    def start(self, now: float) -> None:
        """Occupy a slot; it stays empty when the table is used up."""
        proposal = self.strategy.next()
        if isinstance(proposal, New):
            tried = {trial.configuration for trial in self.trials}
            if len(tried) == len(self.table.configurations):
                return
            index = self._index(proposal, tried)
            self.trials.append(_Running(index))
            trial = len(self.trials) - 1
            self.strategy.started(trial, self.table.configurations[index].values)
        else:
            trial = proposal.trial
        self.schedule(trial, now)

    def _index(self, proposal: New, tried: set[int]) -> int:
        if proposal.values is None:
            return self.table.default
        return self.table.nearest(proposal.values, tried)

    def schedule(self, trial: int, now: float) -> None:
        """Place the next evaluation of a trial on the clock."""
        running = self.trials[trial]
        seconds = self.table.configurations[running.configuration].seconds
        before = seconds[running.shown - 1] if running.shown else 0.0
        self.num_events += 1
        event = (now + seconds[running.shown] - before, self.num_events, trial)
        heapq.heappush(self.events, event)

    def evaluate(self, now: float, trial: int) -> bool:
        """Show the next evaluation of a trial; return whether it keeps its slot."""
        running = self.trials[trial]
        configuration = self.table.configurations[running.configuration]
        value = configuration.objective[running.shown]
        if value > self.best:
            self.best = value
            self.seconds.append(now)
            self.truth.append(configuration.truth)
        decision = self.strategy.evaluated(trial, configuration.epochs[running.shown], value)
        running.shown += 1
        if running.shown == len(configuration.seconds):
            self.strategy.ended(trial, max(configuration.objective))
            return False
        return decision == Decision.GO_ON


def simulate(table: Table, strategy: Strategy, slots: int, seconds: float) -> Trace:
    """Run a strategy until the clock shows `seconds`, or the table is used up."""
    run = _Run(table, strategy)
    for _ in range(slots):
        run.start(0.0)
    while run.events:
        now, _, trial = heapq.heappop(run.events)
        if now > seconds:
            break
        if run.evaluate(now, trial):
            run.schedule(trial, now)
        else:
            run.start(now)
    return Trace(run.seconds, run.truth, len(run.trials))
