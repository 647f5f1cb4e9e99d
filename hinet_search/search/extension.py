"""Extension: what a study has more than its stored form (arms, wider ranges, higher limits), and what that costs."""

import json
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hinet_search.distributions import Choice
from hinet_search.space import SearchSpace


def extension(stored: str, now: str) -> tuple[str, ...] | None:
    """What identity `now` has more than `stored`, in words; None when they differ in any other way too."""
    before, after = json.loads(stored), json.loads(now)
    words: list[str] = []
    for arm in sorted(set(after["arms"]) - set(before["arms"])):
        del after["arms"][arm]
        words.append(f"arm {arm} is new: it gets the trials and finalists of every arm, and is opened on test too")
    for arm in sorted(set(after["arms"]) & set(before["arms"])):
        _undo_wider(before["arms"][arm], after["arms"][arm], arm, words)
    _undo_higher(before, after, "cost_limit", "the study", words)
    return tuple(words) if before == after else None


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Every parameter's distribution as Optuna has it."""
    asked = _Asked()
    for name, distribution in space.parameters.items():
        distribution.suggest(name, asked)
    return asked.distributions


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


def _undo_wider(before: dict[str, Any], after: dict[str, Any], arm: str, words: list[str]) -> None:
    """Makes in `after` every wider parameter of an arm, and a higher limit, what it was before."""
    _undo_higher(before, after, "max_parameters", f"arm {arm}", words)
    stored, now = before["parameters"], after["parameters"]
    for name in now:
        if name in stored and _is_wider(stored[name], now[name]):
            change = f"from {_values(stored[name])} to {_values(now[name])}"
            words.append(f"{name} of {arm} goes {change}; trials so far were drawn from the former")
            now[name] = stored[name]


def _undo_higher(before: dict[str, Any], after: dict[str, Any], limit: str, place: str, words: list[str]) -> None:
    """Makes in `after` a limit that is higher than before, or gone, what it was."""
    old, new = before.get(limit), after[limit]
    if old is not None and (new is None or new > old):
        change = f"from {old:,} to {'none' if new is None else f'{new:,}'}"
        words.append(f"{limit} of {place} goes {change}; draws refused so far stay refused")
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
