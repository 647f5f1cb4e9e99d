"""A number, such as a rating, becomes a label: where one is asked for, or where there is no other."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.data.guess.thresholds import threshold_of
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.data.prepare import prepare
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.yaml_file import read

NUM_ROWS = 900


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rated(**columns: object) -> pl.DataFrame:
    """Rows with ratings of 1 to 5 stars in two countries, and other columns."""
    row = pl.int_range(NUM_ROWS, eager=True)
    frame = pl.DataFrame(
        {
            "country": (row % 2).replace_strict({0: "no", 1: "se"}, return_dtype=pl.String),
            "user_id": row * 7 % 61,
            "film_id": row * 11 % 83,
            "stars": row * 7919 % 11 % 5 + 1,
            "shop": (row * 13 % 4).cast(pl.String),
        }
    )
    return frame.with_columns(**columns)


def drafted(frame: pl.DataFrame, *tasks: str, **roles: str) -> DataDefinition:
    frame.write_parquet("rows.parquet")
    write_draft("rows.parquet", None, force=True, tasks=tasks, roles=roles)
    return read(Path("data/rows.yaml")).parse(DataDefinition)


def test_where_no_column_is_a_label_a_rating_becomes_one_above_which_are_half_of_the_rows():
    frame = rated()
    definition = drafted(frame)
    (name,) = definition.tasks
    bound = definition.tasks[name].above
    shares = {value: (frame["stars"] > value).mean() for value in range(1, 5)}
    assert bound == min(shares, key=lambda value: abs(shares[value] - 0.5))
    assert name == f"stars_above_{bound:.0f}"
    assert "stars" in definition.never_features
    text = Path("data/rows.yaml").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if "above:" in line)
    assert "# check:" in line
    assert f"--task '{name}=stars>{bound:.0f}'" in line


def test_the_labels_of_the_data_are_those_of_the_rule():
    frame = rated()
    definition = drafted(frame, "liked=stars>=4", "loved=stars>4")
    assert definition.tasks["liked"].at_least == 4
    assert definition.tasks["loved"].above == 4
    dataset = prepare(definition, Path("studies").resolve(), Path("cache"), lambda _: None)
    labels = np.concatenate(
        [each.labels_RT for each in (dataset.train, dataset.valid, dataset.test)]
    )
    expected = [(frame["stars"] >= 4).sum(), (frame["stars"] > 4).sum()]
    assert labels.sum(axis=0).tolist() == expected
    told = Path("data/rows.yaml").read_text(encoding="utf-8")
    for country in frame.partition_by("country"):
        liked, loved = ((country["stars"] >= 4).sum(), (country["stars"] > 4).sum())
        assert f"liked {liked}, loved {loved}" in told


def test_a_column_of_0_and_1_is_preferred_to_a_rating():
    click = pl.Series("is_click", [row * 31 % 10 < 4 for row in range(NUM_ROWS)])
    assert list(drafted(rated(is_click=click)).tasks) == ["click"]


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 1e-7, 1e300])
def test_a_rating_with_odd_numbers_is_not_made_a_label(odd):
    stars = pl.Series("stars", [odd, 1.0, 2.0, 3.0] * (NUM_ROWS // 4))
    with pytest.raises(DataError, match=r"0 and 1 \(a label\) is needed"):
        drafted(rated(stars=stars))


def test_roles_that_are_given_are_not_guessed():
    definition = drafted(rated(), scenario="shop", item="user_id", user="film_id")
    assert definition.scenario.column == "shop"
    assert (definition.user, definition.item) == ("film_id", "user_id")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("liked=stars>3", ("liked", "stars", "above: 3")),
        ("stars >= 3.5", ("stars_from_3_5", "stars", "at_least: 3.5")),
        ("net = score > -1", ("net", "score", "above: -1")),
    ],
)
def test_a_threshold_is_written_as_name_column_and_bound(text, expected):
    threshold = threshold_of(text)
    assert (threshold.name, threshold.column, threshold.rule) == expected


@pytest.mark.parametrize(
    "text", ["stars", "liked=stars", "stars>", "stars>x", "a=b=c>1", "stars<3"]
)
def test_other_texts_are_no_thresholds(text):
    assert threshold_of(text) is None


@pytest.mark.parametrize(
    ("tasks", "roles", "problem"),
    [
        (["liked=star>3"], {}, "--task: no column 'star'; did you mean 'stars'?"),
        (["shop>3"], {}, "--task: 'shop' must hold numbers to have a threshold, got String"),
        (["a=stars>3", "a=stars>4"], {}, "--task: 'a' must be one task, got two"),
        (["a=stars>3", "b=stars>3"], {}, "--task: 'stars above 3' must be one label, got it twice"),
        ([], {"time": "shop"}, "--time: 'shop' must hold dates or numbers, got String"),
        (
            [],
            {"split": "country"},
            "--split: 'country' must have one value for each of train, valid and test, got no, se",
        ),
        ([], {"user": "stars"}, "a column of 0 and 1 (a label) is needed"),
        ([], {"user": "stars", "item": "stars"}, "--user: must be a column of its own"),
        (["stars>3"], {"weight": "stars"}, "--weight: must be a column of its own"),
        ([], {"scenario": "shops"}, "--scenario: no column 'shops'; did you mean 'shop'?"),
    ],
)
def test_what_cannot_be_is_refused_with_the_option(tasks, roles, problem):
    with pytest.raises(DataError) as error:
        drafted(rated(), *tasks, **roles)
    assert problem in str(error.value)
    assert error.value.remedy
