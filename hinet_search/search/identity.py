"""Identity: what two launches of one study must share, and their differences in words.

Trials, finalist seeds, slots, device and limits may change. A change of the identity would mix two
experiments. The only change that a user may ask for is an extension: more arms, wider ranges,
higher limits.
"""

import json
from collections.abc import Iterable
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import BaseModel, ValidationError

from hinet_search.common.errors import EnvironmentFault, StudyConflict
from hinet_search.common.frozen_model import ALL
from hinet_search.storage.damage import REMEDY
from hinet_search.study.distributions import Choice
from hinet_search.study.load_study import Arm, ResolvedStudy
from hinet_search.study.search_space import SearchSpace

ANOTHER = "give the study another name (key 'name'), or another --output"


def identity(study: ResolvedStudy, fingerprint: str) -> str:
    """Return the identity of a study as JSON."""
    spec = study.spec
    tree = {
        "data": fingerprint,
        "objective": spec.objective,
        "seed": spec.seed,
        "cost_limit": spec.cost_limit,
        "arms": {arm.name: _arm(arm) for arm in study.arms},
    }
    if spec.sample != ALL:
        tree["sample"] = spec.sample
    if spec.other_objectives:
        tree["objectives"] = spec.objectives
    return json.dumps(tree, sort_keys=True)


def refuse_difference(name: str, stored: str, now: str) -> None:
    """Raise StudyConflict with one line per difference."""
    before = json.loads(stored)
    after = json.loads(now)
    lines = [
        *(f"study '{name}' exists with arm {arm}" for arm in _only_in(before, after)),
        *(f"study '{name}' exists without arm {arm}" for arm in _only_in(after, before)),
    ]
    before = _settings(before)
    after = _settings(after)
    for key in sorted({*before, *after}):
        old = before.get(key, "nothing")
        new = after.get(key, "nothing")
        if old != new:
            lines.append(f"study '{name}' exists with another {key}: stored {old}, now {new}")
    if lines:
        raise StudyConflict(*lines, remedy=ANOTHER)


def _only_in(form: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Take the arms out of a form that the other one lacks; return their names."""
    names = sorted(set(form["arms"]) - set(other["arms"]))
    for name in names:
        del form["arms"][name]
    return names


def refuse_extension(name: str, words: Iterable[str]) -> None:
    """Raise StudyConflict with one line for each extension of a study beyond its stored form."""
    lines = [f"study '{name}' exists in a narrower form: {line}" for line in words]
    if lines:
        raise StudyConflict(*lines, remedy=f"--extend resumes it with these changes; or {ANOTHER}")


def _arm(arm: Arm) -> dict[str, Any]:
    parameters = arm.space.parameters
    return {
        "model": arm.model,
        "size_of": arm.size_of,
        "max_parameters": arm.space.max_parameters,
        "fixed": dict(arm.space.fixed),
        "parameters": {name: each.model_dump(mode="json") for name, each in parameters.items()},
    }


def _settings(tree: dict[str, Any]) -> dict[str, str]:
    """Return every setting of an identity, by its name in words, as JSON."""
    settings: dict[str, Any] = {}
    for arm, parts in tree.pop("arms").items():
        fixed = parts.pop("fixed")
        parameters = parts.pop("parameters")
        settings |= {f"arms {arm} {name}": value for name, value in {**parts, **parameters}.items()}
        settings |= {f"arms {arm} fixed {name}": value for name, value in fixed.items()}
    return {name: json.dumps(value) for name, value in {**tree, **settings}.items()}


class _Distribution(BaseModel):
    kind: str
    low: float = 0
    high: float = 0
    step: float | None = None


class _Arm(BaseModel):
    model: str
    max_parameters: int | None
    fixed: dict[str, Any]
    parameters: dict[str, _Distribution]


class _Form(BaseModel):
    """The parts of a stored identity that this file reads."""

    arms: dict[str, _Arm]
    cost_limit: float | None


def extension(stored: str, now: str) -> tuple[str, ...] | None:
    """Describe how identity `now` extends `stored`; None when they differ in any other way."""
    before = _read(stored)
    after = json.loads(now)
    words: list[str] = []
    for arm in sorted(set(after["arms"]) - set(before["arms"])):
        del after["arms"][arm]
        words.append(
            f"arm {arm} is new: it gets the trials and finalists of every arm, "
            "and is opened on test too"
        )
    for arm in sorted(set(after["arms"]) & set(before["arms"])):
        _undo_wider(before["arms"][arm], after["arms"][arm], arm, words)
    _undo_higher(before, after, "cost_limit", "the study", words)
    return tuple(words) if before == after else None


def _read(stored: str) -> dict[str, Any]:
    """Parse a stored identity; EnvironmentFault when it is damaged."""
    try:
        _Form.model_validate_json(stored)
    except ValidationError as error:
        problem = str(error.errors()[0]["msg"])
        raise EnvironmentFault(
            "the stored form of the study (table hs_study, column spec_json) is damaged: "
            f"{problem}",
            remedy=REMEDY,
        ) from error
    form: dict[str, Any] = json.loads(stored)
    return form


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the distribution of every parameter as Optuna's classes."""
    recorder = _Recorder()
    for name, distribution in space.parameters.items():
        distribution.suggest(name, recorder)
    return recorder.distributions


class _Recorder:
    """Records the distributions that it is asked to draw from; the values drawn are not used."""

    def __init__(self) -> None:
        self.distributions: dict[str, BaseDistribution] = {}

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
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
    """Undo in `after` every wider parameter of an arm, and a higher limit, and describe each."""
    _undo_higher(before, after, "max_parameters", f"arm {arm}", words)
    stored = before["parameters"]
    now = after["parameters"]
    for name in now:
        if name in stored and _is_wider(stored[name], now[name]):
            change = f"from {_values(stored[name])} to {_values(now[name])}"
            words.append(f"{name} of {arm} goes {change}; trials so far were drawn from the former")
            now[name] = stored[name]


def _undo_higher(
    before: dict[str, Any], after: dict[str, Any], limit: str, place: str, words: list[str]
) -> None:
    """Undo in `after` a limit that was raised or removed, and describe the change."""
    old = before.get(limit)
    new = after[limit]
    if old is not None and (new is None or new > old):
        now = "none" if new is None else f"{new:,}"
        change = f"from {old:,} to {now}"
        words.append(f"{limit} of {place} goes {change}; draws refused so far stay refused")
        after[limit] = old


def _is_wider(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether `after` has every value of `before`, and more, and is otherwise the same."""
    values = ("low", "high", "choices")
    if before == after or any(before[key] != after.get(key) for key in before if key not in values):
        return False
    if before["kind"] == "widths":
        return bool(before["choices"].items() <= after["choices"].items())
    if before["kind"] == "categorical":
        return set(map(json.dumps, before["choices"])) < set(map(json.dumps, after["choices"]))
    steps = (before["low"] - after["low"]) / (before["step"] or 1)
    is_on_the_grid = before["step"] is None or abs(steps - round(steps)) <= 1e-9
    return is_on_the_grid and bool(
        after["low"] <= before["low"] and before["high"] <= after["high"]
    )


def _values(distribution: dict[str, Any]) -> str:
    if "choices" in distribution:
        return f"{len(distribution['choices'])} choices"
    return f"{distribution['low']:g}..{distribution['high']:g}"
