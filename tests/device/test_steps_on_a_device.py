"""A training step on a GPU: no tensor of the host, no wait, and few copies; on the simulated device.

A copy costs a launch and its bytes; a wait leaves the GPU idle until the host has gone on.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from hinet_search.common.plugins import names
from hinet_search.data.columns import Columns, Dataset
from hinet_search.models.layers.contracts import EpochAware
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.measure import synthetic_batch
from hinet_search.results.objectives import objective_named
from hinet_search.study.distributions import Value
from hinet_search.study.event_definition import SequenceReader
from hinet_search.training.feed import logits, make_feed
from hinet_search.training.fit import TrainingSteps
from hinet_search.training.run_state import Conditions, begin
from hinet_search.training.train_config import LOSSES, Precision, TrainConfig
from hinet_search.training.trial_config import build_config
from tests.device.simulated import simulated_device
from tests.device.simulated_tensor import DEVICE, Traffic, recording
from tests.models.cases import APART, JOINT, Case
from tests.models.small_models import with_sequences
from tests.training.datasets import columns, dataset

every_model = pytest.mark.parametrize("case", JOINT, ids=str)
every_precision = pytest.mark.parametrize("precision", get_args(Precision))
FORMS_OF_HINET: list[dict[str, Value]] = [
    {"model.released_code": True},
    {"model.loss.entire_space": True},
    {"model.scenario.enabled": False},
    {"model.cgc.layout": "global", "model.cgc.num_levels": 2},
]


@pytest.fixture(autouse=True)
def _device() -> Iterator[None]:
    with simulated_device():
        yield


def data_of(*readers: SequenceReader) -> Dataset:
    """Rows of three scenarios with ids, a list, sequences that are read so, and a number."""
    schema = with_sequences(*readers)
    num_rows = 96
    drawn = synthetic_batch(schema, num_rows, seed=1)
    rows = Columns(
        ids_RF=drawn.ids_BF.int().numpy(),
        numeric_RN=drawn.numeric_BN.float().numpy(),
        scenario_R=(np.arange(num_rows) % 3).astype(np.int16),
        labels_RT=columns(num_rows, seed=1).labels_RT,
        user_R=np.zeros(num_rows, np.int32),
        lists_RS=drawn.lists_BS.int().numpy(),
    )
    return replace(dataset(rows, rows), full_schema=schema)


DATA = data_of("din")
TEACHER_RT = np.zeros(DATA.train.labels_RT.shape, np.float16)


def conditions(*, distilled: bool = False, **train: object) -> Conditions:
    config = TrainConfig.model_validate(
        {"batch_size": 32, "clip_norm": 0.1, "teacher_weight": 0.5 * distilled, **train}
    )
    teacher_RT = TEACHER_RT if distilled else None
    objective = objective_named("macro_auc")
    return Conditions(DATA, DATA.full_schema, config, 0, objective, DEVICE, teacher_RT)


def step(model: nn.Module, given: Conditions) -> list[Traffic]:
    run, state = begin(model.to(DEVICE).train(), given, 0.0)
    steps = TrainingSteps(run, print)
    rows_B = run.feed.by_scenario(torch.arange(32))
    with recording() as traffic:
        steps.take(state, rows_B)
    return traffic


def count(traffic: list[Traffic]) -> tuple[int, int]:
    """Return the waits and copies."""
    kinds = Counter(event.kind for event in traffic)
    return kinds["wait"], kinds["copy"]


@every_precision
@every_model
def test_a_step_copies_once_and_never_waits(case: Case, precision: str) -> None:
    traffic = step(case.build(DATA.full_schema), conditions(precision=precision))
    assert count(traffic) == (0, 1), traffic


@pytest.mark.parametrize("case", APART, ids=str)
def test_so_does_a_step_of_models_apart(case: Case) -> None:
    traffic = step(case.build(DATA.full_schema), conditions())
    assert count(traffic) == (0, 1), traffic


@every_precision
@every_model
def test_a_step_of_touched_rows_waits_once_per_table_of_ids(case: Case, precision: str) -> None:
    """Only the device knows how many rows of a table a batch has, and so how much to allocate."""
    model = case.build(DATA.full_schema)
    num_tables = sum(isinstance(module, FeatureEmbedding) for module in model.modules())
    traffic = step(model, conditions(precision=precision, embedding_optimiser="lazy_adam"))
    assert count(traffic) == (num_tables, 1), traffic


@every_model
def test_a_step_of_a_student_copies_twice(case: Case) -> None:
    traffic = step(case.build(DATA.full_schema), conditions(distilled=True))
    assert count(traffic) == (0, 2), traffic


@pytest.mark.parametrize("loss", names(LOSSES))
def test_a_step_with_any_loss_never_waits(loss: str) -> None:
    given = conditions(loss=loss, task_weights={"order": 2.0})
    waits, _ = count(step(build_config("mmoe", {}).build(DATA.full_schema), given))
    assert waits == 0


def test_weights_of_rows_are_copied_beside_their_numbers() -> None:
    weighted = replace(DATA.train, weight_R=np.ones(DATA.train.num_rows, np.float32))
    given = replace(conditions(embedding_l2=0.1), dataset=replace(DATA, train=weighted))
    traffic = step(build_config("mmoe", {}).build(DATA.full_schema), given)
    assert count(traffic) == (0, 2), traffic


@pytest.mark.parametrize("reader", get_args(SequenceReader))
def test_a_step_with_any_reader_of_sequences_copies_once(reader: SequenceReader) -> None:
    data = data_of(reader)
    given = replace(conditions(), dataset=data, schema=data.full_schema)
    traffic = step(build_config("mmoe", {}).build(data.full_schema), given)
    assert count(traffic) == (0, 1), traffic


@pytest.mark.parametrize("values", FORMS_OF_HINET, ids=str)
def test_every_form_of_hinet_copies_once(values: dict[str, Value]) -> None:
    model = build_config("hinet", values).build(DATA.full_schema)
    assert count(step(model, conditions())) == (0, 1)


def test_hinet_that_chooses_scenarios_copies_three_times() -> None:
    model = build_config("hinet", {"model.san.top_k": 1}).build(DATA.full_schema)
    assert isinstance(model, EpochAware)
    model.begin_epoch(1)
    assert count(step(model, conditions())) == (0, 3)


@every_model
def test_scores_of_a_batch_are_not_waited_for(case: Case) -> None:
    model = case.build(DATA.full_schema).to(DEVICE)
    feed = make_feed(DATA.valid, DEVICE)
    with recording() as traffic:
        logits_RT = logits(model, feed)
    assert logits_RT.shape == (96, 2)
    waits, copies = count(traffic)
    assert waits == 0
    assert copies <= 3, "of a batch"
