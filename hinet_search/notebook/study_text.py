"""Study text: the YAML of a study from keywords, its data definition partly given, partly guessed.

Keywords are the keys of a study and of a data definition.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from os import PathLike, fspath
from textwrap import indent
from types import NoneType
from typing import Any, get_args

import numpy as np
import polars as pl
from pydantic import ValidationError

from hinet_search.common.errors import ConfigurationError, DataError, did_you_mean, gone_or_similar
from hinet_search.data.guess.definition_text import GuessedTable, definition_text
from hinet_search.data.guess.guess_table import guessed_table
from hinet_search.data.guess.names import task_names
from hinet_search.data.guess.roles import NO_SCENARIO, KnownRoles
from hinet_search.data.labels import positives
from hinet_search.data.raw_values import as_text, listed, text_of
from hinet_search.study.data_definition import EVERY_ROW, DataDefinition
from hinet_search.study.study_spec import StudySpec
from hinet_search.study.task_definition import TaskDefinition
from hinet_search.study.yaml_file import written
from hinet_search.study.yaml_text import parsed

ARGUMENTS = ("source", "name", "data")  # keys that are no keywords: `name` and `data` say them
KEYS = {
    name: field
    for name, field in (DataDefinition.model_fields | StudySpec.model_fields).items()
    if name not in ARGUMENTS
}
FORMS = {
    "tasks": "a mapping of names to columns, or a list of columns",
    "arms": "a list of models, or a mapping of arms to their keys",
}
ROLES = ("scenario", "user", "item", "time", "split", "weight")  # of one column
WHOLE = {"scenario", "tasks", "features", "split"}  # a definition with these is taken as it is
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


@dataclass(frozen=True)
class GivenKeys:
    """The given keys of a data definition and of a study, as plain values of YAML.

    Tasks and arms are mappings, whatever their form was.
    """

    data: Mapping[str, Any]
    study: Mapping[str, Any]

    @property
    def roles(self) -> KnownRoles:
        """The roles of the columns that are named, for the guess of the others."""
        roles = {}
        for key in ROLES:
            column = _column_of(self.data.get(key))
            if column is not None:
                roles[key] = column
        labels = {}
        scenarios: set[str] = set()
        for name, task in self.data.get("tasks", {}).items():
            if (column := _column_of(task)) is not None:
                labels[name] = column
            if isinstance(task, Mapping):
                scenarios.update(map(str, task.get("scenarios") or ()))
        return KnownRoles(
            roles=roles,
            tasks=labels,
            scenarios_of_tasks=frozenset(scenarios),
            never_features=tuple(self.data.get("never_features", ())),
        )

    def refuse_other_columns(self, columns: Collection[str]) -> None:
        """Raise DataError for every given role whose column the table lacks."""
        roles = self.roles
        named = dict(roles.roles)
        named |= {f"tasks.{name}": column for name, column in roles.tasks.items()}
        named |= {f"never_features.{name}": name for name in roles.never_features}
        problems = [
            f"{key}: column '{column}' is not in the table{did_you_mean(column, columns)}"
            for key, column in named.items()
            if column not in columns and column != EVERY_ROW
        ]
        if problems:
            raise DataError(*problems, remedy=f"its columns: {listed(list(columns))}")


def given_keys(keys: Mapping[str, Any]) -> GivenKeys:
    """Sort the keywords of a study into keys of its data and keys of its own.

    None is as if it was not given, unless null means something in YAML.

    ConfigurationError for an unknown keyword, with the nearest known one, and for a value that
    YAML does not have.
    """
    unknown = [key for key in keys if key not in KEYS]
    if unknown:
        raise ConfigurationError(
            *(f"Study: unknown keyword '{key}'{gone_or_similar(key, KEYS)}" for key in unknown),
            remedy="the keywords are the keys of a study and of a data definition "
            "(docs/studies.md, docs/data.md)",
        )
    given = {}
    for key, value in keys.items():
        has_null = KEYS[key].default is not None and NoneType in get_args(KEYS[key].annotation)
        if value is not None or has_null:  # `cost_limit=None` is no limit
            given[key] = plain(value, key)
    if given.get("scenario") == NO_SCENARIO:
        given["scenario"] = {"every_row": "All"}
    given |= {key: _by_name(key, given[key]) for key in FORMS if key in given}
    if not _is_list_of_texts(given.get("never_features", [])):
        raise ConfigurationError("never_features: must be a list of columns")
    return GivenKeys(
        data={key: value for key, value in given.items() if key in DataDefinition.model_fields},
        study={key: value for key, value in given.items() if key in StudySpec.model_fields},
    )


def plain(value: Any, where: str) -> Any:
    """Return a value in the types of YAML: a tuple or an array as a list, a date as its text.

    ConfigurationError, beginning with `where`, for a value that YAML does not have.
    """
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()  # Python has no finer times
    elif isinstance(value, np.generic) and not isinstance(value, np.timedelta64):
        value = value.item()
    match value:
        case None | bool() | int() | float() | str():
            return value
        case date():  # or a datetime
            return value.isoformat()
        case PathLike():
            return fspath(value)
        case Mapping():
            return {plain(key, where): plain(of, f"{where}.{key}") for key, of in value.items()}
        case Iterable() if not isinstance(value, bytes | set | frozenset):
            return [plain(inner, where) for inner in value]
    raise ConfigurationError(
        f"{where}: must be a number, a text, a date, a list or a mapping of these, "
        f"got {type(value).__qualname__}"
    )


def _by_name(key: str, given: Any) -> dict[str, Any]:
    """Return tasks or arms by name: a column or a list gets the names that `data init` would give.

    An arm of a list has the model of its name.
    """
    texts = [given] if key == "tasks" and isinstance(given, str) else given
    if isinstance(given, dict):
        return given
    if not _is_list_of_texts(texts):
        raise ConfigurationError(f"{key}: must be {FORMS[key]}, got {given!r}")
    if key == "tasks":
        return dict(zip(task_names(texts), texts, strict=True))
    return {arm: {} for arm in texts}


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _column_of(role: Any) -> str | None:
    """Return the column of a role, given alone or as the key `column`; None if there is none."""
    if isinstance(role, dict):
        role = role.get("column", EVERY_ROW if role.get("every_row") else None)
    return role if isinstance(role, str) else None


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
    return {"epochs": settings.epochs, **keys, **used}


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

    Errors: as of `guessed_table`.
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
    if rule.scenarios is None or column is None or column == EVERY_ROW:
        return pl.lit(value=True)
    scenario = given.data["scenario"]
    values = scenario.get("values") if isinstance(scenario, dict) else None
    texts = [text_of(value) for value, name in (values or {}).items() if rule.is_in(name)]
    in_text = pl.col(column).map_batches(as_text, return_dtype=pl.String, is_elementwise=True)
    return in_text.is_in(texts or list(rule.scenarios))
