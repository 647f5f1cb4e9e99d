"""Given keys: the keys of a study and its data as Python values, in the forms that YAML has."""

from collections.abc import Collection, Iterable, Iterator, Mapping
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
        labels = {name: _column_of(task) for name, task in self.data.get("tasks", {}).items()}
        return KnownRoles(
            scenario=_column_of(self.data.get("scenario")),
            tasks={name: column for name, column in labels.items() if column is not None},
            scenarios_of_tasks=frozenset(self._scenarios_of_tasks()),
            user=_column_of(self.data.get("user")),
            item=_column_of(self.data.get("item")),
            time=_column_of(self.data.get("time")),
            split=_column_of(self.data.get("split")),
            never_features=tuple(self.data.get("never_features", ())),
        )

    def _scenarios_of_tasks(self) -> Iterator[str]:
        for task in self.data.get("tasks", {}).values():
            if isinstance(task, Mapping):
                yield from map(str, task.get("scenarios") or ())

    def refuse_other_columns(self, columns: Collection[str]) -> None:
        """Raise DataError for every given role whose column the table lacks."""
        roles = self.roles
        named = {key: getattr(roles, key) for key in ("scenario", "user", "item", "time", "split")}
        named |= {f"tasks.{name}": column for name, column in roles.tasks.items()}
        named |= {f"never_features.{name}": name for name in roles.never_features}
        problems = [
            f"{key}: column '{column}' is not in the table{did_you_mean(column, columns)}"
            for key, column in named.items()
            if column is not None and column not in columns
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
    given = {
        key: plain(value, key)
        for key, value in keys.items()
        if value is not None or _has_null_beside_its_default(KEYS[key])
    }
    if "tasks" in given:
        given["tasks"] = _tasks(given["tasks"])
    if "arms" in given:
        given["arms"] = _arms(given["arms"])
    if not _is_list_of_texts(given.get("never_features", [])):
        raise ConfigurationError("never_features: must be a list of columns")
    return GivenKeys(
        data={key: value for key, value in given.items() if key in DataDefinition.model_fields},
        study={key: value for key, value in given.items() if key in StudySpec.model_fields},
    )


def _has_null_beside_its_default(key: FieldInfo) -> bool:
    """Whether null says something else than leaving the key out: `cost_limit` is then no limit."""
    return key.default is not None and NoneType in get_args(key.annotation)


def plain(value: Any, where: str) -> Any:
    """Return a value in the types of YAML: a tuple or an array as a list, a date as its text.

    ConfigurationError, beginning with `where`, for a value that YAML does not have.
    """
    if isinstance(value, np.datetime64):
        value = _moment(value)
    elif isinstance(value, np.generic) and not isinstance(value, np.timedelta64):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, date):  # or a datetime
        return value.isoformat()
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, Frozen):  # such as TaskDefinition
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, Mapping):
        return {plain(key, where): plain(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        raise ConfigurationError(f"{where}: must be a list, since a set has no order")
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [plain(inner, where) for inner in value]
    raise ConfigurationError(
        f"{where}: must be a number, a text, a date, a list or a mapping of these, "
        f"got {type(value).__qualname__}"
    )


def _moment(value: np.datetime64) -> date | None:
    """Return a date or a time; Python has none that are finer than microseconds."""
    moment = value.item()
    return value.astype("datetime64[us]").item() if isinstance(moment, int) else moment


def _tasks(given: Any) -> dict[str, Any]:
    """Return tasks by name; a list of columns gets the names that `data init` would give."""
    columns = [given] if isinstance(given, str) else given
    if _is_list_of_texts(columns):
        return dict(zip(task_names(columns), columns, strict=True))
    if not isinstance(given, dict):
        raise ConfigurationError(
            f"tasks: must be a mapping of names to columns, or a list of columns, got {given!r}"
        )
    return given


def _arms(given: Any) -> dict[str, Any]:
    """Return arms by name; one of a list has the model of its name."""
    if _is_list_of_texts(given):
        return {arm: {} for arm in given}
    if not isinstance(given, dict):
        raise ConfigurationError(
            f"arms: must be a list of models, or a mapping of arms to their keys, got {given!r}"
        )
    return given


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _column_of(role: Any) -> str | None:
    """Return the column of a role, given alone or as the key `column`; None if there is none."""
    column = role.get("column") if isinstance(role, dict) else role
    return column if isinstance(column, str) else None
