"""A study of a frame takes tasks of amounts, given by kind or by a column of amounts."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import hinet_search as hs
from hinet_search.study.load_study import load_study
from tests.notebook.frames import shop

KEYS = {"column": "seconds", "kind": "amount", "at_most": 100}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def watched() -> pl.DataFrame:
    """Events with the seconds of each: none for half of them."""
    row = pl.int_range(pl.len())
    seconds = pl.when(pl.col("is_click") == 1).then(row * 37 % 500 / 2 + 0.5).otherwise(0.0)
    return shop().with_columns(seconds=seconds)


def tasks_of(study: hs.Study) -> dict[str, Any]:
    tasks = load_study(study.file).spec.data.tasks
    return {name: task.model_dump(exclude_defaults=True) for name, task in tasks.items()}


def test_a_task_of_amounts_is_taken_as_it_is_given() -> None:
    tasks = {"click": "is_click", "watch": KEYS}
    study = hs.Study("shop", watched(), scenario="channel", tasks=tasks)
    assert tasks_of(study) == {"click": {"column": "is_click"}, "watch": KEYS}
    assert "kind: amount" in study.to_yaml()


@pytest.mark.parametrize(
    "tasks", [["is_click", "seconds"], {"click": "is_click", "seconds": "seconds"}]
)
def test_a_column_of_amounts_that_is_named_is_a_task_of_amounts(tasks: Any) -> None:
    study = hs.Study("shop", watched(), scenario="channel", tasks=tasks)
    assert tasks_of(study)["seconds"] == {"column": "seconds", "kind": "amount"}
    assert tasks_of(study)["click"] == {"column": "is_click"}


def test_amounts_of_some_scenarios_are_a_task_of_these() -> None:
    task = {"column": "seconds", "kind": "amount", "scenarios": ["home", "search"]}
    frame = watched().with_columns(
        seconds=pl.when(pl.col("channel") != "push").then(pl.col("seconds"))
    )
    study = hs.Study("shop", frame, scenario="channel", tasks={"click": "is_click", "watch": task})
    assert tasks_of(study)["watch"] == {**task, "scenarios": ("home", "search")}
    named = hs.Study("shop2", frame, scenario="channel", tasks=["is_click", "seconds"])
    assert tasks_of(named)["seconds"]["scenarios"] == ("home", "search")
