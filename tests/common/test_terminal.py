"""Tables are plain text: what names and data hold is shown as it is, and cannot control a terminal."""

import pytest

from hinet_search.common.terminal import printable, table_text


def test_columns_are_as_wide_as_their_longest_cell_and_end_without_spaces() -> None:
    drawn = table_text([("a", "1"), ("longer", "1,000")], ("name", "rows"), right={1})
    assert drawn.splitlines() == ["name     rows", "a           1", "longer  1,000"]


def test_a_short_row_leaves_its_last_columns_empty() -> None:
    assert table_text([("a", "b"), ("c",)]).splitlines() == ["a  b", "c"]


def test_a_table_without_rows_is_its_header() -> None:
    assert table_text([], ("study", "state")) == "study  state"


@pytest.mark.parametrize("name", ["[red]shop[/red]", "[/]", ":smile:", "[link=x]y"])
def test_markup_in_a_cell_is_plain_text(name: str) -> None:
    assert table_text([(name, "1")], (name, "rows")).splitlines() == [f"{name}  rows", f"{name}  1"]


def test_control_characters_are_escaped_before_columns_are_laid_out() -> None:
    drawn = table_text([("a\x1b[2J\x07\u202e", "1"), ("b", "2")])
    assert drawn.splitlines() == [r"a\x1b[2J\x07\u202e  1", f"b{'':17}  2"]
    assert printable(drawn) == drawn


def test_wide_characters_take_two_columns() -> None:
    assert table_text([("推送", "1"), ("home", "2")]).splitlines() == ["推送  1", "home  2"]


def test_no_cell_is_cut_or_wrapped_unless_a_width_is_given() -> None:
    assert table_text([("x" * 3000, "1")]) == f"{'x' * 3000}  1"
    assert max(len(line) for line in table_text([("x" * 300, "1")], width=80).splitlines()) <= 80
