"""Explore: generates inputs of a target for some time, and keeps the smallest input that shows each fault."""

import ast
import hashlib
import importlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isinf
from pathlib import Path
from random import Random
from types import ModuleType

from hypothesis import HealthCheck, find, settings
from hypothesis.errors import HypothesisException, NoSuchExample, Unsatisfiable
from hypothesis.strategies import SearchStrategy

from tests.fuzz.faults import Outcome
from tests.fuzz.worker import Workers, module_of

FOLDER = Path(__file__).parents[2] / ".fuzz"
TARGETS = tuple(sorted(path.stem for path in (Path(__file__).parent / "targets").glob("*.py")))
INPUTS = 200  # inputs that Hypothesis thinks up from one seed
SHRINKING = 15.0  # seconds that making one faulty input smaller may take
SETTINGS = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
Say = Callable[[str], None]


@dataclass
class Figures:
    """Counts and faults of one target."""

    target: str
    seconds: float = 0.0
    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    megabytes: int = 0
    faults: dict[str, str] = field(default_factory=dict)  # signature: the file that shows it

    def count(self, outcome: Outcome) -> None:
        """Add one input."""
        self.inputs += 1
        self.outcomes[outcome.what] += 1
        self.slowest = max(self.slowest, outcome.seconds)
        self.megabytes = max(self.megabytes, outcome.megabytes)


def load(target: str) -> ModuleType:
    """The module of a target."""
    return importlib.import_module(module_of(target))


def explore(
    target: str,
    workers: Workers,
    corpus: Mapping[str, object],
    seconds: float,
    seed: int,
    say: Say,
) -> Figures:
    """Run a corpus of a target, then inputs that Hypothesis thinks up, until the time is over."""
    module, figures, end = load(target), Figures(target), time.monotonic() + seconds
    for name, given in corpus.items():
        outcome = workers.run(target, given)
        figures.count(outcome)
        if outcome.is_fault and outcome.signature not in figures.faults:
            figures.faults[outcome.signature] = str(keep(target, outcome, given))
            say(f"  {target}: {outcome.signature} by {name!r}")
    number = 0
    while time.monotonic() < end:
        Round(target, workers, figures, end, say).run(module.inputs(), seed + number)
        number += 1
    figures.seconds = seconds + time.monotonic() - end
    return figures


class Round:
    """One search for an unknown fault."""

    def __init__(
        self, target: str, workers: Workers, figures: Figures, end: float, say: Say
    ) -> None:
        self._target, self._workers, self._figures, self._end, self._say = (
            target,
            workers,
            figures,
            end,
            say,
        )
        self._smallest: tuple[tuple[int, str], Outcome, object] | None = None

    def run(self, inputs: SearchStrategy[object], seed: int, most: int = INPUTS) -> None:
        """Think up inputs from a seed; the smallest one of a new fault is kept."""
        try:
            find(
                inputs,
                self._shows,
                settings=settings(SETTINGS, max_examples=most),
                random=Random(seed),
            )
        except (NoSuchExample, Unsatisfiable):
            return
        except (
            HypothesisException
        ):  # the time for shrinking was over, so the same input is no fault any more
            pass
        if self._smallest is not None:
            _, outcome, given = self._smallest
            self._figures.faults[outcome.signature] = path = str(keep(self._target, outcome, given))
            self._say(f"  {self._target}: {outcome.signature}: {path}")

    def _shows(self, given: object) -> bool:
        """Return whether an input shows a fault: first any new one, then the same one."""
        if time.monotonic() > self._end:
            return False
        outcome = self._workers.run(self._target, given)
        self._figures.count(outcome)
        if not outcome.is_fault or outcome.signature in self._figures.faults:
            return False
        if self._smallest is None:
            self._end = time.monotonic() + SHRINKING
        elif outcome.signature != self._smallest[1].signature:
            return False
        size = (len(repr(given)), repr(given))
        if self._smallest is None or size < self._smallest[0]:
            self._smallest = (size, outcome, given)
        return True


def keep(target: str, outcome: Outcome, given: object) -> Path:
    """Write an input with what became of it, so that `--again FILE` runs it."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{target}-{hashlib.sha256(outcome.signature.encode()).hexdigest()[:10]}.txt"
    path.write_text(
        f"{target}\n{_literal(given)}\n{outcome.signature}\n{outcome.detail}\n",
        encoding="utf-8",
        errors="backslashreplace",
    )
    return path


def _literal(value: object) -> str:
    """A value as `ast.literal_eval` reads it; the name of infinity is no literal."""
    if isinstance(value, float) and isinf(value):
        return "1e999" if value > 0 else "-1e999"
    if isinstance(value, tuple):
        return f"({''.join(f'{_literal(item)}, ' for item in value)})"
    return repr(value)


def kept(path: Path) -> tuple[str, object]:
    """Target and input of a file that `keep` wrote."""
    target, given = path.read_text(encoding="utf-8").split("\n")[:2]
    return target, ast.literal_eval(given)
