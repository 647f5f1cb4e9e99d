"""Sequences of a table: their lists and their group, and what a table must hold."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from tables import prepared, shop

from hinet_search.common.errors import DataError
from hinet_search.data.columns import Dataset
from hinet_search.data.schema import ListField, SequenceField
from hinet_search.training.feature_config import FeatureConfig

SEEN: dict[str, Any] = {
    "of": "user",
    "items": ["item", "user"],
    "labels": ["click"],
    "labels_after": "5s",
    "length": 3,
}
COLUMNS: dict[str, Any] = {"categorical": ["user", "item"], "numeric": ["price", "age"]}
FEATURES = COLUMNS | {"sequences": {"seen": SEEN}}
PARTS = ("seen item", "seen user", "seen click", "seen gap")


def encoded(folder: Path, frame: pl.DataFrame | None = None, **changes: Any) -> Dataset:
    keys = {"features": FEATURES, "time_unit": "s", **changes}
    return prepared(shop() if frame is None else frame, folder, **keys)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return encoded(tmp_path_factory.mktemp("shop"))


def test_a_sequence_is_one_list_a_part_with_the_vocabulary_of_its_item(dataset: Dataset) -> None:
    schema = dataset.full_schema
    assert schema.lists == tuple(
        ListField(name, field, 3, "mean") for name, field in zip(PARTS, (1, 0, 2, 3), strict=True)
    )
    assert schema.sequences == (
        SequenceField("seen", "din", PARTS[:2], ("seen click",), "seen gap"),
    )
    assert schema.vocabulary_sizes[2:] == (4, 32)
    assert schema.pooled_lists == ()


def test_the_slots_of_a_row_are_its_users_last_rows(dataset: Dataset) -> None:
    frame, test = shop(), dataset.test
    rows = frame.filter(pl.col("part") == "test")
    row = 40
    user, minute = rows["user"][row], rows["minute"][row]
    earlier = frame.filter((pl.col("user") == user) & (pl.col("minute") < minute)).reverse().head(3)
    slots_PL = np.asarray(test.lists_RS[row]).reshape(4, 3)
    same = dict(zip(frame["item"].to_list(), _ids(dataset)[:, 1].tolist(), strict=True))
    assert slots_PL[0].tolist() == [same[item] for item in earlier["item"]]
    assert slots_PL[1].tolist() == [test.ids_RF[row, 0]] * 3
    known = [
        2 + click if before < minute - 5 else 1
        for click, before in earlier.select("click", "minute").rows()
    ]
    assert slots_PL[2].tolist() == known
    gaps = [int(np.log2(1 + minute - before)) + 1 for before in earlier["minute"]]
    assert slots_PL[3].tolist() == gaps


def _ids(dataset: Dataset) -> np.ndarray:
    splits = (dataset.train, dataset.valid, dataset.test)
    return np.concatenate([split.ids_RF for split in splits])


def test_its_lists_are_a_group_that_a_search_can_leave_out(dataset: Dataset) -> None:
    assert dict(dataset.groups) == {"sequences": PARTS}
    without = dataset.with_groups("none")
    assert without.full_schema.lists == without.full_schema.sequences == ()
    assert without.full_schema.vocabularies == ("user", "item")
    assert without.train.lists_RS.shape == (420, 0)


def test_a_sequence_goes_with_the_last_of_its_items(tmp_path: Path) -> None:
    features = FEATURES | {"groups": {"who": ["user"], "what": ["item"]}}
    dataset = encoded(tmp_path, features=features)
    of_items = dataset.with_groups("sequences+what")
    assert of_items.full_schema.sequences[0].items == ("seen item",)
    assert [each.name for each in of_items.full_schema.lists] == [PARTS[0], *PARTS[2:]]
    assert of_items.train.lists_RS.shape == (420, 9)
    neither = dataset.with_groups("sequences")
    assert neither.full_schema.sequences == neither.full_schema.lists == ()


def test_a_configuration_replaces_the_reader_and_leaves_the_ids(dataset: Dataset) -> None:
    features = FeatureConfig(sequence_reader="bst", minimum_frequency=10**9)
    _, schema = features.view(dataset)
    assert [each.reader for each in schema.sequences] == ["bst"]
    assert schema.vocabulary_sizes == (1, 1, 4, 32)
    assert "sequence_reader" not in FeatureConfig().model_dump()


def test_ids_that_are_distinct_by_scenario_are_those_of_the_earlier_rows_scenario(
    tmp_path: Path,
) -> None:
    features = FEATURES | {"distinct_by_scenario": ["item"]}
    dataset = encoded(tmp_path, features=features)
    assert dataset.full_schema.vocabulary_sizes[1] == 1 + 2 * 4
    assert np.asarray(dataset.train.lists_RS[:, :3]).max() == 8


def problem_of(folder: Path, frame: pl.DataFrame | None = None, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        encoded(folder, frame, **changes)
    assert len(caught.value.problems) == 1
    return str(caught.value)


def seen(**changes: Any) -> dict[str, Any]:
    return COLUMNS | {"sequences": {"seen": SEEN | changes}}


@pytest.mark.parametrize(
    ("of", "problem"),
    [
        (["user", "plaice"], "column 'plaice' is not in the table"),
        ("shop", "a key must have at least two values, got one or none in shop\n"),
    ],
)
def test_a_key_must_be_a_column_with_more_than_one_value(
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
