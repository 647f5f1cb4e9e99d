"""refit refuses rows, options and folders that it cannot learn from, and says what must hold."""

import re
from pathlib import Path

import polars as pl
import pytest

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError
from tests.serving.newer_shop import newer_rows, written
from tests.serving.shop import Shop


@pytest.fixture(scope="module")
def shipped(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The HiNet of the shop, exported."""
    return shop.export("hinet", tmp_path_factory.mktemp("shipped") / "model").folder


def without(name: str) -> pl.DataFrame:
    return newer_rows().drop(name)


WRONG = {
    "column 'clicked' is not in the rows": without("clicked"),
    "column 'minute' is not in the rows": without("minute"),
    "column 'price' is not in the rows": without("price"),
    "must have rows with labels in clicked, bought to learn from, got 1,600 rows, none": (
        newer_rows().with_columns(clicked=pl.lit(None, dtype=pl.Int8))
    ),
    "must have rows with labels in clicked, bought to learn from, got no rows": newer_rows(0),
    "must each have labels of a cell that differ, so that mean_auc can be measured": newer_rows(
        10
    ).with_columns(clicked=pl.lit(1, dtype=pl.Int8), bought=pl.lit(0, dtype=pl.Int8)),
    "must have rows to learn from and others to hold out, got 1 and 0 of 1 rows": newer_rows(1),
    "column 'minute' must hold the time of every row, as numbers or dates": newer_rows(
        50
    ).with_columns(minute=pl.when(pl.col("user") % 2 == 0).then("minute")),
    "held-out rows must be of two users or more (two rows, if they have no users)": (
        newer_rows(50).with_columns(user=7)
    ),
    "so that the newest can be held out, got List": newer_rows(50).with_columns(
        minute=pl.concat_list("minute")
    ),
    "so that the newest can be held out, got Boolean": newer_rows(50).with_columns(
        minute=pl.lit(True)
    ),
    "got numbers as texts of several lengths: as texts, '1000' comes before '999'": newer_rows(
        50, first=980
    ).with_columns(minute=pl.col("minute").cast(pl.String)),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_rows_are_told_with_what_must_hold(
    message: str, shipped: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        hs.refit(shipped, written(WRONG[message], tmp_path), tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"held_out": 1.0}, "held_out must be a share of the rows between 0 and 1, got 1"),
        ({"learning_rate": -1.0}, "learning_rate must be 0 to 10, got -1"),
    ],
)
def test_options_out_of_range_are_refused(
    options: dict[str, float], message: str, shipped: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        hs.refit(shipped, written(newer_rows(), tmp_path), tmp_path / "m", **options)


def test_trees_alone_are_refused_by_name(shop: Shop, tmp_path: Path) -> None:
    folder = shop.export("trees", tmp_path / "trees").folder
    with pytest.raises(ConfigurationError, match=r"some member must be a network.* arm 'trees'"):
        hs.refit(folder, written(newer_rows(), tmp_path), tmp_path / "m")
