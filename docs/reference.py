"""Write docs/reference.md from the types and the command line: `python docs/reference.py`."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from hinet_search.cli import cli
from hinet_search.common.plugins import load, names
from hinet_search.results import objectives as objective
from hinet_search.results.metrics import METRICS
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.load_study import MODELS
from hinet_search.study.search_space import SpaceFile
from hinet_search.study.study_spec import EXECUTORS, StudySpec
from hinet_search.training.feature_config import FeatureConfig
from hinet_search.training.train_config import LOSSES, TrainConfig

PAGE = Path(__file__).with_name("reference.md")
COMMAND = "python docs/reference.py"
INTRODUCTION = (
    f"Written by `{COMMAND}` from the types and the command line; edit those. Names are dotted, "
    "NAME is a name of your choice. Guides: [studies and spaces](studies.md), [data](data.md), "
    "[models](models.md)."
)
SOURCES = "hinet_search.data.sources"
WIDTH = 100
CONDITION = "a [condition](studies.md#write-a-space) or null"
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
WORDS = {
    "integer": "integer",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}
NEEDED = object()  # the default of a key that has none

Schema = Mapping[str, Any]
Row = tuple[str, str, str]


def page() -> str:
    """The whole page."""
    parts = [
        "# Reference",
        INTRODUCTION,
        *of_type("A study", StudySpec, told={"data": "a data definition, or the path of one"}),
        *(part for name in names(EXECUTORS) for part in of_plugin("executor", EXECUTORS, name)),
        *of_type("A data definition", DataDefinition),
        *(part for name in names(SOURCES) for part in of_plugin("source", SOURCES, name)),
        *of_type("A space", SpaceFile, told={"when": CONDITION}),
        "## Settings",
        "Names that a space may search and `fixed` may hold.",
        *of_type("train.*", TrainConfig, level=3, prefix="train."),
        losses(),
        *of_type("features.*", FeatureConfig, level=3, prefix="features."),
        "## Models",
        *(part for name in names(MODELS) for part in of_model(name)),
        *objectives(),
        *commands(),
    ]
    return "\n\n".join(parts) + "\n"


def of_type(
    title: str,
    kind: type[BaseModel],
    *,
    level: int = 2,
    prefix: str = "",
    told: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Yield a heading, the type's docstring, its keys, and the docstrings of types inside it."""
    schema = kind.model_json_schema()
    yield f"{'#' * level} {title}"
    yield inspect.cleandoc(kind.__doc__ or "")
    rows = list(rows_of(schema, schema.get("$defs", {}), told or {}))
    if rows:
        lines = [f"| `{prefix}{name}` | {words} | {default} |" for name, words, default in rows]
        yield "\n".join(["| key | is | default |", "|---|---|---|", *lines])
    notes = {
        text: name
        for name, text in reversed(list(notes_of(schema, schema.get("$defs", {}), told or {})))
    }
    for text, name in reversed(notes.items()):
        yield f"`{prefix}{name}`: {text}"


def of_plugin(key: str, package: str, name: str) -> Iterator[str]:
    """The options that a source or an executor adds beside its kind."""
    yield from of_type(f"{key}: {name}", load(package, name).Options, level=3, prefix=f"{key}.")


def of_model(name: str) -> Iterator[str]:
    """What a model is, and its settings."""
    module = load(MODELS, name)
    first, *rest = of_type(name, module.Config, level=3, prefix="model.")
    yield from (first, inspect.cleandoc(module.__doc__).partition("\n")[0], *rest)


def losses() -> str:
    """What the losses are."""
    files = (inspect.cleandoc(load(LOSSES, name).__doc__ or "") for name in names(LOSSES))
    return "\n".join(f"- {text.partition(chr(10))[0]}" for text in files)


def objectives() -> Iterator[str]:
    """Every objective with what it is, and its direction; then what the metrics are."""
    yield "## Objectives"
    head = ["| `objective` | reads | and is its | better |", "|---|---|---|---|"]
    yield "\n".join([*head, *map(of_objective, objective.names() + objective.cell_names())])
    files = (inspect.cleandoc(load(METRICS, name).__doc__ or "") for name in names(METRICS))
    yield "\n".join(f"- {text.partition(chr(10))[0]}" for text in files)


