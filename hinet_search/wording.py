"""Wording: what pydantic finds wrong with a YAML mapping, in the words of whoever wrote it; one problem per value."""

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hinet_search.errors import did_you_mean

Location = tuple[int | str, ...]


def problems_in_words(
    kind: type[BaseModel], values: Mapping[Any, Any], errors: Sequence[ErrorDetails]
) -> list[tuple[Location, str]]:
    """Location and words of each problem; a value that fits no member of a union is one problem, not one per member."""
    by_value: dict[Location, list[ErrorDetails]] = {}
    for error in errors:
        if error["type"] == "too_short" and error["input"]:
            continue  # it is short because its items are wrong, which is told of each
        by_value.setdefault(_before_member(values, error), []).append(error)
    found: list[tuple[Location, str]] = []
    for at, same in by_value.items():
        deeper: list[ErrorDetails] = [
            {**one, "loc": (*at, *one["loc"][len(at) + 1 :])} for one in same if len(one["loc"]) > len(at) + 1
        ]
        if deeper:  # it is of that member's kind, and wrong inside
            found += problems_in_words(kind, values, deeper)
        elif len(same) > 1:
            must = [_must(same[0]), *(_must(one).removeprefix("be ") for one in same[1:])]
            found.append(
                (
                    at,
                    f"{_dotted(values, at)}: must {', '.join(must[:-1])} or {must[-1]}, got {in_words(same[0]['input'])}",
                )
            )
        else:
            found.append((same[0]["loc"], _sentence(kind, values, same[0])))
    return found


def _before_member(values: Mapping[Any, Any], error: ErrorDetails) -> Location:
    """An error's location up to where it names a member of a union: `fixed.x` of `fixed.x.tuple[int, ...].0`."""
    location = error["loc"]
    if error["type"] == "missing":
        return location
    for index, step in enumerate(location):
        reached = reachable(values, location[: index + 1])
        is_key = reached[-1:] == (step,) and len(reached) > len(reachable(values, location[:index]))
        if not is_key and ("[" in str(step) or index == len(location) - 1):
            return location[:index]
    return location


def _dotted(values: Mapping[Any, Any], location: Location) -> str:
    """A location as its keys stand in the file: without the tags by which pydantic tells the kinds of a union apart."""
    shown: list[str] = []
    node: Any = values
    for step in location:
        keys: Any = dict(enumerate(node)) if isinstance(node, list) else node
        if isinstance(keys, dict) and step not in keys and step in keys.values():
            continue  # the value of `kind` or `by`
        node = keys.get(step) if isinstance(keys, dict) else None
        shown += [str(step)] if step != "[key]" else []
    return ".".join(shown)


def _sentence(kind: type[BaseModel], values: Mapping[Any, Any], error: ErrorDetails) -> str:
    """One problem in words, with the nearest known key where one is unknown."""
    location = error["loc"]
    key, parent = _dotted(values, location), _dotted(values, location[:-1])
    if error["type"] == "extra_forbidden":
        inside = f" in '{parent}'" if parent else ""
        return f"unknown key '{location[-1]}'{inside}{did_you_mean(str(location[-1]), _keys(kind, location[:-1]))}"
    if error["type"] == "missing":
        return f"key '{key}' is needed and missing"
    if error["type"] == "union_tag_not_found":
        return f"key '{key}.{_discriminator(error)}' is needed and missing"
    if error["type"] == "union_tag_invalid":
        known = [tag.strip("' ") for tag in error["ctx"]["expected_tags"].split(",")]
        got = str(error["ctx"]["tag"])
        return (
            f"{key}.{_discriminator(error)}: must be one of {', '.join(known)}, got '{got}'{did_you_mean(got, known)}"
        )
    if error["type"] == "value_error":
        message = error["msg"].removeprefix("Value error, ")
        return message if not key or message.startswith(str(location[-1])) else f"{key}: {message}"
    return f"{key}: must {_must(error)}, got {in_words(error['input'])}"


def _discriminator(error: ErrorDetails) -> str:
    return str(error["ctx"]["discriminator"]).strip("'")


def _must(error: ErrorDetails) -> str:
    """What must hold, to be read after `must`."""
    kind = error["type"].removesuffix("_parsing").removesuffix("_type").removesuffix("_from_float")
    return _MUST.get(kind) or error["msg"].removeprefix("Input should ")


_MUST = {
    "tuple": "be a list",
    "dict": "be a mapping of keys",
    "model": "be a mapping of keys",
    "model_attributes": "be a mapping of keys",
    "string": "be a text",
    "bool": "be true or false",
    "int": "be an integer",
    "float": "be a number",
    "string_too_short": "have at least one character",
    "too_short": "have at least one value",
}


def reachable(tree: Any, location: Sequence[int | str]) -> Location:
    """The part of a pydantic location that names keys of the tree (tags of unions are no keys)."""
    found: list[int | str] = []
    node = tree
    for step in location:
        keys: dict[Any, Any] = dict(enumerate(node)) if isinstance(node, list) else node
        if isinstance(keys, dict) and step in keys:
            node = keys[step]
            found.append(step)
    return tuple(found)


def in_words(value: Any) -> str:
    """What a value is, in the words of YAML."""
    if isinstance(value, bool | int | float | str | None):
        return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    kind = "mapping" if isinstance(value, Mapping) else "list"
    return f"a {kind}" if value else f"an empty {kind}"


def _keys(kind: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Keys that may stand at `location` of a type."""
    candidates: list[Any] = [kind]
    for step in location:
        candidates = [inner for candidate in candidates for inner in _inside(candidate, step)]
    return [name for candidate in candidates if _is_model(candidate) for name in candidate.model_fields]


def _is_model(candidate: Any) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)


def _inside(candidate: Any, step: int | str) -> list[Any]:
    """Types found by going one step of a location into a type; a union's tag keeps the variant that carries it."""
    if _is_model(candidate):
        if step in candidate.model_fields:
            return _variants(candidate.model_fields[str(step)].annotation)
        tagged = any(step in get_args(field.annotation) for field in candidate.model_fields.values())
        return [candidate] if tagged else []
    origin, arguments = get_origin(candidate), get_args(candidate)
    if origin in (dict, Mapping, tuple, list) and arguments:
        return _variants(arguments[-1] if arguments[-1] is not Ellipsis else arguments[0])
    return []


def _variants(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _variants(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for argument in get_args(annotation) for inner in _variants(argument)]
    return [] if origin is Literal else [annotation]
