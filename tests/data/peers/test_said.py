"""Settings are said by the keys that would be read as these settings, or they are told."""

from typing import Any

import pytest

from hinet_search.data.peers.fuxictr_rules import MODELS, TRAINING
from hinet_search.data.peers.rules import READ, Rule, count, left, same, squared, to, zero
from hinet_search.data.peers.said import OURS, flat, said
from hinet_search.training.trial_config import build_config

RULES: dict[str, Rule] = {
    "units": to("model.width", count),
    "decay": to("train.weight_decay", zero, "is a penalty there"),
    "penalty": to("train.embedding_l2", squared),
    "norm": same(False, why="nothing is normalised"),
    "gates": left("gates are linear"),
    "path": READ,
}


def test_a_key_says_the_setting_that_would_be_read_from_it_and_what_is_so_anyway() -> None:
    words = said({"model.width": 7, "train.embedding_l2": 0.5}, RULES, {})
    assert words.values == {"units": 7, "penalty": 0.5, "norm": False}
    assert words.unsaid == ()


def test_a_value_that_its_key_cannot_say_is_told_with_the_reason_of_the_key() -> None:
    words = said({"train.weight_decay": 0.1}, RULES, {})
    assert "decay" not in words.values
    assert [each.in_words for each in words.unsaid] == [
        "train.weight_decay (0.1): is a penalty there"
    ]


def test_a_setting_without_a_rule_is_told() -> None:
    words = said({"train.new": 3, "train.task_weights.click": 2.0}, RULES, {})
    assert [each.in_words for each in words.unsaid] == [
        "train.new (3): has no key there",
        "train.task_weights.click (2.0): tasks weigh alike",
    ]


def test_own_rules_come_before_those_of_all_libraries() -> None:
    assert said({"train.loss": "focal"}, {}, {}).unsaid
    assert not said({"train.loss": "focal"}, {}, {"train.loss": same("focal", why="")}).unsaid


OTHER: dict[str, Any] = {
    "train.learning_rate": 0.02,
    "train.embedding_learning_rate_multiplier": 3.0,
    "train.batch_size": 77,
    "train.weight_decay": 0.3,
    "train.embedding_l2": 0.2,
    "train.rate_decay": True,
    "train.passes": 9,
    "train.evaluations_per_pass": 7,
    "train.patience": 8,
    "train.clip_norm": 1.5,
    "train.embedding_optimiser": "lazy_adam",
    "train.precision": "bf16",
    "train.table_precision": "bf16",
    "train.shuffle": "blocks",
    "train.reset_embeddings": True,
    "train.teacher_weight": 0.5,
    "train.loss": "focal",
    "train.scenario_weights": "equal",
    "train.task_weights.click": 2.0,
    "train.scenario_weights.home": 2.0,
    "model.embedding_dim": 77,
    "model.dropout": 0.7,
    "model.num_experts": 7,
    "model.expert.widths": (7, 7),
    "model.tower.widths": (7,),
}
BY_ROWS = {name for name, rule in OURS.items() if rule is READ and name.startswith("features.")}
OF_NO_EFFECT = {
    "train.cuda_graphs",
    "train.optimiser",
    "train.ranking_weight",
    "train.teacher_temperature",
    "model.protocol",
}


@pytest.mark.parametrize("name", OTHER)
def test_no_other_value_goes_unheard(name: str) -> None:
    settings = flat(build_config("mmoe", {}).sections) | {"train.passes": 4}
    rules = {**TRAINING, **MODELS["MMoE"].rules({})}
    before = said(settings, rules, {})
    after = said({**settings, name: OTHER[name]}, rules, {})
    assert (before.values, before.unsaid) != (after.values, after.unsaid)


def test_every_setting_of_a_network_has_another_value_above() -> None:
    settings = flat(build_config("mmoe", {}).sections).keys()
    assert settings - OTHER.keys() - BY_ROWS - OF_NO_EFFECT == set()
