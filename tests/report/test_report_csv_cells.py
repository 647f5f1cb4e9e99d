"""CSV text that a spreadsheet opens without computing anything."""

import csv
import io

import pytest

from hinet_search.report.untrusted import plain_cell, without_formulas


@pytest.mark.parametrize("text", ["=1+1", "+1-cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_gets_a_quote(text: str) -> None:
    assert plain_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.5", "+1", "-1e-3", "-inf", "0.7", "", "hinet", "a=b", "'=1"])
def test_numbers_and_words_are_left_alone(text: str) -> None:
    assert plain_cell(text) == text


def test_every_cell_is_looked_at_and_stays_one_cell() -> None:
    rows = [["=a", "b,c"], ['@"quoted"', "-1"], ["+line\nbreak", ""]]
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    cells = list(csv.reader(io.StringIO(without_formulas(written.getvalue()))))
    assert cells == [["'=a", "b,c"], ['\'@"quoted"', "-1"], ["'+line\nbreak", ""]]
