"""Models that read the log: scored as one table however rows arrive, monitored, and fit again."""

import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

from hinet_search.common.errors import DataError
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.sealed import seal
from tests.serving.log_shop import OF_THE_LOG, assert_close, newer
from tests.serving.shop import predicted

MODELS = (
    *(f"events/{arm}" for arm in OF_THE_LOG),
    *(f"sequences/{arm}" for arm in ("din", "bst", "ensemble")),
)

EVENTS, SEQUENCES = "events/all", "sequences/din"  # every kind of input


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Path:
    study, arm = request.param.split("/")
    folder: Path = request.getfixturevalue(study).folder
    return folder / arm


def parts(table: pl.DataFrame) -> list[pl.DataFrame]:
    """Newer rows in five parts, in the order of time."""
    parts = table.with_columns(part=pl.col("minute") // 2_400)
    return parts.partition_by("part", maintain_order=True, include_key=False)


def test_parts_of_a_table_score_as_the_whole(model: Path, tmp_path: Path) -> None:
    at_once = predicted(model, newer(), tmp_path, state=tmp_path / "once")
    in_parts = [
        predicted(model, part, tmp_path, state=tmp_path / "parts") for part in parts(newer())
    ]
    assert_close(pl.concat(in_parts), at_once)
    assert not at_once.equals(predicted(model, newer(), tmp_path))


@pytest.mark.parametrize(
    ("model", "table", "column", "value", "told"),
    [
        (SEQUENCES, "shown", "moment", 10**9, "hold rows that are added up"),
        (SEQUENCES, "shown", "moment", -5, "hold rows that are added up"),
        (SEQUENCES, "shown", "scenario", 9, "hold 0 to 2 in 'scenario'"),
        (SEQUENCES, "shown", "label 0", 7, "hold 0 to 1 in 'label 0'"),
        (EVENTS, "recent", "moment", -5, "hold rows that are not added up"),
        (EVENTS, "recent", "scenario", 9, "hold 0 to 2 in 'scenario'"),
        (EVENTS, "recent", "label 0", 7, "hold 0 to 1 in 'label 0'"),
        (EVENTS, "visits", "first", 10**9, "hold visits that begin before they end"),
        (EVENTS, "older.0", "rows", 2**40, "hold 1 to"),
        (EVENTS, "log", "added before", -9, "have a moment before which rows are added up"),
        (EVENTS, "priors", "rows", 0, "hold 1 to"),
    ],
    indirect=["model"],
)
def test_a_damaged_log_is_refused(
    model: Path, table: str, column: str, value: int, told: str, tmp_path: Path
) -> None:
    copied = tmp_path / "model"
    shutil.copytree(model, copied)
    path = copied / "encoding" / f"{table}.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(pl.lit(value).cast(frame.schema[column]).alias(column)).write_parquet(path)
    seal(copied)
    with pytest.raises(DataError, match=told):
        open_folder(copied, torch.device("cpu"))
