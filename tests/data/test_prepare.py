"""Preparation: data are written once per fingerprint, completely or not at all."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import definition, prepared, shop, write

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.data import encoded_folder
from hinet_search.data.columns import SPLITS, Dataset
from hinet_search.data.encode import encode_ids, encode_numbers
from hinet_search.data.encoded_folder import open_dataset, open_encoding
from hinet_search.data.prepare import prepare


def again(folder: Path, **changes: Any) -> tuple[Dataset, list[str]]:
    messages: list[str] = []
    return prepare(definition(**changes), folder, folder / "cache", messages.append), messages


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_columns_hold_the_rows_of_each_split_in_the_order_of_the_source(tmp_path: Path) -> None:
    frame = shop().sample(fraction=1.0, shuffle=True, seed=1)  # splits lie in no order
    dataset = prepared(frame, tmp_path)
    for name in SPLITS:
        own, columns = frame.filter(pl.col("part") == name), getattr(dataset, name)
        assert columns.labels_RT.tolist() == own.select("click", "buy").to_numpy().tolist()
        assert columns.scenario_R.tolist() == (own["place"] == "push").cast(pl.Int16).to_list()


def test_arrays_have_the_types_of_the_contract_and_are_mapped_read_only(tmp_path: Path) -> None:
    train = prepared(shop(), tmp_path).train
    arrays = (train.ids_RF, train.numeric_RN, train.scenario_R, train.labels_RT, train.user_R)
    assert [array.dtype.name for array in arrays] == ["int32", "float32", "int16", "uint8", "int32"]
    assert isinstance(train.ids_RF, np.memmap)
    assert not train.ids_RF.flags.writeable


def test_frequencies_count_the_training_rows_of_every_id(tmp_path: Path) -> None:
    dataset = prepared(shop(), tmp_path)
    for field, counts in enumerate(dataset.frequencies):
        assert (
            np.bincount(dataset.train.ids_RF[:, field], minlength=counts.size + 1)[1:].tolist()
            == counts.tolist()
        )
        assert (np.diff(counts) <= 0).all()


def test_a_minimum_frequency_cuts_the_same_ids_in_schema_and_definition(
    tmp_path: Path,
) -> None:
    cut = prepared(shop(), tmp_path, minimum_frequency=10).full_schema.vocabulary_sizes
    assert prepared(shop(), tmp_path).schema(minimum_frequency=10).vocabulary_sizes == cut


def test_users_are_numbered_alike_in_all_splits_and_minus_one_without_a_column(
    tmp_path: Path,
) -> None:
    frame = shop()
    dataset = prepared(frame, tmp_path)
    codes = np.concatenate([getattr(dataset, name).user_R for name in SPLITS])
    assert codes.tolist() == frame["user"].to_list()  # all of 0 to 39 occur
    assert set(prepared(frame, tmp_path, user=None).train.user_R.tolist()) == {-1}


def test_scenarios_stand_in_the_order_of_the_definition_and_others_are_left_out(
    tmp_path: Path,
) -> None:
    frame = shop().with_columns(
        pl.when(pl.col("minute") == 3).then(pl.lit("cart")).otherwise("place").alias("place")
    )
    scenario = {"column": "place", "values": {"push": "Push", "home": "Home"}}
    dataset = prepared(frame, tmp_path, scenario=scenario)
    assert dataset.full_schema.scenarios == ("Push", "Home")
    assert dataset.train.num_rows == 419
    assert dataset.train.scenario_R[0] == (frame["place"][0] == "home")
    assert dataset.record.warnings == ("1 rows of other scenarios are left out",)


def test_values_with_one_name_form_one_scenario(tmp_path: Path) -> None:
    scenario = {
        "column": "item",
        "values": {"a": "often", "b": "often", "c": "seldom", "d": "seldom"},
    }
    dataset = prepared(shop(), tmp_path, scenario=scenario)
    assert dataset.full_schema.scenarios == ("often", "seldom")
    often = shop().filter(pl.col("part") == "train")["item"].is_in(["a", "b"])
    assert (np.asarray(dataset.train.scenario_R) == 0).tolist() == often.to_list()


def test_scenarios_of_a_number_column_are_sorted_as_numbers(tmp_path: Path) -> None:
    frame = shop().with_columns(
        pl.when(pl.col("place") == "home").then(10).otherwise(9).alias("place")
    )
    assert prepared(frame, tmp_path).full_schema.scenarios == ("9", "10")


def test_the_record_counts_rows_and_positives_of_every_cell(tmp_path: Path) -> None:
    frame = shop()
    for cell in prepared(frame, tmp_path).record.cells:
        own = frame.filter(pl.col("place") == cell.scenario)
        parts = [own.filter(pl.col("part") == name) for name in SPLITS]
        assert cell.rows == tuple(len(part) for part in parts)
        assert cell.positives == tuple(part[cell.task].sum() for part in parts)


def test_a_categorical_column_of_polars_is_encoded_like_its_text(tmp_path: Path) -> None:
    coded = shop().with_columns(pl.col("item", "place").cast(pl.Categorical))
    expected = np.asarray(prepared(shop(), tmp_path).train.ids_RF)
    assert (prepared(coded, tmp_path).train.ids_RF == expected).all()


def test_a_known_truth_gives_the_reachable_auc_of_every_cell(tmp_path: Path) -> None:
    source = {"kind": "synthetic", "rows": 20_000, "num_users": 200, "num_items": 50}
    features = {"categorical": ["user_id"], "numeric": ["numeric_0"]}
    changes = {
        "source": source,
        "features": features,
        "scenario": {"column": "scenario"},
        "split": {"by": "random"},
    }
    dataset, _ = again(tmp_path, user="user_id", item="item_id", time="time", **changes)
    areas = [cell.reachable_auc for cell in dataset.record.cells]
    assert len(areas) == 6
    assert all(area is not None and 0.7 < area < 0.97 for area in areas)


def test_no_truth_gives_no_reachable_auc(tmp_path: Path) -> None:
    assert {cell.reachable_auc for cell in prepared(shop(), tmp_path).record.cells} == {None}


def test_a_second_start_opens_what_is_there(tmp_path: Path) -> None:
    first = prepared(shop(), tmp_path)
    second, messages = again(tmp_path)
    assert messages == []
    assert second.record == first.record
    assert second.full_schema == first.full_schema


def test_opening_a_folder_without_data_is_a_data_error_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must hold encoded data") as caught:
        open_dataset(tmp_path)
    assert caught.value.remedy == "delete the folder; launch encodes again"


def test_two_starts_at_once_leave_one_complete_folder(tmp_path: Path) -> None:
    write(shop(), tmp_path)
    datasets: list[Dataset] = []
    threads = [
        threading.Thread(target=lambda: datasets.append(again(tmp_path)[0])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(datasets) == 4
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [datasets[0].fingerprint]


def test_a_disk_that_cannot_be_written_leaves_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hinet_search.data.encoded_folder.np.save", full)
    with pytest.raises(EnvironmentFault, match="no room for about"):
        prepared(shop(), tmp_path)
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    dataset = prepared(shop(), tmp_path)
    left, fresh = (
        dataset.folder.parent / f".{dataset.fingerprint}-{name}" for name in ("old", "new")
    )
    left.mkdir()
    fresh.mkdir()
    os.utime(left, (1, 1))
    (dataset.folder / encoded_folder.MANIFEST).unlink()
    again(tmp_path)
    assert not left.exists()
    assert fresh.exists()


def test_a_saved_encoding_encodes_rows_as_preparation_did(tmp_path: Path) -> None:
    frame = shop().with_columns(
        pl.when(pl.col("minute") % 7 == 0).then(None).otherwise("price").alias("price")
    )
    dataset = prepared(frame, tmp_path)
    encoding = open_encoding(dataset.folder)
    test = frame.filter(pl.col("part") == "test")
    assert (encode_ids(test, encoding) == dataset.test.ids_RF).all()
    assert (encode_numbers(test, encoding) == dataset.test.numeric_RN).all()


def test_data_without_numeric_or_without_categorical_features_can_be_opened(tmp_path: Path) -> None:
    assert prepared(shop(), tmp_path, features={"numeric": ["age"]}).train.ids_RF.shape == (420, 0)
    assert prepared(
        shop(), tmp_path, features={"categorical": ["item"]}
    ).train.numeric_RN.shape == (420, 0)
