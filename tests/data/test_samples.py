"""Samples: a study searches on all rows of some users, and counts statistics over all users."""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from tables import definition, prepared, shop, with_lists, write

from hinet_search.common.errors import DataError
from hinet_search.data import mapped
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.derived.sequences import encode_sequences
from hinet_search.data.encoded_folder import (
    _MANIFEST,
    MANIFEST,
    OF_ALL,
    _read_manifest,
    _sealed,
    open_encoding,
)
from hinet_search.data.inspect.describe import describe
from hinet_search.data.inspect.text import render
from hinet_search.data.prepare import prepare
from hinet_search.data.rows import Rows, Sample
from hinet_search.data.sample import with_sample
from hinet_search.results.data_record import SampleRecord
from tests.data.event_tables import TASKS, rows_of
from tests.data.sequence_tables import VOCABULARIES, plain_slots, sequences_of_log

BEFORE = "07a5495aeb7f74e4"  # the fingerprint of the shop in the version before samples
SHARES = st.floats(0.001, 0.999)
DERIVED: dict[str, Any] = {
    "categorical": ["user", "item"],
    "numeric": ["price"],
    "statistics": {"by": ["item", ["user", "place"]], "clock": "day"},
    "events": {"by": ["item"], "labels_after": "0s", "windows": ["60s", "all"]},
    "session": {"gap": "30s"},
    "lists": {"watched": {"column": "watched", "item": "item", "length": 4}},
    "matches": {"lists": ["watched"], "by": ["item"], "similarity": ["watched"]},
}


def rows_of_users(users: Sequence[object]) -> Rows:
    """One row for each of these users, without one where it is None."""
    frame = pl.DataFrame({"user": users})
    numbers = np.arange(len(frame))
    return rows_of(frame, np.zeros((len(frame), len(TASKS))), 0 * numbers, 0 * numbers, numbers)


def drawn(users: Sequence[object], share: float, **changes: Any) -> NDArray[np.bool_]:
    sample = with_sample(rows_of_users(users), definition(**changes), share).sample
    assert sample is not None
    return sample.is_drawn_R


def searched(frame: pl.DataFrame, folder: Path, share: float, **changes: Any) -> Dataset:
    write(frame, folder)
    wanted = definition(**changes)
    return prepare(wanted, folder, folder / "cache", lambda _: None, share)


def users_of(frame: pl.DataFrame, share: float) -> set[int]:
    users = frame["user"].unique().to_list()
    return {user for user, is_in in zip(users, drawn(users, share), strict=True) if is_in}


