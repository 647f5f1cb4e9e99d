"""Extension: what a study has more than its stored form (arms, wider ranges, higher limits), and what that costs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hinet_search.distributions import Choice
from hinet_search.study import Study


@dataclass(frozen=True)
class Extension:
    """Differences of two identities that only widen. `ranges` are names of parameters by arm, `words` for the user."""

    ranges: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]


def extension(stored: str, now: str) -> Extension | None:
    """What `now` has more than `stored` (two identities); None when they differ in any other way too."""
    before, after = json.loads(stored), json.loads(now)
    words: list[str] = []
    for arm in sorted(set(after["arms"]) - set(before["arms"])):
        del after["arms"][arm]
        words.append(f"arm {arm} is new: it gets the trials and finalists of every arm, and is opened on test too")
    ranges = {arm: _widened(before["arms"].get(arm, {}), parts, arm, words) for arm, parts in after["arms"].items()}
    _undo(before, after, "cost_limit", "the study", words)
    return Extension(ranges, tuple(words)) if before == after else None


def wider_distributions(study: Study, ranges: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, BaseDistribution]]:
    """The distributions of those parameters as Optuna has them, by arm and name."""
    found: dict[str, dict[str, BaseDistribution]] = {}
    for arm in study.arms:
        asked = _Asked()
        for name in ranges.get(arm.name, ()):
            arm.space.parameters[name].suggest(name, asked)
        found[arm.name] = asked.distributions
    return found


class _Asked:
    """Draws nothing that is used, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.distributions: dict[str, BaseDistribution] = {}

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        self.distributions[name] = IntDistribution(low, high, log=log, step=step)
        return low

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self.distributions[name] = FloatDistribution(low, high, log=log, step=step)
        return low

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        self.distributions[name] = CategoricalDistribution(choices)
        return choices[0]


def _widened(before: dict[str, Any], after: dict[str, Any], arm: str, words: list[str]) -> tuple[str, ...]:
    """Names of an arm's wider parameters, which are undone in `after`."""
    _undo(before, after, "max_parameters", f"arm {arm}", words)
    stored, now = before.get("parameters", {}), after["parameters"]
    wider = tuple(name for name in now if name in stored and _is_wider(stored[name], now[name]))
    for name in wider:
        words.append(
            f"{name} of {arm} goes from {_values(stored[name])} to {_values(now[name])}; trials so far were drawn from the former"
        )
        now[name] = stored[name]
    return wider


def _undo(before: dict[str, Any], after: dict[str, Any], limit: str, place: str, words: list[str]) -> None:
    """Undoes a limit in `after` that is higher than before, or gone."""
    old, new = before.get(limit), after[limit]
    if old is not None and (new is None or new > old):
        words.append(
            f"{limit} of {place} goes from {old:,} to {'none' if new is None else f'{new:,}'}; draws refused so far stay refused"
        )
        after[limit] = old


def _is_wider(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a stored distribution has every value of another, and more, and is the same in all else."""
    values = ("low", "high", "choices")
    if before == after or any(before[key] != after.get(key) for key in before if key not in values):
        return False
    if before["kind"] == "widths":
        return bool(before["choices"].items() <= after["choices"].items())
    if before["kind"] == "categorical":
        return set(map(json.dumps, before["choices"])) < set(map(json.dumps, after["choices"]))
    steps = (before["low"] - after["low"]) / (before["step"] or 1)
    is_of_the_grid = before["step"] is None or abs(steps - round(steps)) <= 1e-9
    return is_of_the_grid and bool(after["low"] <= before["low"] and before["high"] <= after["high"])


def _values(distribution: dict[str, Any]) -> str:
    if "choices" in distribution:
        return f"{len(distribution['choices'])} choices"
    return f"{distribution['low']:g}..{distribution['high']:g}"
