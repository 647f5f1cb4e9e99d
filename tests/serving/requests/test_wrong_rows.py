"""Rows of a request that do not fit the model are refused with every problem, its column and its rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.serving.inputs import ScenarioInput
from hinet_search.serving.requests.document import columns_of, num_rows_of
from hinet_search.serving.requests.rows import reader_of
from hinet_search.serving.requests.served_model import ServedModel, open_served
from hinet_search.serving.row_checks import scenario_problems
from tests.serving.requests.exported import PLAIN, write_export

GOOD = {"place": 1, "user": 7, "item": "00", "price": 100.5, "age": 30}
Refused = Callable[[object], tuple[str, ...]]


@pytest.fixture
def refused(models: dict[str, ServedModel]) -> Refused:
    """The problems of a document."""
    model = models["plain"]

    def problems(document: object) -> tuple[str, ...]:
        with pytest.raises(DataError) as caught:
            model.score(columns_of(document, model.columns))
        return caught.value.problems

    return problems


def rows(*changes: dict[str, Any]) -> dict[str, Any]:
    """A document of good rows with these changes."""
    return {"rows": [{**GOOD, **change} for change in changes]}


KNOWN = "column 'place' must hold scenarios of the model, '1', '2', '3', got"
WHOLE = "column 'user' must hold whole numbers as in training, got"
NOT_FINITE = (
    "column 'price' must be finite, got NaN or infinity in 1 row (first in row 1); "
    "write null for what is missing"
)
FIRST = "in 1 row (first in row 1)"
CELLS = [
    ({"place": 9}, f"{KNOWN} '9' (1 row, first in row 1); leave other rows out"),
    ({"place": None}, f"{KNOWN} nothing (1 row, first in row 1); leave other rows out"),
    ({"user": "x7"}, f"{WHOLE} 'x7' {FIRST}"),
    ({"user": 7.0}, f"{WHOLE} 7.0 {FIRST}"),
    ({"user": True}, f"{WHOLE} true {FIRST}"),
    ({"item": 0.5}, f"column 'item' must hold text as in training, got 0.5 {FIRST}"),
    ({"price": "dear"}, f"column 'price' must hold numbers, got 'dear' {FIRST}"),
    ({"price": [1]}, f"column 'price' must hold numbers, got a list {FIRST}"),
    ({"price": float("nan")}, NOT_FINITE),
    ({"price": 10**400}, NOT_FINITE),  # beyond all floats
]


@pytest.mark.parametrize(("change", "problem"), CELLS)
def test_a_wrong_value_is_named_with_its_column_and_row(
    change: dict[str, Any], problem: str, refused: Refused
) -> None:
    assert refused(rows({}, change)) == (problem,)


def test_a_number_too_far_from_training_is_named_with_its_limits(refused: Refused) -> None:
    (problem,) = refused(rows({"price": -1e30}, {}, {"price": 1e30}))
    assert problem.startswith("column 'price' must lie between -")
    assert "in 2 rows (first in row 0, 2)" in problem


def test_all_problems_of_all_columns_are_reported_at_once(refused: Refused) -> None:
    document = rows({"place": 8, "user": "x"}, {"price": float("inf")}, {"user": "y"})
    for row in document["rows"]:
        row["itme"] = row.pop("item")
    assert refused(document) == (
        "column 'item' is not in the rows; did you mean 'itme'?",
        "column 'user' must hold whole numbers as in training, got 'x' in 2 rows (first in row 0, 2)",
        f"{KNOWN} '8' (1 row, first in row 0); leave other rows out",
        NOT_FINITE,
    )


WANTED = (
    'a request must be {"rows": [{NAME: VALUE, ...}, ...]} or '
    '{"columns": {NAME: [VALUE, ...], ...}}'
)
DOCUMENTS = {
    "a list": ([GOOD], f"{WANTED}, got a list"),
    "no key": ({}, f"{WANTED}, got no key"),
    "two keys": ({"rows": [], "columns": {}}, f"{WANTED}, got 'rows', 'columns'"),
    "a mistyped key": ({"row": [GOOD]}, f"{WANTED}, got 'row': a list; did you mean 'rows'?"),
    "rows that are no list": ({"rows": GOOD}, f"{WANTED}, got 'rows': a mapping"),
    "a row that is no object": (
        {"rows": [GOOD, 7]},
        "a row must be an object, got 7 in 1 row (first in row 1)",
    ),
    "a column that is no list": (
        {"columns": {name: value if name == "age" else [value] for name, value in GOOD.items()}},
        "column 'age' must be a list of values, got 30",
    ),
    "columns of two lengths": (
        {"columns": {name: [value] * (1 + (name == "age")) for name, value in GOOD.items()}},
        "columns must have one length, got 1 in 'place' and 2 in 'age'",
    ),
    "a row without a column": (
        {"rows": [GOOD, {name: GOOD[name] for name in ("place", "user", "item", "price")}]},
        (
            "column 'age' must be in every row, but is not in 1 row (first in row 1); "
            "write null where a value is missing"
        ),
    ),
}


@pytest.mark.parametrize(("document", "problem"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_of_another_form_is_refused_with_the_form(
    document: object, problem: str, refused: Refused
) -> None:
    assert refused(document) == (problem,)


def test_rows_and_columns_of_the_same_values_get_the_same_scores(
    models: dict[str, ServedModel],
) -> None:
    of_rows = rows({}, {"user": 3})
    columns = {name: [row[name] for row in of_rows["rows"]] for name in GOOD}
    model = models["plain"]
    assert scores_of(model, of_rows) == scores_of(model, {"columns": columns})


@pytest.mark.parametrize(
    ("written", "means"), [("12", 12), ("-3", -3), ("9007199254740993", 2**53 + 1)]
)
def test_a_text_of_digits_is_a_whole_number_where_training_had_numbers(
    written: str, means: int
) -> None:
    assert reader_of("user", pl.Int64()).read([written]) == ([means], "")


@pytest.mark.parametrize(("written", "means"), [("012", "012"), (12, "12")])
def test_digits_stay_text_where_training_had_text(written: object, means: str) -> None:
    assert reader_of("zip", pl.String()).read([written])[0] == [means]


@pytest.mark.parametrize(
    ("dtype", "wrong"),
    [
        (pl.Int64(), "1_0"),
        (pl.Int64(), "1.0"),
        (pl.Float64(), "1_0"),
        (pl.Float64(), True),
        (pl.Boolean(), "yes"),
        (pl.Boolean(), 1),
        (pl.Date(), "2026-13-01"),
        (pl.Date(), 20260501),
        (pl.Datetime("us"), "2026-05-01T12:00:00Z"),
        (pl.Datetime("us", "UTC"), "2026-05-01T12:00:00"),
        (pl.List(pl.Int64()), [1, "x"]),
        (pl.List(pl.Int64()), "1,2"),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_no_value(dtype: pl.DataType, wrong: object) -> None:
    values, problem = reader_of("x", dtype).read([None, wrong])
    assert values == [None, None]
    assert problem.endswith("in 1 row (first in row 1)")


def scores_of(model: ServedModel, document: object) -> list[list[float]]:
    scores: list[list[float]] = model.score(
        columns_of(document, model.columns)
    ).predicted_RT.tolist()
    return scores


def test_a_blank_text_is_a_missing_number(models: dict[str, ServedModel]) -> None:
    blank, missing = (scores_of(models["plain"], rows({"age": value})) for value in (" ", None))
    assert blank == missing


def test_infinite_numbers_are_imputed_where_the_study_imputes_them(tmp_path: Path) -> None:
    model = open_served(write_export(tmp_path / "imputing", PLAIN, not_finite="impute"))
    odd = (float("inf"), float("nan"), None)
    infinite, no_number, missing = (scores_of(model, rows({"age": value})) for value in odd)
    assert infinite == no_number == missing


def test_a_request_without_rows_gets_no_scores(models: dict[str, ServedModel]) -> None:
    model = models["everything"]
    columns = columns_of({"columns": {name: [] for name in model.columns}}, model.columns)
    assert model.score(columns).predicted_RT.shape == (0, 2)


def test_a_type_that_json_has_no_values_for_is_told_when_the_model_is_opened() -> None:
    with pytest.raises(DataError, match=r"column 'x' holds Duration.* JSON has no such values"):
        reader_of("x", pl.Duration("us"))


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ({"rows": [1, 2, 3]}, 3),
        ({"columns": {"a": [1], "b": [1, 2]}}, 2),
        ({"columns": {}}, 0),
        ([], 0),
    ],
)
def test_rows_are_counted_before_they_are_checked(document: object, count: int) -> None:
    assert num_rows_of(document) == count


def test_a_long_text_for_a_scenario_is_shortened() -> None:
    scenario = ScenarioInput(column="place", values={"1": "Home"})
    rows = pl.LazyFrame({"place": ["x" * 1_000_000]})
    (problem,) = scenario_problems(scenario, rows)
    assert "... (1,000,002 characters) (1 row, first in row 0)" in problem
    assert len(problem) < 300
