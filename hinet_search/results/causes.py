"""Causes of failed trials: compare and group them, ignoring the numbers in their text."""

import re
from collections import defaultdict
from collections.abc import Iterable

from hinet_search.results.records import TrialRecord

NUMBER = re.compile(
    r"(?<![\w.])(0x[0-9a-f]+|-?(nan|inf)\b|-?\d[\d.,]*(e[+-]?\d+)?(\s?[kMGTPE]i?B\b)?)",
    re.IGNORECASE,
)


def without_numbers(cause: str) -> str:
    """Replace every number by `#`.

    Causes that differ only in a step, an address or an amount of memory become equal.
    """
    return NUMBER.sub("#", cause)


def shortened(cause: str, most_letters: int) -> str:
    """Return the cause, cut after so many letters."""
    return cause if len(cause) <= most_letters else f"{cause[:most_letters]}…"


def trials_by_cause(trials: Iterable[TrialRecord]) -> dict[str, list[TrialRecord]]:
    """Group trials by cause without numbers; a group's key is the first line of its first cause."""
    groups: dict[str, list[TrialRecord]] = defaultdict(list)
    for trial in trials:
        groups[without_numbers(_first_line(trial))].append(trial)
    return {_first_line(group[0]): group for group in groups.values()}


def _first_line(trial: TrialRecord) -> str:
    return trial.cause.strip().split("\n")[0] or "no cause recorded"
