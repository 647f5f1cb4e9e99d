"""Validation messages: pydantic's errors about a YAML mapping in words, one per value."""

import types
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from hinet_search.common.errors import gone_or_similar, shortened
from hinet_search.common.gone import gone

Location = tuple[int | str, ...]


def problems_in_words(
    kind: type[BaseModel], values: Mapping[Any, Any], errors: Sequence[ErrorDetails]
) -> list[tuple[Location, str]]:
    """Return location and text of each problem.

    A value that fits no member of a union is one problem, not one per member.
    """
    by_value: dict[Location, list[ErrorDetails]] = {}
    for error in errors:
        if error["type"] == "too_short" and error["input"]:
            continue  # its items are invalid, and each of them has its own error
        by_value.setdefault(_before_member(values, error), []).append(error)
    problems: list[tuple[Location, str]] = []
    for at, value_errors in by_value.items():
        inner: list[ErrorDetails] = [
            {**error, "loc": (*at, *error["loc"][len(at) + 1 :])}
            for error in value_errors
            if len(error["loc"]) > len(at) + 1
        ]
        if inner:  # the value has the type of that member, but is invalid inside
            problems += problems_in_words(kind, values, inner)
        elif len(value_errors) > 1:
            problems.append((at, _no_member_fits(values, at, value_errors)))
        else:
            problems.append((value_errors[0]["loc"], _sentence(kind, values, value_errors[0])))
    return problems


def _no_member_fits(
    values: Mapping[Any, Any], location: Location, errors: Sequence[ErrorDetails]
) -> str:
    """Describe a value that fits no member of a union; `errors` has one error per member."""
    must = [_must(errors[0]), *(_must(error).removeprefix("be ") for error in errors[1:])]
    got = in_words(errors[0]["input"])
    return f"{_dotted(values, location)}: must {', '.join(must[:-1])} or {must[-1]}, got {got}"


def _before_member(values: Mapping[Any, Any], error: ErrorDetails) -> Location:
    """Return an error's location up to the member of a union.

    For `fixed.x.tuple[int, ...].0` it is `fixed.x`. A member that is a model has the name of its
    class, as in `transforms.x.CycleDefinition.cycle`.
    """
    location = error["loc"]
    is_missing = error["type"] == "missing"  # its last step is the key, which values do not have
    for index, step in enumerate(location):
        reached = reachable(values, location[: index + 1])
        is_key = reached[-1:] == (step,) and len(reached) > len(reachable(values, location[:index]))
        is_member = "[" in str(step) or str(step)[:1].isupper()
        is_end = index == len(location) - 1 and not is_missing
        if not is_key and (is_member or is_end):
            return location[:index]
    return location


def _dotted(values: Mapping[Any, Any], location: Location) -> str:
    """Join the keys of a location as in the file, without pydantic's tags of union members."""
    keys_in_file: list[str] = []
    node: Any = values
    for step in location:
        keys: Any = dict(enumerate(node)) if isinstance(node, list) else node
        if isinstance(keys, dict) and step not in keys and step in keys.values():
            continue  # the value of `kind` or `by`
        node = keys.get(step) if isinstance(keys, dict) else None
        if step != "[key]":
            keys_in_file.append(str(step))
    return ".".join(keys_in_file)


def _sentence(kind: type[BaseModel], values: Mapping[Any, Any], error: ErrorDetails) -> str:
    """Describe one problem; for an unknown key, suggest the nearest known one."""
    location = error["loc"]
    key = _dotted(values, location)
    parent = _dotted(values, location[:-1])
    if error["type"] == "invalid_key" or location[-1:] == ("[key]",):
        return _wrong_key(values, error)
    if error["type"] == "extra_forbidden":
        inside = f" in '{parent}'" if parent else ""
        unknown = str(location[-1])
        hint = gone_or_similar(unknown, _keys(kind, location[:-1]))
        return f"unknown key '{unknown}'{inside}{hint}"
    if error["type"] == "missing":
        return f"key '{key}' is needed and missing"
    if error["type"].startswith("union_tag_"):
        return _wrong_tag(key, error)
    if error["type"] == "value_error":
        message = error["msg"].removeprefix("Value error, ")
        return message if not key or message.startswith(str(location[-1])) else f"{key}: {message}"
    got = error["input"]
    reason = gone(got) if isinstance(got, str) else ""
    return f"{key}: must {_must(error)}, got {in_words(got)}{f'; {reason}' if reason else ''}"


