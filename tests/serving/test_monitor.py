"""Monitor: what has changed in new rows is told, with figures that a plain computation gives."""

import json
from collections.abc import Callable
from math import comb
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

import hinet_search as hs
from hinet_search.common.errors import DataError
from hinet_search.data.columns import Columns
from hinet_search.serving.drift import CellOfNewRows, ChangedShare, InputDrift, changed
from hinet_search.serving.drift_card import drift_lines
from hinet_search.serving.profile import MAX_KNOTS, Distribution, distribution
from hinet_search.serving.sealed import PROFILE, seal
from tests.serving.shop import Shop, rows


@pytest.fixture(scope="module")
def folder(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Shared Bottom of the shop, exported."""
    return shop.export("shared_bottom", tmp_path_factory.mktemp("exported") / "model").folder


def training_rows(num_rows: int = 1000) -> pl.DataFrame:
    return rows().filter((pl.col("minute") < num_rows) & (pl.col("place") != 4))


def drift(folder: Path, frame: pl.DataFrame, at: Path) -> hs.Drift:
    frame.write_parquet(at / "new.parquet")
    return hs.monitor(folder, at / "new.parquet")


Told = Callable[..., hs.Drift]


@pytest.fixture
def told_of(folder: Path, tmp_path: Path) -> Told:
    """The drift of a table from the training of the model."""
    return lambda frame: drift(folder, frame, tmp_path)


def test_rows_of_training_have_changed_in_nothing(told_of: Told) -> None:
    same = told_of(training_rows().drop("clicked", "bought"))
    assert not same.is_notable
    assert same.rows == same.training_rows == len(training_rows())
    assert all(share.now == pytest.approx(share.before) for share in same.scenarios)
    assert max(each.distance for each in same.inputs) == 0
    assert same.unlabelled == ("click", "buy")


def test_a_column_that_has_moved_is_told_with_its_distance(told_of: Told) -> None:
    dearer = training_rows().with_columns(pl.col("price") + 15)
    moved = told_of(dearer)
    notable = [each.name for each in moved.inputs if each.is_notable]
    assert notable == ["price"]
    before, after = training_rows()["price"].to_numpy(), dearer["price"].to_numpy()
    values = np.concatenate([before, after])
    exact = max(abs((before <= value).mean() - (after <= value).mean()) for value in values)
    measured = next(each for each in moved.inputs if each.name == "price")
    assert exact - 1 / (MAX_KNOTS - 1) <= measured.distance <= exact + 1e-9
    assert measured.chance < 1e-6


def test_values_without_an_id_are_told_by_column(told_of: Told) -> None:
    strange = training_rows().with_columns(
        user=pl.when(pl.col("minute") % 2 == 0).then(pl.col("user") + 1000).otherwise("user")
    )
    told = told_of(strange)
    assert [share.name for share in told.without_id if share.is_notable] == ["user"]
    now = next(share.now for share in told.without_id if share.name == "user")
    assert now == pytest.approx((strange["user"] >= 1000).mean(), abs=0.01)


def test_rows_of_validation_are_known_as_they_were_before_rare_ids_too(
    shop: Shop, tmp_path: Path
) -> None:
    seldom = shop.export("seldom", tmp_path / "seldom").folder
    validation = rows().filter(pl.col("minute").is_between(1000, 1199) & (pl.col("place") != 4))
    told = drift(seldom, validation, tmp_path)
    assert all(share.now == pytest.approx(share.before) for share in told.without_id)
    assert max(share.before for share in told.without_id) > 0
    assert all(share.may_fall for share in told.without_id)
    assert not any(share.may_fall for share in told.scenarios)


def test_scenarios_that_have_grown_are_told(told_of: Told) -> None:
    only_home = training_rows().filter(pl.col("place") == 1)
    told = told_of(only_home)
    assert [share.now for share in told.scenarios] == [1, 0, 0]
    assert all(share.is_notable for share in told.scenarios)


def test_labels_are_compared_with_the_probabilities_of_predict(
    folder: Path, tmp_path: Path
) -> None:
    frame = training_rows()
    told = drift(folder, frame, tmp_path)
    hs.predict(folder, tmp_path / "new.parquet", tmp_path / "scores.parquet")
    scores = pl.read_parquet(tmp_path / "scores.parquet")
    push = (frame["place"] == 2).to_numpy()
    cell = next(each for each in told.cells if (each.scenario, each.task) == ("Push", "click"))
    labels, predicted = frame["clicked"].to_numpy()[push], scores["click"].to_numpy()[push]
    assert (cell.rows, cell.positives) == (push.sum(), labels.sum())
    assert cell.predicted == pytest.approx(predicted.sum(), rel=1e-6)
    assert cell.auc == pytest.approx(roc_auc_score(labels, predicted))
    assert len(told.cells) == 6


def test_rows_without_a_label_yet_are_left_out_of_their_cell(told_of: Told) -> None:
    late = training_rows().with_columns(
        bought=pl.when(pl.col("minute") < 500).then(pl.col("bought"))
    )
    told = told_of(late)
    counted = sum(cell.rows for cell in told.cells if cell.task == "buy")
    assert counted == (late["minute"] < 500).sum()
    assert sum(cell.rows for cell in told.cells if cell.task == "click") == len(late)


def test_a_missing_value_is_another_one_where_training_took_it_so(
    shop: Shop, tmp_path: Path
) -> None:
    """`equals` makes a 0 of it, so the label is known."""
    model = shop.export("shared_bottom", tmp_path / "model").folder
    profile = json.loads((model / PROFILE).read_text())
    profile["tasks"]["click"] = {"column": "clicked", "equals": 1}
    (model / PROFILE).write_text(json.dumps(profile))
    seal(model)
    some = training_rows().with_columns(clicked=pl.col("clicked").replace(0, None))
    told = drift(model, some, tmp_path)
    clicks = [cell for cell in told.cells if cell.task == "click"]
    assert sum(cell.rows for cell in clicks) == len(some)
    assert sum(cell.positives for cell in clicks) == training_rows()["clicked"].sum()


def test_a_column_of_labels_without_a_value_counts_as_no_label(told_of: Told) -> None:
    none_yet = training_rows().with_columns(clicked=pl.lit(None, dtype=pl.Int8))
    told = told_of(none_yet)
    assert told.unlabelled == ("click",)
    assert [line.text for line in drift_lines(told)][-1] == "no row has one of click"


def test_a_row_without_a_finite_score_is_refused_with_its_number(
    monkeypatch: pytest.MonkeyPatch, told_of: Told
) -> None:
    def scores(_exported: object, columns: Columns) -> np.ndarray:
        predicted_RT = np.full((columns.num_rows, 2), 0.5, dtype=np.float32)
        predicted_RT[7] = np.nan
        return predicted_RT

    monkeypatch.setattr("hinet_search.serving.predict.predictions", scores)
    with pytest.raises(DataError, match=r"must get a finite score.*first in row 7"):
        told_of(training_rows())


@pytest.mark.parametrize(("num_rows", "num_new"), [(12, 1), (6, 6)])
def test_one_strange_row_of_a_dozen_is_chance_and_six_of_six_are_not(
    num_rows: int, num_new: int, told_of: Told
) -> None:
    """Training and validation have none, so a standard error of their share would be zero."""
    is_new = pl.int_range(pl.len()) < num_new
    some = training_rows().head(num_rows)
    some = some.with_columns(item=pl.when(is_new).then(pl.lit("new")).otherwise("item"))
    share = next(each for each in told_of(some).without_id if each.name == "item")
    assert share.before == 0 < share.now
    assert share.is_notable == (num_new == 6)


@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_the_chance_of_a_change_is_that_of_all_splits_as_unlikely(
    num_before: int, num_now: int, data: st.DataObject
) -> None:
    before, now = (data.draw(st.integers(0, number)) for number in (num_before, num_now))
    total = before + now

    def ways(number: int) -> int:
        return comb(num_now, number) * comb(num_before, total - number)

    every = [ways(number) for number in range(num_now + 1) if number <= total]
    expected = sum(each for each in every if each <= ways(now)) / sum(every)
    measured = changed("item", before / num_before, num_before, now / num_now, num_now)
    assert measured.chance == pytest.approx(expected)


def test_more_positives_than_predicted_are_notable(told_of: Told) -> None:
    all_buy = training_rows().with_columns(bought=pl.lit(1, dtype=pl.Int8))
    told = told_of(all_buy)
    assert all(cell.is_notable for cell in told.cells if cell.task == "buy")
    assert all(cell.auc is None for cell in told.cells if cell.task == "buy")


def test_blocks_of_rows_add_up(monkeypatch: pytest.MonkeyPatch, told_of: Told) -> None:
    frame = training_rows().with_columns(pl.col("price") + 9)
    whole = told_of(frame)
    monkeypatch.setattr("hinet_search.serving.monitor.RUN_ROWS", 123)
    in_blocks = told_of(frame)
    assert in_blocks.inputs == whole.inputs
    assert in_blocks.without_id == whole.without_id
    assert [cell.positives for cell in in_blocks.cells] == [cell.positives for cell in whole.cells]


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=300))
def test_a_distribution_has_the_shares_of_its_rows(numbers: list[float]) -> None:
    known = distribution(np.array(numbers, dtype=np.float32))
    assert known.values[0] == min(numbers)
    assert known.values[-1] == max(numbers)
    assert len(known.values) <= MAX_KNOTS
    for value, share in zip(known.values, known.shares, strict=True):
        assert share == pytest.approx(sum(number <= value for number in numbers) / len(numbers))


@pytest.mark.parametrize(
    ("values", "shares"), [((2.0, 1.0), (0.5, 1.0)), ((1.0, 2.0), (1.0, 0.5)), ((1.0,), (0.5, 1.0))]
)
def test_a_distribution_that_does_not_ascend_is_refused(
    values: tuple[float, ...], shares: tuple[float, ...]
) -> None:
    with pytest.raises(ValidationError, match="equally many and ascending"):
        Distribution(values=values, shares=shares)


@pytest.mark.parametrize(
    ("part", "is_notable"),
    [
        (ChangedShare("user", 0.10, 0.16, chance=0.04), True),
        (ChangedShare("user", 0.10, 0.14, chance=1e-9), False),  # less than five points
        (ChangedShare("user", 0.10, 0.16, chance=0.06), False),  # by chance
        (ChangedShare("home", 0.16, 0.10, chance=0.001), True),
        (ChangedShare("user", 0.16, 0.10, chance=0.001, may_fall=True), False),
        (ChangedShare("user", 0.10, 0.16, chance=0.001, may_fall=True), True),
        (InputDrift("price", 0.12, chance=0.01), True),
        (InputDrift("price", 0.08, chance=1e-9), False),
        (InputDrift("price", 0.12, chance=0.06), False),
        (CellOfNewRows("home", "click", 1000, 120, 100.0, 90.0, 0.01, 0.7), True),
        (CellOfNewRows("home", "click", 1000, 80, 100.0, 90.0, 0.01, 0.7), True),
        (CellOfNewRows("home", "click", 1000, 105, 100.0, 90.0, 1e-9, 0.7), False),  # no tenth
        (CellOfNewRows("home", "click", 1000, 120, 100.0, 90.0, 0.06, 0.7), False),
        (CellOfNewRows("home", "click", 1000, 120, 100.0, 4.0, None, 0.7), False),  # few users
    ],
)
def test_what_is_large_and_more_than_chance_is_notable(
    part: ChangedShare | InputDrift | CellOfNewRows, is_notable: bool
) -> None:
    assert part.is_notable is is_notable


def test_a_folder_without_a_profile_is_refused(shop: Shop, tmp_path: Path) -> None:
    folder = shop.export("shared_bottom", tmp_path / "other").folder
    text = (folder / PROFILE).read_text().replace('"rows":', '"rose":')
    (folder / PROFILE).unlink()
    seal(folder)
    with pytest.raises(DataError, match=r"manifest\.json: .* but lacks profile\.json"):
        drift(folder, training_rows(), tmp_path)
    (folder / PROFILE).write_text(text)
    seal(folder)
    with pytest.raises(DataError, match=r"profile.json: rows: Field required"):
        drift(folder, training_rows(), tmp_path)


def test_a_profile_that_was_changed_is_refused_like_any_file(shop: Shop, tmp_path: Path) -> None:
    changed = shop.export("shared_bottom", tmp_path / "changed").folder
    path = changed / PROFILE
    path.write_text(path.read_text().replace("0.", "0.0", 1))
    with pytest.raises(DataError, match=r"profile.json: has changed"):
        drift(changed, training_rows(), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.col("bought").cast(pl.String), "column 'bought' must hold numbers, got String"),
        (pl.col("clicked") * 2, "column 'clicked' must hold 0 and 1 only, got 2"),
        (pl.col("place") + 5, "column 'place' must hold scenarios of the model"),
        (pl.lit("dear").alias("price"), "column 'price' must hold numbers"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(
    change: pl.Expr, message: str, told_of: Told
) -> None:
    with pytest.raises(DataError, match=message):
        told_of(training_rows().with_columns(change))


def test_a_table_without_rows_is_refused(told_of: Told) -> None:
    with pytest.raises(DataError, match="must have rows to compare, got none"):
        told_of(training_rows(0))


def test_the_card_has_every_figure_and_the_lines_only_what_is_notable(
    folder: Path, tmp_path: Path
) -> None:
    training_rows().with_columns(pl.col("price") + 15).write_parquet(tmp_path / "new.parquet")
    told = hs.monitor(folder, tmp_path / "new.parquet", tmp_path / "drift.md")
    card = (tmp_path / "drift.md").read_text()
    assert "**inputs: price" in card
    assert "| age |" in card
    assert "### Labels" in card
    lines = {line.about: line for line in drift_lines(told)}
    assert lines["inputs"].is_notable
    assert not lines["scenarios"].is_notable
    assert "age" not in lines["inputs"].text


def test_without_a_column_of_users_what_is_marked_may_be_chance(told_of: Told) -> None:
    moved = training_rows().with_columns(pl.col("price") + 15)
    unknown = moved.with_columns(pl.lit(None, moved["user"].dtype).alias("user"))
    of_users, of_rows = (told_of(rows) for rows in (moved, unknown))
    assert (of_users.independent, of_rows.independent) == ("users", "rows")
    assert of_users.users < of_rows.users == len(moved)
    assert {line.mark for line in drift_lines(of_users)} == {"ok", "!!"}
    assert {line.mark for line in drift_lines(of_rows)} == {"ok", "??"}
    assert "no user is known" in [line.text for line in drift_lines(of_rows)][-1]


@pytest.mark.parametrize("standardised", [True, False])
def test_numbers_that_are_standardised_already_are_told_by_predict_and_monitor(
    folder: Path, tmp_path: Path, *, standardised: bool
) -> None:
    """Prices are far outside of training then; ages, of 18 to 79, too."""
    rows_as_given = training_rows()
    frame = rows_as_given
    if standardised:
        mean, deviation = pl.col("price").mean(), pl.col("price").std()
        frame = rows_as_given.with_columns((pl.col("price") - mean) / deviation)
    told = drift(folder, frame, tmp_path)
    done = hs.predict(folder, tmp_path / "new.parquet", tmp_path / "scores.parquet")
    assert [share.name for share in told.far if share.is_notable] == ["price"] * standardised
    assert (done.far["price"] > 0.9) == standardised
    assert done.far["age"] == 0
    assert list(done.moved) == ["price"] * standardised


def test_numbers_inside_of_a_wide_range_are_told_by_their_distribution(
    folder: Path, tmp_path: Path
) -> None:
    """All prices are ordinary ones, but a hundredth as far from each other as in training."""
    narrow = training_rows().with_columns((pl.col("price") - 100) / 100 + 100)
    told = drift(folder, narrow, tmp_path)
    done = hs.predict(folder, tmp_path / "new.parquet", tmp_path / "scores.parquet")
    assert done.far["price"] == 0
    assert list(done.moved) == ["price"]
    assert [each.name for each in told.inputs if each.is_notable] == ["price"]
