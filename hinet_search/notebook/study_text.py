"""Study text: the YAML of a study of a table, its data definition partly given, partly guessed."""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from textwrap import indent
from typing import Any

import polars as pl
from pydantic import ValidationError

from hinet_search.data.guess.definition_text import GuessedTable, definition_text
from hinet_search.data.guess.guess_table import guessed_table
from hinet_search.data.labels import positives
from hinet_search.data.raw_values import as_text, text_of
from hinet_search.notebook.given_keys import GivenKeys
from hinet_search.study.task_definition import TaskDefinition
from hinet_search.study.yaml_file import written
from hinet_search.study.yaml_text import parsed

HEADER = "# Written by hinet_search.Study. Every key: docs/studies.md, docs/data.md\n"
NAME_THEM = "name the columns: scenario=..., tasks={...}, features={...}"
SECTION = re.compile(r"^(?=\w+:)", re.MULTILINE)  # the beginning of a key of the whole mapping
ARMS: Mapping[str, Mapping[str, str]] = {  # those of `data init`
    "hinet": {},
    "mmoe": {},
    "ple": {},
    "shared_bottom": {},
    "flat_moe": {"size_of": "hinet"},
    "single": {},
    "trees": {},
}


def study_text(name: str, definition: str, keys: Mapping[str, Any]) -> str:
    """Return the text of a study: its name, its data definition, and its other keys."""
    data = f"data:\n{indent(definition, '  ')}"
    return f"{HEADER}{written({'name': name})}{data}{written({'arms': ARMS, **keys})}"


def with_start(
    keys: Mapping[str, Any], table: GuessedTable, searched: Collection[str]
) -> Mapping[str, Any]:
    """Add where training starts, guessed from the size of the table as by `data init`.

    Settings that are given stay as they are, and those that no arm searches are left out.
    """
    settings = table.settings
    given_parameters = keys.get("parameters", {})
    given_fixed = keys.get("fixed", {})
    parameters = {name: keys for name, keys in settings.parameters.items() if name in searched}
    fixed = {name: value for name, value in settings.fixed.items() if name not in given_parameters}
    started = {"parameters": {**parameters, **given_parameters}, "fixed": {**fixed, **given_fixed}}
    used = {key: values for key, values in started.items() if values}
    return {"passes": settings.passes, **keys, **used}


def whole_definition(path: str, given: GivenKeys) -> str:
    """Return the data definition of the table at `path` where all that it needs is given."""
    source = {"kind": "table", "path": path}
    return written({"source": source, **_spelt_out(given.data, {})})


def guessed_definition(table: GuessedTable, given: GivenKeys) -> str:
    """Return the data definition of a table: guesses with their reasons, and what is given."""
    text = definition_text(table)
    guessed, _ = parsed(text, lambda _: "guessed")
    spelt_out = _spelt_out(given.data, guessed)
    if "features" in given.data:
        spelt_out.setdefault("never_features", [])  # a guess must not bar what is given
    sections = {section.partition(":")[0]: section for section in SECTION.split(text)}
    for key, value in spelt_out.items():
        if value != guessed.get(key):  # else the guess says the same, with its reasons
            sections[key] = written({key: value})
    return "".join(sections.values())


def guess_table(rows: pl.LazyFrame, path: str, given: GivenKeys) -> GuessedTable:
    """Guess what the columns of a table mean, around the roles that are given.

    Errors: those of `guessed_table`.
    """
    return guessed_table(
        _with_labels(rows, given), "data", {"kind": "table", "path": path}, given.roles, NAME_THEM
    )


def _spelt_out(given: Mapping[str, Any], guessed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given keys as a definition has them; a plain column takes its guessed form."""
    spelt_out = dict(given)
    if isinstance(given.get("scenario"), str):
        spelt_out["scenario"] = guessed.get("scenario", {"column": given["scenario"]})
    if "tasks" in given:
        labels = guessed.get("tasks", {})
        spelt_out["tasks"] = {
            name: labels.get(name, {"column": task}) if isinstance(task, str) else task
            for name, task in given["tasks"].items()
        }
    return spelt_out


def _with_labels(rows: pl.LazyFrame, given: GivenKeys) -> pl.LazyFrame:
    """Return the rows with 0 and 1 in the columns of tasks whose rule for a 1 is given.

    Amounts are numbers as they are. Labels are missing in the rows of scenarios that are said not
    to have the task.
    """
    labels = {}
    for task in given.data.get("tasks", {}).values():
        with suppress(ValidationError):  # reported when the study is loaded
            rule = TaskDefinition.model_validate(task)
            label = pl.col(rule.column)
            if rule.is_amount:
                label = label.cast(pl.Float64, strict=False)
            else:
                zeros_and_ones = partial(_zeros_and_ones, rule)
                label = label.map_batches(
                    zeros_and_ones, return_dtype=pl.UInt8, is_elementwise=True
                )
            labels[rule.column] = pl.when(_has_task(rule, given)).then(label)
    return rows.with_columns(**labels)


def _zeros_and_ones(rule: TaskDefinition, values: pl.Series) -> pl.Series:
    return positives(rule, values).fill_null(value=False).cast(pl.UInt8)


def _has_task(rule: TaskDefinition, given: GivenKeys) -> pl.Expr:
    """Whether a row has a task; every row does if the column of scenarios is not given."""
    column = given.roles.roles.get("scenario")
    if rule.scenarios is None or column is None:
        return pl.lit(value=True)
    scenario = given.data["scenario"]
    values = scenario.get("values") if isinstance(scenario, dict) else None
    texts = [text_of(value) for value, name in (values or {}).items() if rule.is_in(name)]
    in_text = pl.col(column).map_batches(as_text, return_dtype=pl.String, is_elementwise=True)
    return in_text.is_in(texts or list(rule.scenarios))