def _wrong_tag(key: str, error: ErrorDetails) -> str:
    """Describe a missing or unknown value of the key that tells the members of a union apart."""
    if error["type"] == "union_tag_not_found":
        return f"key '{key}.{_discriminator(error)}' is needed and missing"
    known = [tag.strip("' ") for tag in error["ctx"]["expected_tags"].split(",")]
    got = str(error["ctx"]["tag"])
    return (
        f"{key}.{_discriminator(error)}: must be one of {', '.join(known)}, "
        f"got '{got}'{gone_or_similar(got, known)}"
    )


def _wrong_key(values: Mapping[Any, Any], error: ErrorDetails) -> str:
    """Describe a key that is a number, true or false, or an empty text."""
    location = error["loc"]
    of_mapping = location[:-2] if location[-1] == "[key]" else location[:-1]
    inside = f" in '{_dotted(values, of_mapping)}'" if of_mapping else ""
    if error["type"] == "string_too_short":
        return f"keys{inside} must have at least one character"
    return f"keys{inside} must be texts, got {in_words(error['input'])}; write it in quotes"


def _discriminator(error: ErrorDetails) -> str:
    return str(error["ctx"]["discriminator"]).strip("'")


def _must(error: ErrorDetails) -> str:
    """Return the requirement as the words after `must`."""
    if error["type"] == "too_long":
        return f"have at most {error['ctx']['max_length']} values"
    kind = error["type"].removesuffix("_parsing").removesuffix("_type").removesuffix("_from_float")
    return _MUST.get(kind) or error["msg"].removeprefix("Input should ")


_MUST = {
    "tuple": "be a list",
    "dict": "be a mapping of keys",
    "model": "be a mapping of keys",
    "model_attributes": "be a mapping of keys",
    "string": "be a text",
    "callable": "be a function",
    "bool": "be true or false",
    "int": "be an integer",
    "float": "be a number",
    "string_too_short": "have at least one character",
    "too_short": "have at least one value",
}


def reachable(tree: Any, location: Sequence[int | str]) -> Location:
    """Return the keys of the tree in a pydantic location, without the tags of unions."""
    path: list[int | str] = []
    node = tree
    for step in location:
        keys: dict[Any, Any] = dict(enumerate(node)) if isinstance(node, list) else node
        if isinstance(keys, dict) and step in keys:
            node = keys[step]
            path.append(step)
    return tuple(path)


def in_words(value: Any) -> str:
    """Describe a value in the terms of YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | str):
        return shortened(repr(value))
    if not isinstance(value, Mapping | list | tuple):
        return f"a value of type {type(value).__qualname__}"
    kind = "mapping" if isinstance(value, Mapping) else "list"
    return f"a {kind}" if value else f"an empty {kind}"


def _keys(kind: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """List the keys that are allowed at `location` of a type."""
    candidates: list[Any] = [kind]
    for step in location:
        inner = [_inside(candidate, step) for candidate in candidates]
        candidates = list(chain.from_iterable(inner))
    models = filter(_is_model, candidates)
    return list(chain.from_iterable(model.model_fields for model in models))


def _is_model(candidate: Any) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)


def _inside(candidate: Any, step: int | str) -> list[Any]:
    """Return the types one step inside a type; the tag of a union selects its variant."""
    if _is_model(candidate):
        if step in candidate.model_fields:
            return _variants(candidate.model_fields[str(step)].annotation)
        tagged = any(
            step in get_args(field.annotation) for field in candidate.model_fields.values()
        )
        return [candidate] if tagged else []
    origin = get_origin(candidate)
    arguments = get_args(candidate)
    if origin in (dict, Mapping, tuple, list) and arguments:
        *_, item = (each for each in arguments if each is not Ellipsis)
        return _variants(item)
    return []


def _variants(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _variants(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return list(chain.from_iterable(map(_variants, get_args(annotation))))
    return [] if origin is Literal else [annotation]
