"""Said: the keys by which another library says our settings, and the settings that none says.

The rules that read a configuration serve here backwards: a key says a setting if its rule reads
the setting's value from what is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hinet_search.data.peers.rules import READ, UNKNOWN, Plain, Rule, Unread, left, same
from hinet_search.study.distributions import Value

NO_KEY = "has no key there"
# What our settings may be, if no key says them, without a difference in training.
OURS: Mapping[str, Rule] = {
    "train.embedding_learning_rate_multiplier": same(1.0, why="weights have one learning rate"),
    "train.rate_decay": same(False, why="learning rates are constant"),
    "train.embedding_optimiser": same("adam", why="there is one optimiser, which is Adam"),
    "train.optimiser": READ,
    "train.cuda_graphs": READ,
    "train.precision": same("fp32", why="training is in fp32"),
    "train.table_precision": same("fp32", why="tables are in fp32"),
    "train.shuffle": same("rows", why="rows are shuffled one by one"),
    "train.reset_embeddings": same(False, why="tables are never drawn again"),
    "train.teacher_weight": same(0.0, why="it learns from labels alone"),
    "train.teacher_temperature": READ,
    "train.loss": same("cross_entropy", why="the loss is the cross-entropy"),
    "train.ranking_weight": READ,  # of other losses
    "train.scenario_weights": same("rows", why="a row counts as any other"),
    "train.task_weights": left("tasks weigh alike"),
    "train.evaluations_per_pass": same(1, why="models are evaluated after a pass"),
    "train.clip_norm": left("gradients are clipped otherwise"),
    "train.weight_decay": same(0.0, why=NO_KEY),
    "train.embedding_l2": same(0.0, why=NO_KEY),
    "train.patience": same(0, why="all passes are trained"),
    "model.protocol": READ,  # others than mdmt are refused
    # Encoded rows have the chosen inputs, without rare ids; how they are read is told input by
    # input.
    **dict.fromkeys(("features.minimum_frequency", "features.groups", "features.pooling"), READ),
    **dict.fromkeys(("features.sequence_reader", "features.number_encoding"), READ),
    **dict.fromkeys(("features.number_encodings", "features.unit_scale"), READ),
}


@dataclass(frozen=True)
class Said:
    """Values by their keys, and our settings that no key says, as they are named in words."""

    values: Mapping[str, Plain]
    unsaid: tuple[Unread, ...]


def flat(sections: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Return settings by their dotted names; values of lists are tuples."""
    settings: dict[str, Value] = {}
    for name, value in sections.items():
        if isinstance(value, dict):
            settings |= flat(value, f"{prefix}{name}.")
        else:
            settings[f"{prefix}{name}"] = tuple(value) if isinstance(value, list) else value
    return settings


def said(
    settings: Mapping[str, Value], rules: Mapping[str, Rule], ours: Mapping[str, Rule]
) -> Said:
    """Say settings by the keys of `rules`, and say what is so anyway where a rule knows it.

    `ours` are rules of our settings, which come before OURS.
    """
    values = {key: _written(rule, settings.get(rule.setting)) for key, rule in rules.items()}
    values = {key: found for key, found in values.items() if found}
    spoken = {rules[key].setting for key in values}
    own_rules = {**OURS, **ours}
    reasons = {rule.setting: rule.why for rule in rules.values() if rule.why != UNKNOWN}
    unsaid = []
    for name, value in settings.items():
        rule = own_rules.get(name) or own_rules.get(name.rpartition(".")[0]) or Rule(NO_KEY)
        if name not in spoken and not rule.agrees_with(value):
            unsaid.append(Unread(name, reasons.get(name, rule.why), (value,)))
    return Said({key: found[0] for key, found in values.items()}, tuple(unsaid))


def _written(rule: Rule, value: Value) -> list[Plain]:
    """Return what a key may have to say a value, or to say what is so here anyway."""
    if not rule.setting:
        return list(rule.same)
    if value is None:
        return []
    return [candidate for candidate in (value, True, False) if _read(rule, candidate) == value]


def _read(rule: Rule, candidate: Plain) -> Value:
    try:
        return rule.reader(candidate)
    except ValueError:
        return None
