"""Events, sessions and sequences of a table: inputs, groups, and what a table must hold."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import definition, prepared, shop

from hinet_search.data.columns import Dataset
from hinet_search.data.derived import event_log
from hinet_search.data.encoded_folder import MANIFEST
from hinet_search.data.schema import ListField, SequenceField
from hinet_search.training.feature_config import FeatureConfig

EVENTS: dict[str, Any] = {
    "by": ["user", ["user", "place"]],
    "labels_after": "5s",
    "windows": ["60s", "all"],
    "last": 1,
}
COLUMNS: dict[str, Any] = {"categorical": ["user", "item"], "numeric": ["price", "age"]}
FEATURES = {**COLUMNS, "events": EVENTS, "session": {"gap": "30s"}}
OF_KEY = ["exposures 60s", "exposures all", "recency"]
for task in ("click", "buy"):
    OF_KEY += [f"{task} rate 60s", f"{task} rate all", f"{task} last 1"]
NAMES = [f"{key} {name}" for key in ("user", "user x place") for name in OF_KEY]
OF_SESSION = ["session position", "session seconds"]
SEEN: dict[str, Any] = {
    "of": "user",
    "items": ["item", "user"],
    "labels": ["click"],
    "labels_after": "5s",
    "length": 3,
}
OF_SEQUENCES = COLUMNS | {"sequences": {"seen": SEEN}}
PARTS = ("seen item", "seen user", "seen click", "seen gap")


def encoded(folder: Path, frame: pl.DataFrame | None = None, **changes: Any) -> Dataset:
    """The shop with events, by default with numbers of seconds as times."""
    keys = {"features": FEATURES, "time_unit": "s", **changes}
    keys = {name: value for name, value in keys.items() if value != "none"}
    return prepared(shop() if frame is None else frame, folder, **keys)


class LastFirst:
    """A pool whose threads end in the reverse of the order in which they were asked."""

    def __init__(self, _most: int) -> None: ...

    def __enter__(self) -> "LastFirst":
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, use: Callable[[slice], None], parts: Iterable[slice]) -> list[None]:
        return [use(part) for part in reversed(list(parts))]


def test_the_same_rows_are_encoded_to_the_same_bytes_in_whatever_order_threads_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statistics = {"by": [["user"], ["user", "item"]], "folds": 5}
    features = FEATURES | {"sequences": {"seen": SEEN}, "statistics": statistics}
    encoded_twice = []
    monkeypatch.setattr(event_log, "CHUNK_ROWS", 7)
    for place, pool in (("first", ThreadPoolExecutor), ("second", LastFirst)):
        monkeypatch.setattr(event_log, "ThreadPoolExecutor", pool)
        (tmp_path / place).mkdir()
        files = sorted(encoded(tmp_path / place, features=features).folder.iterdir())
        encoded_twice.append({file.name: file.read_bytes() for file in files[1:]})
        assert files[0].name == MANIFEST  # it says how long it took
    assert encoded_twice[0] == encoded_twice[1]


@pytest.fixture(scope="module")
def sequenced(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return encoded(tmp_path_factory.mktemp("sequenced"), features=OF_SEQUENCES)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return encoded(tmp_path_factory.mktemp("shop"))


def test_events_and_sessions_are_numeric_inputs_after_the_columns(dataset: Dataset) -> None:
    assert list(dataset.full_schema.numeric) == ["price", "age", *NAMES, *OF_SESSION]


def test_each_is_a_group_that_a_search_can_leave_out(dataset: Dataset) -> None:
    assert dict(dataset.groups) == {"events": tuple(NAMES), "session": tuple(OF_SESSION)}
    assert dataset.record.groups == {"events": len(NAMES), "session": 2}
    features = definition(features=FEATURES, time_unit="s").features
    assert features.optional_groups == ("events", "session")


def test_datetimes_in_any_zone_give_the_inputs_of_their_moments(
    dataset: Dataset, tmp_path: Path
) -> None:
    start = datetime(2026, 3, 29)  # the clocks of Berlin change on this day  # noqa: DTZ001
    moments = pl.col("minute") * timedelta(seconds=1) + start
    zoned = moments.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    for number, moment in enumerate([moments, zoned, zoned.dt.cast_time_unit("ms")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        frame = shop().with_columns(moment.alias("minute"))
        same = encoded(folder, frame, time_unit="none")
        np.testing.assert_array_equal(same.train.numeric_RN, dataset.train.numeric_RN)
        np.testing.assert_array_equal(same.test.numeric_RN, dataset.test.numeric_RN)


def test_whole_floats_are_times_too_and_a_missing_one_is_none(
    dataset: Dataset, tmp_path: Path
) -> None:
    frame = shop().with_columns(pl.col("minute").cast(pl.Float64))
    same = encoded(tmp_path, frame)
    np.testing.assert_array_equal(same.valid.numeric_RN, dataset.valid.numeric_RN)
    holes = pl.when(pl.col("minute") % 3 == 0).then(float("nan")).otherwise("minute")
    other = tmp_path / "other"
    other.mkdir()
    with_holes = encoded(other, frame.with_columns(holes.alias("minute")))
    assert np.isfinite(with_holes.test.numeric_RN).all()


def test_only_exposures_are_left_where_labels_are_never_known(tmp_path: Path) -> None:
    events = {"by": ["user"], "labels_after": "never"}
    dataset = encoded(tmp_path, features=COLUMNS | {"events": events})
    assert dataset.groups["events"] == ("user exposures all", "user recency")


def test_a_label_that_is_known_before_the_last_row_is_enough(tmp_path: Path) -> None:
    encoded(tmp_path, features=COLUMNS | {"events": EVENTS | {"labels_after": "598s"}})


def test_a_sequence_is_one_list_a_part_with_the_vocabulary_of_its_item(sequenced: Dataset) -> None:
    schema = sequenced.full_schema
    assert schema.lists == tuple(
        ListField(name, field, 3, "mean") for name, field in zip(PARTS, (1, 0, 2, 3), strict=True)
    )
    assert schema.sequences == (
        SequenceField("seen", "din", PARTS[:2], ("seen click",), "seen gap"),
    )
    assert schema.vocabulary_sizes[2:] == (4, 32)
    assert schema.pooled_lists == ()


def test_lists_of_a_sequence_are_a_group_that_a_search_can_leave_out(sequenced: Dataset) -> None:
    assert dict(sequenced.groups) == {"sequences": PARTS}
    without = sequenced.with_groups("none")
    assert without.full_schema.lists == without.full_schema.sequences == ()
    assert without.full_schema.vocabularies == ("user", "item")
    assert without.train.lists_RS.shape == (420, 0)


def test_a_sequence_goes_with_the_last_of_its_items(tmp_path: Path) -> None:
    features = OF_SEQUENCES | {"groups": {"who": ["user"], "what": ["item"]}}
    dataset = encoded(tmp_path, features=features)
    of_items = dataset.with_groups("sequences+what")
    assert of_items.full_schema.sequences[0].items == ("seen item",)
    assert [each.name for each in of_items.full_schema.lists] == [PARTS[0], *PARTS[2:]]
    assert of_items.train.lists_RS.shape == (420, 9)
    neither = dataset.with_groups("sequences")
    assert neither.full_schema.sequences == neither.full_schema.lists == ()


def test_a_configuration_replaces_the_reader_and_leaves_the_ids(sequenced: Dataset) -> None:
    features = FeatureConfig(sequence_reader="bst", minimum_frequency=10**9)
    _, schema = features.view(sequenced)
    assert [each.reader for each in schema.sequences] == ["bst"]
    assert schema.vocabulary_sizes == (1, 1, 4, 32)
    assert "sequence_reader" not in FeatureConfig().model_dump()


def test_ids_that_are_distinct_by_scenario_are_those_of_the_earlier_rows_scenario(
    tmp_path: Path,
) -> None:
    features = OF_SEQUENCES | {"distinct_by_scenario": ["item"]}
    dataset = encoded(tmp_path, features=features)
    assert dataset.full_schema.vocabulary_sizes[1] == 1 + 2 * 4
    assert np.asarray(dataset.train.lists_RS[:, :3]).max() == 8
