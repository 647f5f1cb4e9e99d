"""Stack settings: the settings in which trainings that share their steps may differ.

In everything else, the shapes of weights and batches among it, they must be equal.
"""

from typing import Any

from hinet_search.training.trial_config import TrialConfig, model_module

OF_TRAINING = frozenset(
    {
        "learning_rate",
        "embedding_learning_rate_multiplier",
        "weight_decay",
        "embedding_l2",
        "clip_norm",
        "patience",
        "teacher_weight",
        "teacher_temperature",
        "ranking_weight",
    }
)
DROPOUT = "dropout"  # a rate of this name, in any part of a model
OUR_MODELS = "hinet_search.models."


def may_differ(model: str, name: str) -> bool:
    """Return whether a setting of a model, by its dotted name, may differ in a stack.

    Only our own models are known to drop nothing but in layers that can have a rate for each model.
    """
    section, *path = name.split(".")
    if section == "train":
        return path[0] in OF_TRAINING
    is_ours = model_module(model).__name__.startswith(OUR_MODELS)
    return section == "model" and path[-1] == DROPOUT and is_ours


def can_share_steps(first: TrialConfig, second: TrialConfig) -> bool:
    """Return whether trainings of two configurations can be one stack."""
    return first.model_name == second.model_name and _common(first) == _common(second)


def _common(config: TrialConfig) -> dict[str, Any]:
    """Return the settings that must be equal, by their dotted names."""
    names = _flat(config.sections, "")
    return {name: value for name, value in names.items() if not may_differ(config.model_name, name)}


def _flat(tree: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{prefix}.{name}" if prefix else name
        flat |= _flat(value, path) if isinstance(value, dict) else {path: value}
    return flat
