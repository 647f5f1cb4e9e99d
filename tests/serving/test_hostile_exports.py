"""A stranger's folder with true hashes: what it says is compared with the model, and refused in words."""

from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

import hinet_search as hs
from hinet_search.common.errors import DataError
from hinet_search.serving.sealed import seal
from hinet_search.study.task_definition import TaskDefinition
from tests.serving.exported import table, write_export

TASKS = {"click": TaskDefinition(column="clicked"), "buy": TaskDefinition(column="bought")}
WEIGHTS = "weights.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_export(tmp_path / "model")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rows = table().with_columns(clicked=pl.col("user") % 2, bought=pl.col("user") % 2)
    rows.write_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64, torch.uint32]
)
def test_weights_of_a_type_that_no_training_writes_are_refused_in_words(
    dtype: torch.dtype, folder: Path, labelled: Path
) -> None:
    tensors = load_file(folder / WEIGHTS)
    first = next(iter(tensors))
    save_file({**tensors, first: tensors[first].to(dtype)}, folder / WEIGHTS)
    seal(folder)
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(DataError, match=rf"types of training, such as float32, got {name} \["):
        hs.predict(folder, labelled, labelled.with_name("scores.parquet"))
