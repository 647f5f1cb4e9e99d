"""Origins: every value of a study with its source.

A source is an option, a variable of the environment, a line of a file, a size or the default.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from hinet_search.common.database_url import parse_address
from hinet_search.study.launch_options import CACHE, STORAGE, LaunchOptions
from hinet_search.study.load_study import ResolvedStudy
from hinet_search.study.study_spec import MOST_IN_TIME, StudySpec
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import YamlFile

# Keys that are shown elsewhere, or handled separately below.
NO_VALUES = ("name", "data", "arms", "sizes", "fixed", "storage", "description")
DEFAULT = "default"


@dataclass(frozen=True)
class Origin:
    """A value as text, with its source."""

    name: str
    value: str
    where: str


def origins(study: ResolvedStudy, options: LaunchOptions) -> Iterator[Origin]:
    """Yield the values of the study, its fixed settings, its database and its cache."""
    base_name = study.spec.name or study.file.path.stem
    size = study.name.removeprefix(f"{base_name}-") if study.spec.sizes else ""
    for name in StudySpec.model_fields:
        if name not in NO_VALUES:
            yield from _of_key(study, name, _shown(study.spec, name), size)
    for name, value in study.spec.fixed.items():
        yield Origin(name, str(value), study.file.place(("fixed", name)))
    yield _of_storage(study, options)
    where = "--output" if options.output else DEFAULT
    yield Origin("cache", str(options.cache), CACHE if os.environ.get(CACHE) else where)


def _shown(spec: StudySpec, name: str) -> Any:
    """Return a value as it is shown; with a budget of time, trials are not known."""
    value = getattr(spec, name)
    if spec.budget is not None and name == "budget":
        return f"{spec.budget:g} minutes"
    if spec.budget is not None and name == "trials" and value == MOST_IN_TIME:
        return "as many as fit into the budget"
    return value


def _of_key(study: ResolvedStudy, name: str, value: Any, size: str) -> Iterator[Origin]:
    if isinstance(value, BaseModel):
        for key, inner in value:
            yield Origin(f"{name}.{key}", str(inner), _where(study.file, (name, key), size))
    else:
        text = "null" if value is None else str(value)
        yield Origin(name, text, _where(study.file, (name,), size))


def _where(file: YamlFile, location: Location, size: str) -> str:
    """Return the place of a key; a size that sets a key of the study replaces all of it."""
    of_size: Location = ("sizes", size, *location)
    at = of_size if _is_written(file, of_size[:3]) else location
    if _is_written(file, at):
        return file.place(at)
    # As in `pruner: none`.
    is_plain_kind = location[1:] == ("kind",) and isinstance(file.tree.get(location[0]), str)
    return file.place(location[:1]) if is_plain_kind else DEFAULT


def _is_written(file: YamlFile, location: Location) -> bool:
    node: Any = file.tree
    for step in location:
        node = node.get(step) if isinstance(node, dict) else None
    return node is not None


def _of_storage(study: ResolvedStudy, options: LaunchOptions) -> Origin:
    candidates = (
        ("--storage", options.storage),
        (STORAGE, os.environ.get(STORAGE)),
        (study.file.place(("storage",)), study.spec.storage),
        ("--output", options.output),
    )
    where = next((place for place, value in candidates if value), DEFAULT)
    return Origin("storage", parse_address(options.storage_url(study)).masked, where)
