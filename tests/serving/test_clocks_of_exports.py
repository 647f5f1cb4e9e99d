"""Exports whose clock is a time stamp count labels by day, as training did."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import hinet_search as hs
from hinet_search.serving.write_folder import TOLERANCE
from tests.serving.shop import SHORT, launch_shop, scores_of

STUDY = """\
data:
  source: {{kind: table, path: shop.parquet}}
  scenario: {{column: place}}
  tasks: {{click: {{column: clicked}}}}
  user: user
  time: at
  features:
    categorical: [user]
    statistics: {{by: [user, [user, place]], {clock}}}
  never_features: [at]
  split: {{by: time, valid_from: {valid_from}, test_from: {test_from}}}
arms: {{shared_bottom: }}
reference: shared_bottom
"""
BEGUN = 1_777_593_600_000  # 2026-05-01 in milliseconds since 1970
DAY = 86_400_000
KINDS = {
    "datetime": ("clock: at", "2026-05-08T06:00:00", "2026-05-09T18:00:00"),
    "milliseconds": (
        f"clock: at, day_length: {DAY}",
        BEGUN + 7 * DAY + DAY // 4,
        BEGUN + 8 * DAY + 3 * DAY // 4,
    ),
}


def table(kind: str) -> pl.DataFrame:
    """Eleven days, cut into train, valid and test in the middle of days."""
    generator = np.random.default_rng(0)
    num_rows = 1500
    user, taste = generator.integers(0, 60, num_rows), generator.normal(size=60)
    at = pl.Series("at", BEGUN + np.sort(generator.integers(0, 11 * DAY, num_rows)))
    moment = at.cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone("Asia/Tokyo")
    return pl.DataFrame(
        {
            "place": generator.choice(["a", "b"], num_rows),
            "user": user,
            "clicked": (generator.random(num_rows) < 1 / (1 + np.exp(-2 * taste[user]))).astype(
                np.int8
            ),
            "at": at if kind == "milliseconds" else moment,
        }
    )


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(kind: str, tmp_path_factory: pytest.TempPathFactory) -> hs.Export:
    clock, valid_from, test_from = KINDS[kind]
    text = STUDY.format(clock=clock, valid_from=valid_from, test_from=test_from) + SHORT
    shop = launch_shop(tmp_path_factory.mktemp(kind), table(kind), text)
    return hs.export(str(shop.study), shop.out.parent / "model", output=shop.out)


def scored(model: Path, rows: pl.DataFrame, at: Path) -> np.ndarray:
    return scores_of(model, rows.drop("clicked"), at)[:, 0]


def test_test_rows_score_as_in_training(model: hs.Export) -> None:
    assert model.checked_rows > 200
    assert model.max_difference <= TOLERANCE


def test_the_hour_of_a_row_does_not_change_its_score(
    kind: str, model: hs.Export, tmp_path: Path
) -> None:
    rows = table(kind).tail(200)
    at = pl.col("at")
    of_day = at // DAY * DAY + DAY - 1 if kind == "milliseconds" else at.dt.truncate("1d")
    other_hour = rows.with_columns(of_day)
    assert (rows["at"] != other_hour["at"]).all()
    np.testing.assert_array_equal(
        scored(model.folder, rows, tmp_path), scored(model.folder, other_hour, tmp_path)
    )


def test_a_later_day_counts_other_labels(kind: str, model: hs.Export, tmp_path: Path) -> None:
    rows = table(kind).head(200)
    step = DAY if kind == "milliseconds" else pl.duration(days=1)
    later = rows.with_columns(pl.col("at") + 5 * step)
    assert (
        scored(model.folder, rows, tmp_path) != scored(model.folder, later, tmp_path)
    ).mean() > 0.9


def test_the_card_says_up_to_when_labels_are_known(kind: str, model: hs.Export) -> None:
    table_until = table(kind).filter(pl.col("at") < begin_of_test(kind))["at"].max()
    text = (model.folder / "card.md").read_text()
    assert f"are of train and valid up to at {table_until!s}, none of test." in text


def begin_of_test(kind: str) -> pl.Expr:
    """The first moment of the test split."""
    first = KINDS[kind][2]
    if kind == "milliseconds":
        return pl.lit(first)
    return pl.lit(first).str.to_datetime(time_unit="ms").dt.replace_time_zone("Asia/Tokyo")
