"""New rows may hold larger integers than the study: later days, new users, wider types."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from hinet_search.common.errors import DataError
from hinet_search.serving.model_folder import open_folder
from tests.serving.shop import SHORT, one_export, prediction_of

STUDY = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place}
  tasks: {click: {column: clicked}}
  user: user
  time: day
  features:
    categorical: [user, item, session]
    statistics: {by: [user], clock: day}
    lists: {watched: {column: watched, item: item, length: 3}}
    matches: {lists: [watched], by: [item]}
  split: {by: time, valid_from: 115, test_from: 120}
arms: {shared_bottom: }
reference: shared_bottom
"""
LAST_DAY = 124
LARGE = 2**63  # the session that every other row has


def table() -> pl.DataFrame:
    """Small numbers in small types, and sessions that need 64 bits without a sign."""
    generator = np.random.default_rng(0)
    num_rows = 1500
    user, taste = generator.integers(0, 60, num_rows), generator.normal(size=60)
    day = pl.Series("day", np.sort(generator.integers(95, LAST_DAY + 1, num_rows)), dtype=pl.Int8)
    session = [number % 20 + number % 2 * LARGE for number in range(num_rows)]
    watched = generator.integers(0, 100, (num_rows, 3)).tolist()
    clicked = generator.random(num_rows) < 1 / (1 + np.exp(-2 * taste[user]))
    return pl.DataFrame(
        {
            "place": generator.choice(["a", "b"], num_rows),
            "user": pl.Series(user, dtype=pl.Int16),
            "item": pl.Series(generator.integers(0, 100, num_rows), dtype=pl.Int8),
            "session": pl.Series(session, dtype=pl.UInt64),
            "watched": pl.Series(watched, dtype=pl.List(pl.Int8)),
            "clicked": clicked.astype(np.int8),
            "day": day,
        }
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_export(tmp_path_factory.mktemp("small"), table(), STUDY + SHORT)


def scored(model: Path, at: Path, **columns: pl.Expr) -> tuple[np.ndarray, dict[str, float]]:
    """Scores of the last rows with other values in some columns, and shares of unseen values."""
    asked = table().tail(200).drop("clicked").with_columns(**columns)
    unseen = prediction_of(model, asked, at).unseen
    return pl.read_parquet(at / "scores.parquet")["click"].to_numpy(), unseen


@pytest.mark.parametrize(
    "later", [pl.lit(128), pl.lit(2**40), pl.lit(2**64 - 1, pl.UInt64)], ids=str
)
def test_a_day_beyond_the_clocks_type_counts_all_labels_as_the_day_after_the_last(
    later: pl.Expr, model: Path, tmp_path: Path
) -> None:
    after_all, _ = scored(model, tmp_path, day=pl.lit(LAST_DAY + 1))
    scores, _ = scored(model, tmp_path, day=later)
    np.testing.assert_array_equal(scores, after_all)


def test_a_day_before_the_clocks_type_counts_no_label(model: Path, tmp_path: Path) -> None:
    before_all, _ = scored(model, tmp_path, day=pl.lit(0))
    scores, _ = scored(model, tmp_path, day=pl.lit(-(2**60)))
    np.testing.assert_array_equal(scores, before_all)


@pytest.mark.parametrize(
    ("column", "value", "small"),
    [
        ("user", pl.lit(70_000), pl.lit(30_000)),
        ("user", pl.lit(2**64 - 1, pl.UInt64), pl.lit(30_000)),
        ("item", pl.lit(300, pl.Int16), pl.lit(120)),
        ("item", pl.lit(256, pl.UInt16), pl.lit(120)),  # 0 in eight bits, which is an item
        ("session", pl.lit(-1), pl.lit(999)),
    ],
)
def test_a_value_beyond_its_columns_type_is_unseen_as_any_other(
    column: str, value: pl.Expr, small: pl.Expr, model: Path, tmp_path: Path
) -> None:
    expected, unseen = scored(model, tmp_path, **{column: small})
    scores, unseen_large = scored(model, tmp_path, **{column: value})
    np.testing.assert_array_equal(scores, expected)
    assert unseen_large == unseen
    assert unseen[column] == 1


def test_a_missing_value_of_another_type_is_not_unseen(model: Path, tmp_path: Path) -> None:
    _, unseen = scored(
        model,
        tmp_path,
        session=pl.when(pl.col("session") < LARGE).then(None).otherwise(-1).cast(pl.Int64),
    )
    assert unseen["session"] == 0.5


def test_large_numbers_of_training_are_known_in_every_type_that_holds_them(
    model: Path, tmp_path: Path
) -> None:
    expected, unseen = scored(model, tmp_path)
    scores, unseen_wide = scored(model, tmp_path, session=pl.col("session").cast(pl.Int128))
    np.testing.assert_array_equal(scores, expected)
    assert unseen_wide == unseen
    assert unseen["session"] == 0


def test_an_entry_of_a_list_beyond_its_type_is_an_unknown_one(model: Path, tmp_path: Path) -> None:
    expected, _ = scored(model, tmp_path, watched=pl.lit([120, 3], pl.List(pl.Int64)))
    scores, _ = scored(model, tmp_path, watched=pl.lit([259, 3], pl.List(pl.Int64)))  # 3 in 8 bits
    np.testing.assert_array_equal(scores, expected)


def test_a_key_of_128_bits_is_refused_with_its_remedy(model: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"column 'user' is copied .* at most 64 bits, got Int128; cast it"
    ):
        scored(model, tmp_path, user=pl.lit(5, pl.Int128))


def test_a_folder_knows_the_types_of_training_and_reads_rows_in_wide_ones(model: Path) -> None:
    of_training = pl.read_parquet(model / "encoding" / "columns.parquet").schema
    read = open_folder(model, torch.device("cpu")).encoder.types
    wide = {"user": pl.Int64, "day": pl.Int64, "watched": pl.List(pl.Int64), "session": pl.UInt64}
    small = {"user": pl.Int16, "day": pl.Int8, "watched": pl.List(pl.Int8)}
    assert {name: of_training[name] for name in small} == small
    assert {name: read[name] for name in wide} == wide
