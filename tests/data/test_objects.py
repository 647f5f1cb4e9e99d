"""Objects: their fields are columns in every format, in `data init`, in a study and for new rows."""

import json
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import polars as pl
import pytest
from pyarrow import feather

from hinet_search.common.errors import DataError
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.data.objects import flattened
from hinet_search.data.prepare import prepare
from hinet_search.data.sources.table import scan
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.yaml_file import read
from tests.data.tables import shop

ROWS = [
    {"n": 1, "user": {"id": "a", "home": {"city": "x"}}, "seen": [1]},
    {"n": 2, "user": None, "seen": [2, 3]},
    {"n": 3, "user": {"id": None, "home": None}, "seen": []},
]
FRAME = pl.DataFrame(ROWS)
WRITERS: dict[str, Callable[[Path], object]] = {
    "t.jsonl": lambda path: path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS)),
    "t.parquet": FRAME.write_parquet,
    "t.arrow": FRAME.write_ipc,
    "t.feather": lambda path: feather.write_feather(FRAME.to_arrow(), str(path)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_fields_of_objects_are_columns_and_null_where_the_object_is(
    name: str, tmp_path: Path
) -> None:
    WRITERS[name](tmp_path / name)
    assert scan(name, tmp_path, tmp_path / "cache").collect().to_dict(as_series=False) == {
        "n": [1, 2, 3],
        "user.id": ["a", None, None],
        "user.home.city": ["x", None, None],
        "seen": [[1], [2, 3], []],
    }


def _read(text: str, folder: Path) -> pl.DataFrame:
    (folder / "t.jsonl").write_text(text)
    return scan("t.jsonl", folder, folder / "cache").collect()


def test_an_object_in_some_lines_only_and_one_without_fields(tmp_path: Path) -> None:
    rows = _read('{"n": 1, "a": {}}\n{"n": 2, "b": {"at": "2026-05-03"}}\n{"b": {}}\n', tmp_path)
    assert rows.schema == {"n": pl.Int64(), "b.at": pl.Date()}
    assert rows["b.at"].null_count() == 2


@pytest.mark.parametrize("names", [["^a$", "*"], ["", "a.b"]])
def test_names_are_no_patterns(names: list[str]) -> None:
    frame = pl.DataFrame({name: [{"x": 1}] for name in names})
    assert flattened(frame.lazy(), "t").collect().columns == [f"{name}.x" for name in names]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('{"result": {"clicked": 1}, "result.clicked": 0}', "result.clicked"),
        ('{"a": {"b.c": 1, "b": {"c": 2}}}', "a.b.c"),
    ],
)
def test_a_field_and_a_column_of_one_name_are_refused(line: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"t\.jsonl: fields .* got more of {name}\n") as caught:
        _read(f"{line}\n", tmp_path)
    assert caught.value.remedy == "rename the field or the column"


def test_a_folder_and_a_field_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows" / "user.id=7").mkdir(parents=True)
    FRAME.write_parquet(tmp_path / "rows" / "user.id=7" / "t.parquet")
    with pytest.raises(DataError, match=r"got more of user\.id"):
        scan("rows", tmp_path, tmp_path / "cache")


def _nested(num_rows: int) -> pl.DataFrame:
    """The shop with columns in objects, and with a list of objects."""
    user = pl.struct(id=pl.col("user"), age=pl.col("age"))
    rows = shop(num_rows).select("place", "minute", "item", user=user, result=pl.struct("click"))
    return rows.with_columns(seen=pl.Series([[{"id": 1}, {"id": 2}]] * num_rows))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_data_init_names_fields_and_a_study_reads_them(name: str, tmp_path: Path) -> None:
    with chdir(tmp_path):
        rows = _nested(3_000)
        rows.write_ndjson(name) if name.endswith("jsonl") else rows.write_parquet(name)
        files = write_draft(name, None, force=False).files
        definition = read(files[0]).parse(DataDefinition)
        assert "#   seen: lists of lists or objects" in files[0].read_text()
        assert definition.tasks["result_click"].column == "result.click"
        assert definition.user == "user.id"
        assert "user.age" in definition.features.numeric
        data = prepare(definition, files[1].parent, tmp_path / "cache", lambda _: None)
    assert "user.age" in data.full_schema.numeric


def test_a_list_of_objects_that_a_definition_names_is_refused(tmp_path: Path) -> None:
    with chdir(tmp_path):
        _nested(600).write_parquet("rows.parquet")
        definition = DataDefinition.model_validate(
            {
                "source": {"kind": "table", "path": "rows.parquet"},
                "scenario": {"column": "place"},
                "tasks": {"click": {"column": "result.click"}},
                "features": {"categorical": ["item"], "lists": {"seen": {"column": "seen"}}},
                "split": {"by": "random", "seed": 1, "valid": 0.2, "test": 0.2},
            }
        )
        with pytest.raises(DataError, match=r"column 'seen' .* lists of one field of these"):
            prepare(definition, tmp_path, tmp_path / "cache", lambda _: None)
