"""A number becomes a label: a rating by a threshold, an amount as it is where it is named."""

import numpy as np
import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.data.guess.column_facts import facts_of
from hinet_search.data.guess.thresholds import threshold_of
from hinet_search.data.prepare import prepare
from tests.data.guessing import drafted

NUM_ROWS = 900


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


def test_where_no_column_is_a_label_a_rating_becomes_one_above_which_are_half_of_the_rows():
    frame = rated()
    definition, text = drafted(frame)
    (name,) = definition.tasks
    bound = definition.tasks[name].above
    shares = {value: (frame["stars"] > value).mean() for value in range(1, 5)}
    assert bound == min(shares, key=lambda value: abs(shares[value] - 0.5))
    assert name == f"stars_above_{bound:.0f}"
    assert "stars" in definition.never_features
    (line,) = (line for line in text.splitlines() if "above:" in line)
    assert "# check:" in line
    assert f"--task '{name}=stars>{bound:.0f}'" in line


def test_the_labels_of_the_data_are_those_of_the_rule(tmp_path):
    frame = rated()
    definition, told = drafted(frame, "liked=stars>=4", "loved=stars>4", folder=tmp_path)
    assert definition.tasks["liked"].at_least == 4
    assert definition.tasks["loved"].above == 4
    dataset = prepare(definition, tmp_path / "studies", tmp_path / "cache", lambda _: None)
    labels = np.concatenate(
        [each.labels_RT for each in (dataset.train, dataset.valid, dataset.test)]
    )
    expected = [(frame["stars"] >= 4).sum(), (frame["stars"] > 4).sum()]
    assert labels.sum(axis=0).tolist() == expected
    for country in frame.partition_by("country"):
        liked, loved = ((country["stars"] >= 4).sum(), (country["stars"] > 4).sum())
        assert f"liked {liked}, loved {loved}" in told


@pytest.mark.parametrize("texts", [("no", "yes"), ("0", "1")])
def test_a_column_of_two_values_is_preferred_to_a_rating(texts):
    click = pl.Series("is_click", [texts[row * 31 % 10 < 4] for row in range(NUM_ROWS)])
    assert list(drafted(rated(is_click=click))[0].tasks) == ["click"]


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 1e-7, 1e300])
def test_a_rating_with_odd_numbers_is_not_made_a_label(odd):
    stars = pl.Series("stars", [odd, 1.0, 2.0, 3.0] * (NUM_ROWS // 4))
    with pytest.raises(DataError, match=r"0 and 1 \(a label\) is needed"):
        drafted(rated(stars=stars))


def test_roles_that_are_given_are_not_guessed():
    definition, _ = drafted(rated(), scenario="shop", item="user_id", user="film_id")
    assert definition.scenario.column == "shop"
    assert (definition.user, definition.item) == ("film_id", "user_id")


def test_a_rating_taken_as_an_amount_is_a_guess_to_check():
    _, text = drafted(rated(), "stars")
    assert "kind: amount}   # check: " in text
    assert "a rating as an amount? `above: 3` in place of `kind: amount` makes 0 and 1" in text


def test_with_none_in_place_of_a_scenario_its_column_is_a_feature():
    definition, _ = drafted(rated(), scenario="none")
    assert definition.scenario.every_row == "All"
    assert "shop" in definition.features.categorical


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
        (["shop"], {}, "--task: 'shop' must hold 0 and 1, yes and no, or numbers, got 0, 1, 2, 3"),
        (["shopp"], {}, "--task: no column 'shopp'; did you mean 'shop'?"),
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


AMOUNTS = {
    "fractions": [0.0, 0.5, 12.25] * 30,
    "whole numbers of many values": list(range(90)),
    "numbers that are never 0": [1, 2, 5] * 30,
}
NO_AMOUNTS = {
    "0 and 1": [0, 1] * 45,
    "few counts": [0, 1, 2] * 30,
    "a negative number": [-1.0, 0.5, 2.0] * 30,
    "a number that is not finite": [0.5, float("nan"), 2.0] * 30,
    "texts": ["1", "2", "3"] * 30,
    "one value": [7.5] * 90,
}


def shown() -> pl.DataFrame:
    """Rows with a click, and the seconds of play after it, in three places."""
    row = pl.int_range(NUM_ROWS, eager=True)
    frame = pl.DataFrame(
        {
            "place": (row % 3).replace_strict({0: "home", 1: "search", 2: "push"}),
            "user_id": row * 7 % 61,
            "genre": (row * 11 % 5).cast(pl.String),
            "is_click": (row * 7919 % 10 < 4).cast(pl.Int8),
        }
    )
    seconds = pl.when(pl.col("is_click") == 1).then(row * 37 % 500 / 2 + 0.5).otherwise(0.0)
    return frame.with_columns(play_seconds=seconds)


@pytest.mark.parametrize("name", AMOUNTS)
def test_numbers_of_at_least_0_are_amounts(name: str) -> None:
    assert facts_of(pl.DataFrame({"spent": AMOUNTS[name]}).lazy())[0].has_amounts


@pytest.mark.parametrize("name", NO_AMOUNTS)
def test_other_values_are_no_amounts(name: str) -> None:
    assert not facts_of(pl.DataFrame({"spent": NO_AMOUNTS[name]}).lazy())[0].has_amounts


def test_a_column_of_amounts_that_is_named_is_a_task_of_amounts(tmp_path):
    definition, text = drafted(shown(), "is_click", "play_seconds", folder=tmp_path)
    assert "play_seconds: {column: play_seconds, kind: amount}   # amounts, 0 to 250" in text
    assert "click 120, play_seconds 120 above 0" in text
    assert not definition.never_features
    record = prepare(definition, tmp_path / "studies", tmp_path / "cache", lambda _: None).record
    assert list(record.units) == ["play_seconds"]


def test_a_column_of_amounts_that_is_not_named_is_an_outcome_that_can_be_a_task() -> None:
    definition, text = drafted(shown())
    assert list(definition.tasks) == ["click"]
    assert definition.never_features == ("play_seconds",)
    line = next(line for line in text.splitlines() if line.startswith("  - play_seconds"))
    assert line.endswith("; to predict it, make it a task (kind: amount)")


def test_amounts_that_are_never_0_are_a_task_of_every_scenario() -> None:
    definition, _ = drafted(shown().with_columns(pl.col("play_seconds") + 1), "play_seconds")
    assert definition.scenario.values is not None
    assert set(definition.scenario.values.values()) == {"home", "search", "push"}
    assert definition.never_features == ("is_click",)


def test_rows_without_an_amount_are_to_be_checked() -> None:
    gap = pl.when(pl.int_range(pl.len()) > 20).then(pl.col("play_seconds"))
    definition, text = drafted(shown().with_columns(gap.alias("play_seconds")), "play_seconds")
    assert "check: amounts, 0 to 250, 2.3 % missing; 21 rows without a value are left out" in text
    assert definition.unlabelled == "drop"


def test_few_counts_that_are_named_stay_a_task_of_yes_and_no() -> None:
    counts = pl.int_range(pl.len()) % 4
    definition, _ = drafted(shown().with_columns(orders=counts), "orders")
    assert definition.tasks["orders"].above == 0
    assert not definition.tasks["orders"].is_amount


def test_a_column_that_is_named_twice_is_one_task() -> None:
    definition, _ = drafted(shown(), "play_seconds", "play_seconds")
    assert list(definition.tasks) == ["play_seconds"]
