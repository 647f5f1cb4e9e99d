"""A student's loss is that of its labels and of its teacher's scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_models import CPU, DATA, Watch, linear, weights_hash
from numpy.typing import NDArray
from torch import nn

from hinet_search.common.errors import DataError
from hinet_search.results.objectives import objective_named
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions
from hinet_search.training.teaching import read_teacher, save_teacher
from hinet_search.training.train_config import TrainConfig

SHAPE = DATA.train.labels_RT.shape
RANDOM = np.random.default_rng(0)
TEACHER_RT = RANDOM.normal(size=SHAPE).astype(np.float16)


def conditions(teacher_RT: NDArray[np.float16] | None = TEACHER_RT, **train: object) -> Conditions:
    given = {"batch_size": 32, "patience": 0, "epochs": 3, "learning_rate": 0.03, **train}
    config = TrainConfig.model_validate(given)
    objective = objective_named("macro_auc")
    return Conditions(DATA, DATA.full_schema, config, 0, objective, CPU, teacher_RT)


def trained(**train: object) -> nn.Module:
    model = linear(DATA)
    fit(model, conditions(**train), Watch())
    return model


def test_a_teacher_without_weight_changes_nothing() -> None:
    alone = linear(DATA)
    fit(alone, conditions(None), Watch())
    assert weights_hash(trained(teacher_weight=0.0)) == weights_hash(alone)


def test_a_student_believes_its_teacher_where_all_labels_are_wrong() -> None:
    labels_RT = DATA.train.labels_RT
    wrong = replace(DATA, train=replace(DATA.train, labels_RT=1 - labels_RT))
    teacher_RT = (6.0 * labels_RT - 3.0).astype(np.float16)
    given = replace(conditions(teacher_RT, teacher_weight=1.0), dataset=wrong)
    assert fit(linear(DATA), given, Watch()).valid_objective > 0.9
    without = replace(given, teacher_RT=None)
    assert fit(linear(DATA), without, Watch()).valid_objective < 0.5


def test_a_teachers_scores_are_read_as_they_were_stored(tmp_path: Path) -> None:
    valid_RT = RANDOM.normal(size=(7, 2)).astype(np.float32)
    save_teacher({"train": TEACHER_RT.astype(np.float32), "valid": valid_RT}, tmp_path / "t")
    assert np.array_equal(read_teacher(tmp_path / "t", SHAPE), TEACHER_RT)
    halved_RT = read_teacher(tmp_path / "t", (7, 2), "valid")
    assert np.array_equal(halved_RT, valid_RT.astype(np.float16))


def test_scores_beyond_half_precision_stay_finite(tmp_path: Path) -> None:
    save_teacher({"train": np.array([[1e6, -1e6]], dtype=np.float32)}, tmp_path / "t")
    assert np.isfinite(read_teacher(tmp_path / "t", (1, 2))).all()


def test_scores_of_other_rows_are_refused_with_what_to_do(tmp_path: Path) -> None:
    save_teacher({"train": np.zeros((3, 2), dtype=np.float32)}, tmp_path / "t")
    with pytest.raises(DataError, match=r"must hold \[4, 2\] train_logits") as caught:
        read_teacher(tmp_path / "t", (4, 2))
    assert "launch the study again" in caught.value.remedy
