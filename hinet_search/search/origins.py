"""Origins: every value of a study with where it was said: an option, the environment, a line of a file, a size, a default."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from hinet_search.search.options import CACHE, STORAGE, LaunchOptions
from hinet_search.spec import StudySpec
from hinet_search.storage.address import parse_address
from hinet_search.study import Study
from hinet_search.wording import Location
from hinet_search.yaml_file import YamlFile

NO_VALUES = (
    "name",
    "data",
    "arms",
    "sizes",
    "fixed",
    "storage",
    "description",
)  # told elsewhere, or below by their own names
DEFAULT = "default"


@dataclass(frozen=True)
class Origin:
    """A value as text, and where it was said."""

    name: str
    value: str
    where: str


def origins(study: Study, options: LaunchOptions) -> Iterator[Origin]:
    """The values of the study, the settings it fixes for all arms, and the places of its database and data."""
    size = study.name.removeprefix(f"{study.spec.name or study.file.path.stem}-") if study.spec.sizes else ""
    for name in StudySpec.model_fields:
        if name not in NO_VALUES:
            yield from _of_key(study, name, getattr(study.spec, name), size)
    for name, value in study.spec.fixed.items():
        yield Origin(name, str(value), study.file.place(("fixed", name)))
    yield _of_storage(study, options)
    cache = CACHE if os.environ.get(CACHE) else "--output" if options.output else DEFAULT
    yield Origin("cache", str(options.cache), cache)


def _of_key(study: Study, name: str, value: Any, size: str) -> Iterator[Origin]:
    if isinstance(value, BaseModel):
        for key, inner in value:
            yield Origin(f"{name}.{key}", str(inner), _where(study.file, (name, key), size))
    else:
        yield Origin(name, "null" if value is None else str(value), _where(study.file, (name,), size))


def _where(file: YamlFile, location: Location, size: str) -> str:
    """The place of a key; what a size says of a key of the study stands in place of all of it."""
    of_size: Location = ("sizes", size, *location)
    at = of_size if _written(file, of_size[:3]) is not None else location
    if _written(file, at) is not None:
        return file.place(at)
    is_word = location[1:] == ("kind",) and isinstance(_written(file, location[:1]), str)  # `pruner: none`
    return file.place(location[:1]) if is_word else DEFAULT


def _written(file: YamlFile, location: Location) -> Any:
    """The value at a location; None where there is none."""
    node: Any = file.tree
    for step in location:
        node = node.get(step) if isinstance(node, dict) else None
    return node


def _of_storage(study: Study, options: LaunchOptions) -> Origin:
    given = (
        ("--storage", options.storage),
        (STORAGE, os.environ.get(STORAGE)),
        (study.file.place(("storage",)), study.spec.storage),
        ("--output", options.output),
    )
    where = next((place for place, value in given if value), DEFAULT)
    return Origin("storage", parse_address(options.storage_url(study)).masked, where)
