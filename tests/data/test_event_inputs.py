"""Events, sessions and sequences of a table: inputs, groups, and what a table must hold."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from tables import definition, prepared, shop

from hinet_search.common.errors import DataError
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


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"features": FEATURES, "time": None},
            "features.events needs the key 'time' (a column with the moment of each row)",
        ),
        (
            {"features": COLUMNS | {"session": {"gap": "1h"}}, "time": None},
            "features.session needs the key 'time' (a column with the moment of each row)",
        ),
        (
            {"features": FEATURES, "user": None},
            "features.session needs the key 'user' (the user column)",
        ),
        ({"time": None, "time_unit": "s"}, "time_unit is of the column under 'time'"),
        (
            {"features": COLUMNS | {"events": EVENTS | {"by": ["user", "buy"]}}},
            "a feature must not be an outcome: buy is the label of a task",
        ),
        (
            {"features": COLUMNS | {"events": EVENTS}, "never_features": ["place"]},
            "a feature must not be an outcome: place is listed in never_features",
        ),
    ],
)
def test_a_definition_must_say_what_events_need(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match="1 validation error") as caught:
        definition(**changes)
    assert problem in str(caught.value)


def problem_of(folder: Path, frame: pl.DataFrame | None = None, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        encoded(folder, frame, **changes)
    assert len(caught.value.problems) == 1
    return str(caught.value)


DATES = [date(2026, 5, 1) + timedelta(days=row // 20) for row in range(600)]
SECONDS = [datetime(2026, 5, 1) + timedelta(seconds=row) for row in range(600)]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("values", "unit", "problem"),
    [
        (range(600), "none", "time_unit: must say for features.events what the numbers of column"),
        (SECONDS, "s", "time_unit: is of times that are numbers, but column 'minute' is Datetime("),
        (DATES, "none", "for features.events, got whole days; count earlier days by features.stat"),
        ([5 + 86_400 * (row // 20) for row in range(600)], "s", "got whole days; count earlier"),
        ([str(row) for row in range(600)], "s", "as datetimes or whole numbers, got String; cast"),
        ([row + 0.5 for row in range(600)], "s", "must hold whole numbers of 64 bits for features"),
        ([float("inf"), *map(float, range(599))], "s", "events, got 1 others; multiply it"),
        ([7] * 600, "s", "must hold times that differ for features.events, got the same time in"),
        ([None] * 599 + [7], "s", "must hold times that differ for features.events, got the same"),
        (pl.Series([None] * 600, dtype=pl.Int64), "s", "got no time in any row; leave features.ev"),
        ([-(2**62), *range(599)], "s", "must hold times within 4,611,686,018,427,387,904 s for"),
    ],
)
def test_times_must_be_moments_that_differ(
    tmp_path: Path, values: Any, unit: str, problem: str
) -> None:
    frame = shop().with_columns(pl.Series("minute", values))
    assert problem in problem_of(tmp_path, frame, time_unit=unit)


def test_lengths_must_be_whole_numbers_of_the_columns_unit(tmp_path: Path) -> None:
    events = EVENTS | {"windows": ["500ms", "60s"]}
    assert problem_of(tmp_path, features=COLUMNS | {"events": events}) == (
        "data.features.events.windows: must be a whole number of s, in which column 'minute' "
        "counts, got 500ms"
    )
    assert "data.features.session.gap: must be a whole number of s" in problem_of(
        tmp_path, features=COLUMNS | {"session": {"gap": "1500ms"}}
    )


def test_some_label_must_be_known_before_the_last_row(tmp_path: Path) -> None:
    for delay in ("599s", "1h"):
        events = EVENTS | {"labels_after": delay}
        assert problem_of(tmp_path, features=COLUMNS | {"events": events}) == (
            "data.features.events.labels_after: must be shorter than the time from the first row "
            f"to the last, 599 s in column 'minute', got {delay}: no label would be known; write "
            "never to use no labels, or check data.time_unit"
        )
    encoded(tmp_path, features=COLUMNS | {"events": EVENTS | {"labels_after": "598s"}})


@pytest.mark.parametrize(
    ("by", "problem"),
    [
        (
            ["user", "shop", ["shop", "empty"], ["user", "shop"]],
            "a key must have at least two values, got one or none in shop, shop x empty\n",
        ),
        (["user", "itm"], "column 'itm' is not in the table"),
    ],
)
def test_a_key_must_be_a_column_with_more_than_one_value(
    by: list[Any], problem: str, tmp_path: Path
) -> None:
    empty = pl.lit(None, dtype=pl.Int64).alias("empty")
    frame = shop().with_columns(pl.lit("x").alias("shop"), empty)
    features = COLUMNS | {"events": EVENTS | {"by": by}}
    text = problem_of(tmp_path, frame, features=features)
    assert text.startswith(f"data.features.events.by: {problem}")


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


def test_the_slots_of_a_row_are_its_users_last_rows(sequenced: Dataset) -> None:
    frame, test = shop(), sequenced.test
    rows = frame.filter(pl.col("part") == "test")
    row = 40
    user, minute = rows["user"][row], rows["minute"][row]
    earlier = frame.filter((pl.col("user") == user) & (pl.col("minute") < minute)).reverse().head(3)
    slots_PL = np.asarray(test.lists_RS[row]).reshape(4, 3)
    same = dict(zip(frame["item"].to_list(), _ids(sequenced)[:, 1].tolist(), strict=True))
    assert slots_PL[0].tolist() == [same[item] for item in earlier["item"]]
    assert slots_PL[1].tolist() == [test.ids_RF[row, 0]] * 3
    known = [
        2 + click if before < minute - 5 else 1
        for click, before in earlier.select("click", "minute").rows()
    ]
    assert slots_PL[2].tolist() == known
    gaps = [int(np.log2(1 + minute - before)) + 1 for before in earlier["minute"]]
    assert slots_PL[3].tolist() == gaps


def _ids(sequenced: Dataset) -> np.ndarray:
    splits = (sequenced.train, sequenced.valid, sequenced.test)
    return np.concatenate([split.ids_RF for split in splits])


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


def seen(**changes: Any) -> dict[str, Any]:
    return COLUMNS | {"sequences": {"seen": SEEN | changes}}


@pytest.mark.parametrize(
    ("of", "problem"),
    [
        (["user", "plaice"], "column 'plaice' is not in the table"),
        ("shop", "a key must have at least two values, got one or none in shop\n"),
    ],
)
def test_a_key_of_a_sequence_must_be_a_column_with_more_than_one_value(
    of: Any, problem: str, tmp_path: Path
) -> None:
    text = problem_of(tmp_path, shop().with_columns(shop=pl.lit("x")), features=seen(of=of))
    assert text.startswith(f"data.features.sequences.seen.of: {problem}")


def test_labels_must_be_known_before_the_last_row(tmp_path: Path) -> None:
    assert problem_of(tmp_path, features=seen(labels_after="1h")) == (
        "data.features.sequences.seen.labels_after: must be shorter than the time from the first "
        "row to the last, 599 s in column 'minute', got 1h: no label would be known; remove it "
        "with 'labels' to use none, or check data.time_unit"
    )
    assert "data.features.sequences.seen.labels_after: must be a whole number of s" in problem_of(
        tmp_path, features=seen(labels_after="1500ms")
    )


@pytest.mark.parametrize(
    ("kind", "seconds_between", "after", "is_readable"),
    [
        ("the same moment", 0, "0s", False),
        ("a label that is not known yet", 3600, "1h", False),
        ("a known label", 3601, "1h", True),
    ],
)
def test_a_planted_label_is_readable_only_once_it_is_known(
    kind: str, seconds_between: int, after: str, is_readable: bool, tmp_path: Path
) -> None:
    """A click is that of the user's other row alone, in sequences and in events."""
    draw = np.random.default_rng(7)
    num_pairs = 3_000
    first = draw.integers(10**6, size=num_pairs)
    frame = pl.DataFrame(
        {
            "place": np.tile(draw.choice(["home", "push"], num_pairs), 2),
            "user": np.tile(np.arange(num_pairs), 2),
            "item": draw.choice(["a", "b"], 2 * num_pairs),
            "click": np.tile(draw.integers(2, size=num_pairs), 2),
            "buy": draw.integers(2, size=2 * num_pairs),
            "minute": np.concatenate([first, first + seconds_between]),
        }
    )
    last = frame["minute"].rank("ordinal") / len(frame)
    part = pl.when(last > 0.9).then(pl.lit("test")).when(last > 0.8).then(pl.lit("valid"))
    frame = frame.with_columns(part.otherwise(pl.lit("train")).alias("part"))
    features = {
        "categorical": ["user", "item"],
        "sequences": {"seen": SEEN | {"labels_after": after, "items": ["item"]}},
        "events": {"by": ["user"], "labels_after": after, "windows": ["2h", "all"], "last": 1},
        "session": {"gap": "30m"},
    }
    dataset = encoded(tmp_path, frame, features=features)
    splits = (dataset.train, dataset.valid, dataset.test)
    label_RL = np.concatenate([np.asarray(each.lists_RS)[:, 3:6] for each in splits])
    numeric_RN = np.concatenate([each.numeric_RN for each in splits])
    click_R = np.concatenate([np.asarray(each.labels_RT)[:, 0] for each in splits])
    in_slots_R = label_RL[:, 0].astype(float) - 1.5 * (label_RL[:, 0] > 0)
    areas = [roc_auc_score(click_R, score_R) for score_R in (in_slots_R, *numeric_RN.T)]
    names = ["slots", *dataset.full_schema.numeric]
    apart = dict(zip(names, np.abs(np.array(areas) - 0.5), strict=True))
    assert (label_RL > 1).any() == is_readable
    for name in ("slots", "user click rate 2h", "user click last 1"):
        assert (apart[name] > 0.05) == is_readable, f"{kind}: {apart}"
    if not is_readable:
        assert max(apart.values()) < 0.05, f"{kind}: {apart}"