def logged() -> pl.DataFrame:
    """A shop whose rows have days, and lists of their users."""
    return with_lists(shop(3_000)).with_columns((pl.col("minute") // 100).alias("day"))


@given(st.lists(st.integers(0, 50) | st.none(), min_size=1), SHARES, SHARES)
def test_a_larger_sample_has_all_rows_of_a_smaller_one(
    users: list[int | None], share: float, other: float
) -> None:
    low, high = sorted([share, other])
    assert (drawn(users, low) <= drawn(users, high)).all()


@given(st.lists(st.text(max_size=3), min_size=1), SHARES, st.randoms(use_true_random=False))
def test_all_rows_of_a_user_are_drawn_or_none_whatever_the_other_rows_are(
    users: list[str], share: float, random: Any
) -> None:
    of_users = dict(zip(users, drawn(users, share).tolist(), strict=True))
    others = random.choices(users, k=20)
    assert drawn(others, share).tolist() == [of_users[user] for user in others]
    assert [drawn([user], share).item() for user in of_users] == list(of_users.values())


@pytest.mark.parametrize("share", [0.001, 0.05, 0.1, 0.5, 0.97])
@pytest.mark.parametrize("as_user", [int, str, lambda number: None])
def test_the_share_of_the_users_is_the_one_that_was_asked_for(share: float, as_user: Any) -> None:
    number = 20_000
    users = [as_user(user) for user in range(number)]
    expected = number * share
    deviation = sqrt(number * share * (1 - share))
    assert abs(int(drawn(users, share).sum()) - expected) < 4 * deviation


def test_the_users_of_a_sample_are_the_same_in_every_version() -> None:
    assert np.flatnonzero(drawn(range(40), 0.2)).tolist() == [3, 7, 8, 16, 19, 23, 32]
    assert np.flatnonzero(drawn([f"u{user}" for user in range(40)], 0.2)).tolist() == [
        7,
        10,
        20,
        25,
        29,
        39,
    ]


@pytest.mark.parametrize("num_rows", [7, mapped.BLOCK_ROWS])
def test_a_sample_has_the_rows_of_its_users_in_every_split(
    num_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "BLOCK_ROWS", num_rows)
    frame = shop()
    chosen = frame.filter(pl.col("user").is_in(users_of(frame, 0.5)))
    dataset = searched(frame, tmp_path, 0.5)
    for name in SPLITS:
        own, columns = chosen.filter(pl.col("part") == name), getattr(dataset, name)
        assert columns.labels_RT.tolist() == own.select("click", "buy").to_numpy().tolist()
        assert columns.scenario_R.tolist() == (own["place"] == "push").cast(pl.Int16).to_list()
    alone = prepared(chosen, tmp_path / "cache")
    assert dataset.record.cells == alone.record.cells
    assert dataset.record.test_rows == alone.record.test_rows
    assert_array_equal(dataset.train.ids_RF, alone.train.ids_RF)
    assert_array_equal(dataset.valid.numeric_RN, alone.valid.numeric_RN)


def raw_numbers(dataset: Dataset, columns: Columns) -> NDArray[np.float64]:
    """Numeric inputs before they were standardised (R, I)."""
    scales = open_encoding(dataset.folder).scales
    spreads = np.array([scale.spread for scale in scales])
    means = np.array([scale.mean for scale in scales])
    return np.asarray(columns.numeric_RN[:, : len(scales)]) * spreads + means


def test_statistics_events_sessions_and_matches_count_the_rows_of_all_users(
    tmp_path: Path,
) -> None:
    frame = logged()
    changes = {"features": DERIVED, "time_unit": "s"}
    part = searched(frame, tmp_path, 0.5, **changes)
    whole = searched(frame, tmp_path, 1.0, **changes)
    chosen = pl.col("user").is_in(users_of(frame, 0.5))
    splits = {
        "train": (part.train, whole.train),
        "valid": (part.valid, whole.valid),
        "test": (part.test, whole.test),
    }
    assert part.full_schema.numeric == whole.full_schema.numeric
    for name, (columns, of_all) in splits.items():
        is_chosen_R = frame.filter(pl.col("part") == name).select(chosen).to_series().to_numpy()
        expected = raw_numbers(whole, of_all)[is_chosen_R]
        assert_allclose(raw_numbers(part, columns), expected, atol=1e-4)


def test_sequences_show_the_rows_of_all_users() -> None:
    for seed in range(60):
        of_log = sequences_of_log(seed)
        log = of_log.log
        is_drawn_R = np.random.default_rng(seed).random(log.rows.num_rows) < 0.4
        sample = Sample(is_drawn_R, SampleRecord(0.4, "users", log.rows.num_rows))
        rows = replace(log.rows, sample=sample)
        slots = encode_sequences(of_log.sequences, rows, TASKS, log.moments, VOCABULARIES)
        for slots_RS, sequence in zip(slots, of_log.sequences.values(), strict=True):
            expected_RPL = plain_slots(log, sequence)[is_drawn_R]
            assert_array_equal(slots_RS, expected_RPL.reshape(len(slots_RS), -1))


def test_units_of_amounts_are_the_means_of_all_training_rows(tmp_path: Path) -> None:
    tasks = {"click": {"column": "click"}, "pay": {"column": "price", "kind": "amount"}}
    features = {"categorical": ["user", "item"]}
    part = searched(shop(), tmp_path, 0.5, tasks=tasks, features=features)
    assert (
        part.record.units == prepared(shop(), tmp_path, tasks=tasks, features=features).record.units
    )


def test_ids_are_those_that_the_training_rows_of_the_sample_have(tmp_path: Path) -> None:
    frame = shop()
    users = users_of(frame, 0.3)
    dataset = searched(frame, tmp_path, 0.3)
    table = open_encoding(dataset.folder).vocabularies[0].table
    of_train = frame.filter(pl.col("part") == "train", pl.col("user").is_in(users))
    assert set(table["value"]) == set(of_train["user"])


def test_of_ids_of_the_sample_the_rows_of_all_users_are_counted_too(tmp_path: Path) -> None:
    frame = shop().with_columns(pl.when(pl.col("minute") > 99).then("item").alias("item"))
    dataset = searched(frame, tmp_path, 0.3)
    train = frame.filter(pl.col("part") == "train")
    for number, name in enumerate(("user", "item")):
        values = open_encoding(dataset.folder).vocabularies[number].table["value"]
        expected = [train.filter(pl.col(name) == value).height for value in values]
        assert dataset.frequencies_of_all[number].tolist() == expected
    assert dataset.frequencies_of_all[0].tolist() == dataset.frequencies[0].tolist()
    of_items = dataset.frequencies_of_all[1].sum()
    assert of_items == 320, "100 of 420 training rows have no item"
    kept = replace(dataset, groups={"id": ("user",)}).with_groups("none")
    assert [counts.sum() for counts in kept.frequencies_of_all] == [of_items]


def test_entries_of_lists_are_counted_as_many_times_more_as_all_rows_are(tmp_path: Path) -> None:
    frame = shop().with_columns(tags=pl.lit("red|blue"))
    lists = {"tags": {"column": "tags", "separator": "|"}}
    changes = {"split": {"by": "random"}, "features": {"categorical": ["item"], "lists": lists}}
    dataset = searched(frame, tmp_path, 0.5, **changes)
    share = sum(dataset.record.rows) / frame.height
    assert_array_equal(dataset.frequencies[1], dataset.train.num_rows)
    assert_allclose(dataset.frequencies_of_all[1], dataset.train.num_rows / share, atol=1)


def test_a_sample_of_a_version_that_did_not_count_them_is_encoded_again(tmp_path: Path) -> None:
    dataset = searched(shop(), tmp_path, 0.5)
    manifest = _read_manifest(dataset.folder)
    files = {name: file for name, file in manifest.files.items() if name != OF_ALL}
    older = _sealed(replace(manifest, files=files))
    (dataset.folder / MANIFEST).write_bytes(_MANIFEST.dump_json(older))
    said: list[str] = []
    again = prepare(definition(), tmp_path, tmp_path / "cache", said.append, 0.5)
    assert any("does not say how many of all rows have the ids" in line for line in said)
    assert_array_equal(again.frequencies_of_all[1], dataset.frequencies_of_all[1])


def test_the_record_says_how_much_of_what_is_searched_on(tmp_path: Path) -> None:
    record = searched(shop(), tmp_path, 0.5).record
    num_rows = sum(record.rows)
    assert record.sample == SampleRecord(0.5, "users", 600)
    assert record.searched_on == f"50 % of the users: {num_rows} of 600 rows"
    assert prepared(shop(), tmp_path).record.searched_on == ""


def test_rows_in_no_split_are_not_among_all_rows(tmp_path: Path) -> None:
    frame = shop().with_columns(
        pl.when(pl.col("minute") < 100).then(pl.lit("x")).otherwise("part").alias("part")
    )
    sample = searched(frame, tmp_path, 0.5).record.sample
    assert sample is not None
    assert sample.all_rows == 500


def test_without_a_column_of_users_rows_are_drawn_and_that_is_said(tmp_path: Path) -> None:
    record = searched(shop(), tmp_path, 0.5, user=None).record
    assert record.sample == SampleRecord(0.5, "rows", 600)
    assert abs(sum(record.rows) - 300) < 4 * sqrt(150)
    assert record.warnings[0] == (
        "the sample draws rows one by one: name the column of users as data.user to have all rows "
        "of some users"
    )


def test_rows_without_a_user_are_drawn_one_by_one_and_that_is_said(tmp_path: Path) -> None:
    is_unknown = pl.col("minute") % 3 == 0
    frame = shop().with_columns(pl.when(is_unknown).then(None).otherwise("user").alias("user"))
    warnings = searched(frame, tmp_path, 0.5).record.warnings
    assert "the sample draws 200 rows without a user one by one" in warnings


def test_each_sample_is_encoded_for_itself_and_all_rows_as_before_there_were_samples(
    tmp_path: Path,
) -> None:
    of_shares = [searched(shop(), tmp_path, share).fingerprint for share in (0.5, 0.6, 1.0)]
    assert len(set(of_shares)) == 3
    assert of_shares[-1] == prepared(shop(), tmp_path).fingerprint == BEFORE


def problems_in_sample(frame: pl.DataFrame, folder: Path, share: float) -> DataError:
    with pytest.raises(DataError) as caught:
        searched(frame, folder, share)
    assert not (folder / "cache").exists()
    return caught.value


def test_a_scenario_without_rows_in_the_sample_is_refused_at_the_key_with_a_remedy(
    tmp_path: Path,
) -> None:
    frame = shop()
    (other, *_) = set(range(40)) - users_of(frame, 0.5)
    place = pl.when(pl.col("user") == other).then(pl.lit("rare")).otherwise("place")
    error = problems_in_sample(frame.with_columns(place.alias("place")), tmp_path, 0.5)
    assert error.problems == (
        "sample: cell rare/click: train must have both classes for an AUC, got no row",
        "sample: cell rare/buy: train must have both classes for an AUC, got no row",
    )
    assert error.remedy == (
        "the sample has 50 % of the users: write a larger share, or sample: none"
    )


def test_a_cell_of_validation_that_the_sample_lacks_is_a_warning_that_names_the_remedy(
    tmp_path: Path,
) -> None:
    frame = shop()
    (other, *_) = set(range(40)) - users_of(frame, 0.5)
    is_pushed = (pl.col("part") == "valid") & (pl.col("place") == "push")
    user = pl.when(is_pushed).then(pl.lit(other, pl.Int64)).otherwise("user")
    warnings = searched(frame.with_columns(user.alias("user")), tmp_path, 0.5).record.warnings
    needed = "cell push/click: valid must have both classes for an AUC"
    assert f"{needed}, got no row; a larger sample may have them" in warnings


def test_a_wrong_value_outside_the_sample_is_refused_too(tmp_path: Path) -> None:
    frame = shop()
    (other, *_) = set(range(40)) - users_of(frame, 0.5)
    price = pl.when(pl.col("user") == other).then(float("nan")).otherwise("price")
    error = problems_in_sample(frame.with_columns(price.alias("price")), tmp_path, 0.5)
    assert "price" in error.problems[0]


def test_a_description_is_one_of_the_sample_and_says_so(tmp_path: Path) -> None:
    frame = shop()
    description = describe(definition(), searched(frame, tmp_path, 0.5), tmp_path)
    users = next(facts for facts in description.categorical if facts.name == "user")
    assert users.num_values == len(users_of(frame, 0.5))
    assert f"sample {description.searched_on}" in render(description)
    whole = describe(definition(), prepared(frame, tmp_path), tmp_path)
    assert "sample" not in render(whole)
