"""Problems of a study's data are reported at their line of the definition."""

from pathlib import Path

import pytest
from tables import shop, write

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.study_data import dataset_of, refuse_missing_columns
from hinet_search.study.load_study import load_study

DEFINITION = """\
source: {kind: table, path: shop.parquet}
scenario: {column: place}
tasks:
  click: {column: clicked}
features: {numeric: [price]}
split: {by: column, column: part}
"""
MISSING = "column 'clicked' is not in the table; did you mean 'click'?"


def problem(folder: Path, study: str, definition: str = "") -> str:
    """The one problem of a study over the shop table."""
    write(shop(), folder)
    (folder / "s.yaml").write_text(study)
    (folder / "d.yaml").write_text(definition)
    with pytest.raises((ConfigurationError, DataError)) as caught:
        dataset_of(load_study(str(folder / "s.yaml")), folder / "cache", lambda _: None)
    (message,) = caught.value.problems
    return message.removeprefix(f"{folder}/")


def inside(definition: str) -> str:
    return "arms: {mmoe: }\ndata:\n" + "".join(f"  {line}\n" for line in definition.splitlines())


def test_a_missing_column_is_reported_at_its_line_in_the_study(tmp_path: Path) -> None:
    assert (
        problem(tmp_path, inside(DEFINITION)) == f"s.yaml:6:13: data.tasks.click.column: {MISSING}"
    )


def test_a_missing_column_is_reported_at_its_line_in_the_definitions_own_file(
    tmp_path: Path,
) -> None:
    study = "arms: {mmoe: }\ndata: d.yaml\n"
    assert problem(tmp_path, study, DEFINITION) == f"d.yaml:4:11: tasks.click.column: {MISSING}"


def test_a_wrong_option_of_the_source_is_reported_at_its_line(tmp_path: Path) -> None:
    wrong = DEFINITION.replace("path: shop.parquet", "path: 5")
    assert (
        problem(tmp_path, inside(wrong)) == "s.yaml:3:3: data.source: path: must be a text, got 5"
    )


def test_missing_columns_are_told_before_anything_is_encoded_and_only_then(tmp_path: Path) -> None:
    said: list[str] = []
    write(shop(), tmp_path)
    right = DEFINITION.replace("clicked", "click")
    wrong, study = (tmp_path / f"{name}.yaml" for name in ("wrong", "right"))
    wrong.write_text(inside(DEFINITION))
    study.write_text(inside(right))
    with pytest.raises(DataError, match="clicked"):
        refuse_missing_columns(load_study(str(wrong)), tmp_path / "cache", said.append)
    assert not (tmp_path / "cache").exists()
    dataset_of(load_study(str(study)), tmp_path / "cache", lambda _: None)
    assert said == ["opening table shop.parquet"]
    refuse_missing_columns(load_study(str(study)), tmp_path / "cache", said.append)
    assert len(said) == 1  # encoded rows are not opened again


def test_rows_that_must_be_generated_or_fetched_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("hinet_search.data.study_data.source_rows", opened)
    (tmp_path / "s.yaml").write_text(
        inside(
            DEFINITION.replace("{kind: table, path: shop.parquet}", "{kind: synthetic, rows: 100}")
        )
    )
    refuse_missing_columns(load_study(str(tmp_path / "s.yaml")), tmp_path, print)
