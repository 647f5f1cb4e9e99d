"""Stacked models end like separate trainings on the same batches."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from cases import Case, every_case_in_turn
from torch import nn

from hinet_search.models.layers.activation import Activation
from hinet_search.results.objectives import objective_named
from hinet_search.study.distributions import Value
from hinet_search.training.fit import fit
from hinet_search.training.fit_stacked import can_stack, fit_stacked
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trial_config import build_config
from tests.training.datasets import separable
from tests.training.fake_models import CPU, Watch

DATA = separable(train_rows=110, valid_rows=100)  # 4 steps a pass, the last of 14 rows
SEEDS = (5, 6, 7)


def make_conditions(seeds: Sequence[int] = SEEDS, **train: object) -> list[Conditions]:
    config = TrainConfig.model_validate({"batch_size": 32, "patience": 0, "passes": 1.5, **train})
    objective = objective_named("macro_auc")
    return [
        Conditions(DATA, DATA.full_schema, config, seed, SEEDS[0], objective, CPU) for seed in seeds
    ]


RATES = {5: 0.0, 6: 0.3, 7: 0.7}  # of dropout, by seed
OF_MODELS = [  # what models of a stack may differ in
    {"learning_rate": 1e-3, "weight_decay": 0.1, "clip_norm": 0.0},
    {"learning_rate": 1e-2, "weight_decay": 1e-3, "clip_norm": 0.05},
    {"learning_rate": 3e-3, "embedding_learning_rate_multiplier": 0.3, "embedding_l2": 0.1},
]


def built(case: Case, seed: int, *, drops: bool = False) -> nn.Module:
    """Build in double precision, with dropout by seed or without."""
    model = case.build(DATA.full_schema, seed).double()
    for module in model.modules():
        if isinstance(module, Activation):
            module.rate = RATES[seed] if drops else 0.0
    return model


def check_stack(case: Case, conditions: list[Conditions], *, drops: bool) -> None:
    """Train each model alone and all as a stack, and compare."""
    alone = [built(case, seed, drops=drops) for seed in SEEDS]
    together = [built(case, seed, drops=drops) for seed in SEEDS]
    assert can_stack(together[0], conditions[0].config)
    expected = [
        fit(model, model_conditions, Watch())
        for model, model_conditions in zip(alone, conditions, strict=True)
    ]
    watches = [Watch() for _ in SEEDS]
    results = fit_stacked(together, conditions, watches)
    for model, twin, result, expected_result, watch in zip(
        together, alone, results, expected, watches, strict=True
    ):
        assert isinstance(result, FitResult)
        torch.testing.assert_close(model.state_dict(), twin.state_dict(), rtol=1e-6, atol=1e-7)
        assert result.valid_objective == pytest.approx(expected_result.valid_objective, abs=1e-6)
        assert (result.best_step, result.stopped) == (expected_result.best_step, False)
        assert tuple(watch.records) == result.evaluations
        losses = [record.train_loss for record in expected_result.evaluations]
        assert [record.train_loss for record in result.evaluations] == pytest.approx(
            losses, abs=1e-6
        )


@every_case_in_turn
def test_stacked_models_end_where_each_ends_alone_on_the_same_batches(case: Case) -> None:
    check_stack(case, make_conditions(clip_norm=0.05, evaluations_per_pass=2), drops=False)


@pytest.mark.parametrize("name", ["hinet", "single"])
def test_stacked_models_begin_their_passes_with_new_embeddings_as_each_alone(name: str) -> None:
    given = make_conditions(passes=2.5, evaluations_per_pass=2, reset_embeddings=True)
    check_stack(Case(name), given, drops=False)


@every_case_in_turn
def test_models_of_other_rates_decay_clipping_and_dropout_end_as_each_alone(case: Case) -> None:
    conditions = [
        replace(given, config=TrainConfig.model_validate({**given.config.model_dump(), **own}))
        for given, own in zip(make_conditions(evaluations_per_pass=2), OF_MODELS, strict=True)
    ]
    check_stack(case, conditions, drops=True)


def test_models_of_several_seeds_stay_apart() -> None:
    together = [built(Case("mmoe"), seed) for seed in SEEDS]
    fit_stacked(together, make_conditions(), [Watch() for _ in SEEDS])
    first, *others = (model.embedding.table.weight for model in together)
    assert all(not torch.equal(first, other) for other in others)


@pytest.mark.parametrize(
    "values",
    [
        {"train.embedding_optimiser": "lazy_adam"},
        {"model.san.top_k": 1},
    ],
    ids=str,
)
def test_updates_of_touched_rows_and_a_choice_by_weight_are_not_stacked(
    values: dict[str, Value],
) -> None:
    schema = replace(DATA.full_schema, scenarios=("home", "search", "feed"))
    for config_values, stacks in ((values, False), ({}, True)):
        config = build_config("hinet", config_values)
        assert can_stack(config.build(schema), config.train) is stacks
