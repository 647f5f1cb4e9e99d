"""A column of yes and no beside the labels is a feature if it is an attribute, else neither label nor feature."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hinet_search.data.guess.write_definition import write_draft
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.yaml_file import read

NUM_ROWS = 3_000
DRAW = np.random.default_rng(7)
USER = DRAW.integers(0, 300, NUM_ROWS)
TABLE = pl.DataFrame(
    {
        "channel": DRAW.choice(["home", "search"], NUM_ROWS),
        "user_id": USER,
        "is_click": (DRAW.random(NUM_ROWS) < 0.4).astype(int),
        "age": DRAW.normal(40, 10, NUM_ROWS),
    }
)
FLAG = (DRAW.random(NUM_ROWS) < 0.3).astype(int)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def drafted(*tasks: str, **columns: object) -> tuple[DataDefinition, str]:
    """The definition of the table with further columns, and its text."""
    series = [pl.Series(name, values) for name, values in columns.items()]
    TABLE.with_columns(series).write_parquet("rows.parquet")
    definition, _ = write_draft("rows.parquet", None, force=True, tasks=tasks).files
    return read(definition).parse(DataDefinition), definition.read_text()


@pytest.mark.parametrize("values", [FLAG, FLAG == 1, np.where(FLAG == 1, "yes", "no")])
def test_one_whose_name_says_nothing_is_neither_task_nor_feature(values: object) -> None:
    definition, text = drafted(y2=values)
    assert list(definition.tasks) == ["click"]
    assert definition.never_features == ("y2",)
    assert "a label, or known before? make it a task, or list it as a feature" in text


def test_an_attribute_of_the_user_is_a_feature_whatever_its_name() -> None:
    definition, _ = drafted(registered=FLAG[USER], y2=FLAG[USER])
    assert list(definition.tasks) == ["click"]
    assert {"registered", "y2"} <= set(definition.features.numeric)


def test_users_of_one_row_each_show_no_attribute() -> None:
    definition, _ = drafted(user_id=np.arange(NUM_ROWS), y2=FLAG)
    assert definition.never_features == ("y2",)


def test_a_rare_event_is_no_attribute_of_users_that_mostly_lack_it() -> None:
    definition, _ = drafted(y2=(DRAW.random(NUM_ROWS) < 0.02).astype(int))
    assert definition.never_features == ("y2",)


def test_one_that_is_named_as_known_before_is_a_feature_to_check() -> None:
    definition, text = drafted(is_weekend=FLAG)
    assert "is_weekend" in definition.features.numeric
    assert "is_weekend   # check: 0 and 1" in text


def test_the_last_feature_stays() -> None:
    columns = TABLE.select("channel", "is_click").with_columns(y2=FLAG)
    columns.write_parquet("rows.parquet")
    definition, _ = write_draft("rows.parquet", None, force=True).files
    assert read(definition).parse(DataDefinition).features.numeric == ("y2",)
