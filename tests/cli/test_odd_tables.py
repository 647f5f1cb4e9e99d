"""Odd tables as exports produce them get a study that can be checked, or an error with a reason."""

from pathlib import Path

import pytest

from tests.cli.conftest import CommandResult, Run, written
from tests.data.many_tables import TABLES
from tests.data.table_makers import OddTable

LIGHT = ("--set", "arms={single: }")


@pytest.mark.parametrize("table", TABLES.values(), ids=[name.replace(" ", "-") for name in TABLES])
def test_an_odd_table_can_be_checked_or_is_refused_in_words(
    run: Run, tmp_path: Path, table: OddTable
) -> None:
    table.write(tmp_path / table.file)
    begun = run("data", "init", table.file)
    if table.refused_by == "init":
        _is_refusal(begun, table)
        assert written(tmp_path) == [table.file]
        return
    assert begun.code == 0, begun.err
    definition = (tmp_path / "data" / "rows.yaml").read_text(encoding="utf-8")
    assert [line for line in table.says if line not in definition] == []
    checked = run("check", "rows", *LIGHT)
    assert checked.code == 0, checked.err


def _is_refusal(said: CommandResult, table: OddTable) -> None:
    assert said.code in (2, 3)
    assert said.err.startswith("error: ")
    assert [words for words in table.says if words not in said.err] == []
    assert len(said.err.splitlines()) >= 2, "a remedy follows"