def of_objective(name: str) -> str:
    """The row of an objective: its metric, and how the values of cells become one."""
    read = objective.Objective(name)
    over = (
        inspect.cleandoc(read.average.__doc__ or "") if read.cell is None else "Value of the cell."
    )
    better = "higher" if read.maximize else "lower"
    return f"| `{name}` | {read.metric.words} | {over} | {better} |"


def commands() -> Iterator[str]:
    """What every command prints for --help."""
    yield "## Commands"
    for path, command in walk(cli, "hinet-search"):
        context = command.context_class(
            command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH
        )
        yield f"### {path}"
        yield f"```text\n{command.get_help(context)}\n```"


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """A command and those inside it, with their words."""
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            if (inner := command.get_command(click.Context(command), name)) is not None:
                yield from walk(inner, f"{path} {name}")


def rows_of(
    schema: Schema, types: Schema, told: Mapping[str, str], default: Any = NEEDED
) -> Iterator[Row]:
    """Name, type and default of every key, those inside mappings of known keys too."""
    given = default if isinstance(default, dict) else {}
    for name, field in schema.get("properties", {}).items():
        value = given.get(
            name, field.get("default", NEEDED if name in schema.get("required", ()) else "")
        )
        if name in told:
            yield name, told[name], default_in_words(value)
            continue
        inner = list(inside(name, field, types))
        if not inner and "const" not in field:  # a tag stands in the name already
            yield name, type_in_words(field, types), default_in_words(value)
        for path, words in words_beside(name, field) if inner else ():
            yield path, f"{words} or a mapping", default_in_words(NEEDED)
        for path, variant in inner:
            for below, words, inner_default in rows_of(variant, types, told, value):
                yield f"{path}.{below}", words, inner_default


def notes_of(schema: Schema, types: Schema, told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the types inside a type say of themselves, at their keys."""
    for name, field in schema.get("properties", {}).items():
        for path, variant in inside(name, field, types) if name not in told else ():
            yield path, " ".join(variant["description"].split())
            for below, text in notes_of(variant, types, told):
                yield f"{path}.{below}", text


def inside(name: str, field: Schema, types: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the mappings of known keys that a key may hold; the name of a variant has its tag."""
    if "$ref" in field:
        target = types[field["$ref"].rpartition("/")[2]]
        if target.get("properties"):
            yield name, target
    for option in field.get("anyOf", ()):
        yield from inside(name, option, types)
    for option in field.get("oneOf", ()):
        tag = field["discriminator"]["propertyName"]
        variant = types[option["$ref"].rpartition("/")[2]]
        yield f"{name} ({tag}: {variant['properties'][tag]['const']})", variant
    if isinstance(field.get("additionalProperties"), dict):
        yield from inside(f"{name}.NAME", field["additionalProperties"], types)
    if "items" in field:
        yield from inside(f"{name}[]", field["items"], types)


def words_beside(name: str, field: Schema) -> Iterator[tuple[str, str]]:
    """Yield the words that a key may hold instead of a mapping of known keys."""
    options = field.get("anyOf", ())
    for option in options if any("$ref" in option for option in options) else ():
        if "enum" in option:
            yield name, ", ".join(f"`{word}`" for word in option["enum"])
    if isinstance(field.get("additionalProperties"), dict):
        yield from words_beside(f"{name}.NAME", field["additionalProperties"])


def type_in_words(field: Schema, types: Schema) -> str:
    """What a value must be."""
    if "$ref" in field:
        return type_in_words(types[field["$ref"].rpartition("/")[2]], types)
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(type_in_words(option, types) for option in field["anyOf"]))
    if "const" in field or "enum" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        places = field.get("prefixItems", [])  # of a list of a known length, all of one type
        inner = type_in_words(places[0] if places else field["items"], types)
        number = f"{len(places)} values, each " if places else ""
        return f"list of {number}({inner})" if " or " in inner else f"list of {number}{inner}"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return (
            f"mapping of names to {type_in_words(inner, types)}"
            if isinstance(inner, dict)
            else "mapping"
        )
    limits = [f"{sign} {field[key]:,}" for key, sign in LIMITS.items() if key in field]
    return f"{WORDS[field['type']]} {' and '.join(limits)}".strip()


def default_in_words(value: Any) -> str:
    """A default as YAML has it."""
    if value is NEEDED:
        return "needed"
    if isinstance(value, bool) or value is None:
        return "null" if value is None else f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return f"`{{{', '.join(f'{name}: {inner}' for name, inner in value.items())}}}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if value != "" else "empty"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
