"""Protocols: a model per scenario or per task equals as many separate models."""

import importlib
from dataclasses import replace

import pytest
import torch
from cases import APART, Case, every_baseline
from small_models import WITH_LISTS, assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.common import plugins
from hinet_search.common.errors import ConfigurationError
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.contracts import EpochAware, Explainable
from hinet_search.models.layers.measure import count_parameters
from hinet_search.models.layers.protocol import PER_SCENARIO, PER_TASK
from hinet_search.study.load_study import MODELS
from hinet_search.training.trial_config import build_config, known_names

SCENARIO_SCHEMAS = [replace(WITH_LISTS, scenarios=(name,)) for name in WITH_LISTS.scenarios]
TASK_SCHEMAS = [replace(WITH_LISTS, tasks=(name,)) for name in WITH_LISTS.tasks]


def separate(name: str, schemas: list[Schema]) -> list[nn.Module]:
    """Return models built as if only their own scenario or task existed."""
    module = plugins.load(MODELS, name)
    return [
        randomise(module.Model(module.Config(), schema), seed)
        for seed, schema in enumerate(schemas)
    ]


def with_weights_of(
    composed: nn.Module, parts: nn.ModuleList, models: list[nn.Module]
) -> nn.Module:
    for part, model in zip(parts, models, strict=True):
        part.load_state_dict(model.state_dict())
    return composed


def per_scenario(name: str) -> tuple[nn.Module, list[nn.Module]]:
    composed = randomise(Case(name, PER_SCENARIO).build(WITH_LISTS))
    models = separate(name, SCENARIO_SCHEMAS)
    return with_weights_of(composed, composed.scenarios, models), models


def of_one(rows: Batch, row: int, *, scenario: int) -> Batch:
    return replace(rows.select(torch.tensor([row])), scenario_B=torch.tensor([scenario]))


@every_baseline
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (2, 0), (1,)])
def test_per_scenario_is_a_separate_model_of_each_scenario(
    name: str, scenarios: tuple[int, ...]
) -> None:
    composed, models = per_scenario(name)
    rows = batch(WITH_LISTS, rows=6, scenarios=scenarios)
    alone = [
        models[s](of_one(rows, row, scenario=0)) for row, s in enumerate(rows.scenario_B.tolist())
    ]
    torch.testing.assert_close(composed(rows), torch.cat(alone), rtol=0, atol=1e-10)


@every_baseline
@pytest.mark.parametrize("scenarios", [(0, 1, 2), (1,)])
def test_per_task_is_a_separate_model_of_each_task(name: str, scenarios: tuple[int, ...]) -> None:
    composed = randomise(Case(name, PER_TASK).build(WITH_LISTS))
    models = separate(name, TASK_SCHEMAS)
    with_weights_of(composed, composed.tasks, models)
    rows = batch(WITH_LISTS, rows=6, scenarios=scenarios)
    alone = torch.cat([model(rows) for model in models], dim=1)
    torch.testing.assert_close(composed(rows), alone, rtol=0, atol=1e-10)


@every_baseline
def test_per_scenario_equals_the_plain_reference_of_each_scenario_with_gradients(name: str) -> None:
    reference = importlib.import_module(f"reference.{name}").logits
    composed = randomise(Case(name, PER_SCENARIO).build(WITH_LISTS))
    rows = batch(WITH_LISTS, rows=6)
    plain = torch.cat(
        [
            reference(composed.scenarios[s], of_one(rows, row, scenario=0))
            for row, s in enumerate(rows.scenario_B)
        ]
    )
    assert_same_with_gradients(composed, composed(rows), plain)


@pytest.mark.parametrize("case", APART, ids=str)
def test_parameters_are_the_sum_of_all_models_with_embeddings_of_their_own(case: Case) -> None:
    schemas = SCENARIO_SCHEMAS if case.protocol == PER_SCENARIO else TASK_SCHEMAS
    counts = [count_parameters(model) for model in separate(case.name, schemas)]
    assert count_parameters(case.build(WITH_LISTS)) == tuple(map(sum, zip(*counts, strict=True)))


@pytest.mark.parametrize("case", APART, ids=str)
def test_insight_names_the_gates_of_the_joint_model(case: Case) -> None:
    joint, apart = Case(case.name).build(), case.build()
    rows = replace(batch(scenarios=(0, 2)), numeric_BN=batch().numeric_BN.float())
    expected = (
        {gate.where for gate in joint.insight(rows).gates}
        if isinstance(joint, Explainable)
        else set()
    )
    assert {gate.where for gate in apart.insight(rows).gates} == expected


def test_models_that_take_part_in_protocols_follow_no_epochs() -> None:
    """A composed model would have to forward `begin_epoch`."""
    assert not any(
        isinstance(part, EpochAware) for case in APART for part in case.build().modules()
    )


@pytest.mark.parametrize("name", ["hinet", "single"])
def test_hinet_and_single_models_have_no_protocol(name: str) -> None:
    assert "model.protocol" not in known_names(name)


def test_an_unknown_protocol_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(ConfigurationError, match=r"mdmt.*per_scenario.*per_task"):
        build_config("mmoe", {"model.protocol": "per_user"})
