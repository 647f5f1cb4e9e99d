"""A stranger's folder with true hashes: what it says is compared with the model, and refused in words."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

import hinet_search as hs
from hinet_search.common.errors import DataError
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.profile import PROFILE
from hinet_search.serving.sealed import MANIFEST, seal
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


def one_known(distribution: dict) -> dict:
    return {"values": [*distribution["values"], 10**41], "shares": [*distribution["shares"], 1]}


EDITS: dict[str, tuple[Callable[[dict], object], str]] = {
    "no scenario": (lambda p: p.update(scenarios={}), r"scenarios must be those of the model"),
    "another scenario": (lambda p: p["scenarios"].update(x=0.0), r"scenarios must be those of the"),
    "shares": (lambda p: p["scenarios"].update(Home=1.0), r"shares of scenarios must sum to 1"),
    "too many rows": (lambda p: p.update(rows=2**53), r"rows: Input should be less than or equal"),
    "no input": (lambda p: p.update(numeric={}), r"numeric must be those of the model"),
    "no field": (lambda p: p.update(without_id={}), r"without_id must be those of the model"),
    "no task": (lambda p: p.update(tasks={}), r"tasks must be those of the model"),
    "amounts": (
        lambda p: p["tasks"]["click"].update(kind="amount"),
        r"tasks\.click must be a task of 0 and 1, as in the model",
    ),
    "a number": (
        lambda p: p["numeric"].update(price=one_known(p["numeric"]["price"])),
        r"numeric\.price\.values\.2",
    ),
    "a large file": (lambda p: p.update(x="x" * 1_000_000), r"must be at most [\d,]+ bytes"),
    "users": (
        lambda p: p.update(users={"train": 1e9, "valid": 1, "scenarios": {}, "numeric": {}}),
        r"users\.scenarios must be of all scenarios",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_profile_that_is_not_of_the_model_is_refused_by_every_command(
    edit: str, folder: Path, labelled: Path, tmp_path: Path
) -> None:
    change, message = EDITS[edit]
    profile = json.loads((folder / PROFILE).read_text())
    change(profile)
    (folder / PROFILE).write_text(json.dumps(profile))
    seal(folder)
    with pytest.raises(DataError, match=message):
        hs.monitor(folder, labelled)
    with pytest.raises(DataError, match=message):
        hs.predict(folder, labelled, tmp_path / "scores.parquet")
    with pytest.raises(DataError, match=message):
        open_folder(folder, torch.device("cpu"))


def test_a_profile_without_a_hash_is_not_read(folder: Path, labelled: Path) -> None:
    """It could be a device that never ends."""
    hashes = json.loads((folder / MANIFEST).read_text())
    del hashes[PROFILE]
    (folder / MANIFEST).write_text(json.dumps(hashes))
    (folder / PROFILE).unlink()
    (folder / PROFILE).symlink_to("/dev/zero")
    with pytest.raises(
        DataError,
        match=r"manifest\.json: must hold the hash of every file .*, but lacks profile\.json",
    ):
        hs.monitor(folder, labelled)


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
        hs.monitor(folder, labelled)
