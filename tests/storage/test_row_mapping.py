"""Row mapping: every record is read from JSON as it was written."""

import json
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Table

from hinet_search.results.data_record import DataRecord
from hinet_search.results.records import (
    CellValue,
    Cost,
    EvaluationRecord,
    FinalistRun,
    GateUsage,
    Insight,
    ParameterRange,
    TrialRecord,
)
from hinet_search.results.study_record import Budget, PairedRun
from hinet_search.storage import tables
from hinet_search.storage.row_mapping import from_json, from_row, to_json, to_row
from tests.storage.small_study import HINET, evaluation, finalist_run, study_row, trial_row

KINDS = (
    Budget,
    CellValue,
    Cost,
    DataRecord,
    EvaluationRecord,
    FinalistRun,
    Insight,
    ParameterRange,
)
SETTINGS = settings(max_examples=30, deadline=None)

# NaN differs from itself, so equality is asked of infinities and numbers here, and of NaN below.
st.register_type_strategy(float, st.floats(allow_nan=False))
# JSON has one kind of mapping: a record that is read has dictionaries.
st.register_type_strategy(
    Mapping, lambda kind: st.dictionaries(*(st.from_type(part) for part in get_args(kind)))
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_record_comes_back_equal_and_its_text_is_strict_json(kind: type[Any]) -> None:
    @SETTINGS
    @given(st.builds(kind, **({"default": FINITE_SCALAR} if kind is ParameterRange else {})))
    def round_trip(record: object) -> None:
        text = to_json(kind, record)
        json.loads(text, parse_constant=_refuse)
        assert from_json(kind, text) == record

    round_trip()


FINITE_SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)


@SETTINGS
@given(st.dictionaries(st.text(), FINITE_SCALAR))
def test_parameters_keep_their_types(parameters: dict[str, object]) -> None:
    kind = TrialRecord.__annotations__["parameters"]
    back = from_json(kind, to_json(kind, parameters))
    assert [(name, type(value), value) for name, value in back.items()] == [
        (name, type(value), value) for name, value in parameters.items()
    ]


def test_gates_that_were_stored_without_owners_of_their_experts_are_read() -> None:
    stored = '[{"gates": [{"where": "home/click", "experts": ["a", "b"], "weights": [0.3, 0.7]}]}]'
    assert from_json(Insight, stored) == Insight(
        gates=(GateUsage("home/click", ("a", "b"), (0.3, 0.7)),)
    )


def test_not_a_number_is_written_as_a_string_and_read_as_a_number() -> None:
    cell = CellValue("home", "click", 1, 0, auc=math.nan, logloss=-math.inf)
    text = to_json(CellValue, cell)
    assert json.loads(text)[0]["auc"] == "NaN"
    back = from_json(CellValue, text)
    assert math.isnan(back.auc)
    assert back.logloss == -math.inf


def test_a_missing_value_is_not_the_same_as_not_a_number() -> None:
    cell = CellValue("home", "click", 1, 0, auc=None, logloss=None, reason="one class")
    assert from_json(CellValue, to_json(CellValue, cell)).auc is None


def through_columns(number: float) -> tuple[object, float]:
    """Return what the column of a number holds, and the number that is read from it."""
    row = to_row(tables.evaluation, EvaluationRecord(1, 0.5, number, 0.1, 1.0, ()))
    read: Any = SimpleNamespace(**row)
    return row["objective"], from_row(EvaluationRecord, tables.evaluation, read).objective


def test_a_column_takes_not_a_number_as_null() -> None:
    held, read = through_columns(math.nan)
    assert held is None
    assert math.isnan(read)


@pytest.mark.parametrize("number", [0.0, 0.1, -math.inf])
def test_a_column_takes_every_other_number_as_it_is(number: float) -> None:
    assert through_columns(number) == (number, number)


@pytest.mark.parametrize(
    ("table", "record", "others"),
    [
        (tables.study, study_row(), set()),
        (tables.arm, HINET, {"study", "arm", "position"}),
        (tables.trial, trial_row(0), {"study", "arm"}),
        (tables.evaluation, evaluation(1), {"study", "arm", "number", "attempt"}),
        (
            tables.finalist,
            finalist_run(1),
            {"study", "arm", "trial_number", "is_default", "chosen"}
            | {"parameters_json", "summary_json"},
        ),
        (tables.input_worth, PairedRun("single", (), 1, 0.7), {"study"}),
    ],
    ids=lambda part: getattr(part, "name", ""),
)
def test_every_column_holds_a_field_or_is_written_beside_the_record(
    table: Table, record: object, others: set[str]
) -> None:
    assert set(to_row(table, record)) == set(table.columns.keys()) - others


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
