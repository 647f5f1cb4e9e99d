"""Spreadsheet: CSV text that holds no formula, whatever the names and values in it are."""

import csv
import io

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def without_formulas(text: str) -> str:
    """CSV text in which every cell that a spreadsheet would compute begins with a quote; numbers are left alone."""
    written = io.StringIO()
    csv.writer(written).writerows([plain_cell(cell) for cell in row] for row in csv.reader(io.StringIO(text)))
    return written.getvalue()


def plain_cell(text: str) -> str:
    """The cell, with a quote in front where it would be a formula."""
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
