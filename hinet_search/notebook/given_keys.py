"""Given keys: the keys of a study and its data as Python values, in the forms that YAML has."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from os import PathLike, fspath
from types import NoneType
from typing import Any, get_args

import numpy as np
from pydantic.fields import FieldInfo

from hinet_search.common.errors import ConfigurationError, DataError, did_you_mean
from hinet_search.common.frozen_model import Frozen
from hinet_search.data.guess.names import task_names
from hinet_search.data.guess.roles import KnownRoles
from hinet_search.data.raw_values import listed
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.study_spec import StudySpec

ARGUMENTS = ("source", "name", "data")  # keys that are no keywords: `name` and `data` say them
KEYS: Mapping[str, FieldInfo] = {
    name: field
    for name, field in (DataDefinition.model_fields | StudySpec.model_fields).items()
    if name not in ARGUMENTS
}
FORMS = {
    "tasks": "a mapping of names to columns, or a list of columns",
    "arms": "a list of models, or a mapping of arms to their keys",
}
ROLES = ("scenario", "user", "item", "time", "split", "weight")  # of one column
WHOLE = ("scenario", "tasks", "features", "split")  # a definition with these is taken as it is


@dataclass(frozen=True)
class GivenKeys:
    """The given keys of a data definition and of a study, as plain values of YAML.

    Tasks and arms are mappings, whatever their form was.
    """

    data: Mapping[str, Any]
    study: Mapping[str, Any]

    @property
    def is_whole(self) -> bool:
        """Whether the definition has all keys that it needs, so that nothing is guessed."""
        return all(key in self.data for key in WHOLE)

    @property
    def roles(self) -> KnownRoles:
        """The roles of the columns that are named, for the guess of the others."""
        given = {key: _column_of(self.data.get(key)) for key in ROLES}
        roles = {key: column for key, column in given.items() if column is not None}
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
            if column not in columns
        ]
        if problems:
            raise DataError(*problems, remedy=f"its columns: {listed(list(columns))}")


def given_keys(keys: Mapping[str, Any]) -> GivenKeys:
    """Sort the keywords of a study into those of its data and its own.

    None is as if it was not given, unless null means something in YAML.

    ConfigurationError for an unknown keyword, with the nearest known one, and for a value that
    YAML does not have.
    """
    unknown = [key for key in keys if key not in KEYS]
    if unknown:
        raise ConfigurationError(
            *(f"Study: unknown keyword '{key}'{did_you_mean(key, KEYS)}" for key in unknown),
            remedy="the keywords are the keys of a study and of a data definition "
            "(docs/studies.md, docs/data.md)",
        )
    given = {key: plain(value, key) for key, value in keys.items() if _is_given(key, value)}
    given |= {key: _by_name(key, given[key]) for key in FORMS if key in given}
    if not _is_list_of_texts(given.get("never_features", [])):
        raise ConfigurationError("never_features: must be a list of columns")
    return GivenKeys(
        data={key: value for key, value in given.items() if key in DataDefinition.model_fields},
        study={key: value for key, value in given.items() if key in StudySpec.model_fields},
    )


def _is_given(key: str, value: Any) -> bool:
    """Whether a value is no null, or null says something: `cost_limit` is then no limit."""
    field = KEYS[key]
    has_null = field.default is not None and NoneType in get_args(field.annotation)
    return value is not None or has_null


def plain(value: Any, where: str) -> Any:
    """Return a value in the types of YAML: a tuple or an array as a list, a date as its text.

    ConfigurationError, beginning with `where`, for a value that YAML does not have.
    """
    value = _in_types_of_python(value)
    match value:
        case None | bool() | int() | float() | str():
            return value
        case date():  # or a datetime
            return value.isoformat()
        case PathLike():
            return fspath(value)
        case Mapping():
            return {plain(key, where): plain(of, f"{where}.{key}") for key, of in value.items()}
        case set() | frozenset():
            raise ConfigurationError(f"{where}: must be a list, since a set has no order")
        case Iterable() if not isinstance(value, bytes):
            return [plain(inner, where) for inner in value]
    raise ConfigurationError(
        f"{where}: must be a number, a text, a date, a list or a mapping of these, "
        f"got {type(value).__qualname__}"
    )


def _in_types_of_python(value: Any) -> Any:
    """Return a value of numpy as one of Python, and a definition as a mapping."""
    if isinstance(value, np.datetime64):
        moment = value.item()
        # Python has no times that are finer than microseconds.
        return value.astype("datetime64[us]").item() if isinstance(moment, int) else moment
    if isinstance(value, np.generic) and not isinstance(value, np.timedelta64):
        return value.item()
    if isinstance(value, Frozen):  # such as TaskDefinition
        return value.model_dump(exclude_defaults=True)
    return value


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
    column = role.get("column") if isinstance(role, dict) else role
    return column if isinstance(column, str) else None
