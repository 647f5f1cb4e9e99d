"""Numbers of exports: new rows meet the ranges and limits of the study's numeric columns."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal

import hinet_search as hs
from hinet_search.common.errors import DataError
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.sealed import seal
from hinet_search.study.yaml_file import written
from tests.serving.shop import STUDY, rows, test_part

LARGEST = float(np.finfo(np.float64).max)
ONE_ARM = STUDY.format(arms="  mmoe:").replace("seeds: 2", "seeds: 1")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model whose price has a range, and whose age has none."""
    folder = tmp_path_factory.mktemp("clipped")
    minute, price = pl.col("minute"), pl.col("price")
    rows().with_columns(
        price=pl.when(minute % 50 == 7).then(LARGEST).otherwise(price)
    ).write_parquet(folder / "shop.parquet")
    (folder / "shop.yaml").write_text(
        ONE_ARM.replace("[price, age]", "[price, age]\n    clip: {price: [0, 150]}")
    )
    hs.launch(str(folder / "shop.yaml"), output=folder / "out")
    return hs.export(str(folder / "shop.yaml"), folder / "model", output=folder / "out").folder


def scores(folder: Path, at: Path, **columns: pl.Expr) -> np.ndarray:
    """Of the test rows with other values in some columns."""
    test_part(rows()).with_columns(**columns).write_parquet(at / "rows.parquet")
    hs.predict(folder, at / "rows.parquet", at / "scores.parquet")
    return pl.read_parquet(at / "scores.parquet").select("click", "buy").to_numpy()


def test_a_value_outside_the_range_scores_as_its_nearest_end(
    exported: Path, tmp_path: Path
) -> None:
    assert_array_equal(
        scores(exported, tmp_path, price=pl.lit(LARGEST)),
        scores(exported, tmp_path, price=pl.lit(150.0)),
    )


def test_infinity_is_refused_with_a_range_too(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'price' must be finite, got NaN or infinity in"):
        scores(exported, tmp_path, price=pl.lit(float("-inf")))


@pytest.mark.parametrize("value", [1e30, LARGEST, -LARGEST])
def test_a_value_that_is_too_far_is_refused_with_column_rows_and_value(
    value: float, exported: Path, tmp_path: Path
) -> None:
    minute = pl.col("minute")
    with pytest.raises(DataError) as caught:
        scores(
            exported, tmp_path, age=pl.when(minute % 100 == 0).then(value).otherwise(minute % 60)
        )
    (problem,) = caught.value.problems
    assert "column 'age' must lie between -1.8e+19 and 1.8e+19" in problem
    assert f"got {value:.6g} in " in problem
    assert problem.endswith("write null for what is missing")


def test_a_folder_of_before_there_were_ranges_opens(exported: Path, tmp_path: Path) -> None:
    old = shutil.copytree(exported, tmp_path / "old")
    content = open_folder(exported, torch.device("cpu")).file.model_dump(mode="json")
    for scale in content["inputs"]["scales"]:
        del scale["clip"]
    (old / "config.yaml").write_text(written(content))
    seal(old)
    assert [scale.clip for scale in open_folder(old, torch.device("cpu")).file.inputs.scales] == [
        None,
        None,
    ]
