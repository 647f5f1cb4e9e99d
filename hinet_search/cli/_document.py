"""Documents: what --json prints. Every one has `schema` and `kind`; a key may be added within a schema, none is changed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import click

SCHEMA = 1


def print_document(kind: str, **content: Any) -> None:
    """One document on stdout, indented."""
    click.echo(json.dumps(document(kind, content), indent=1, ensure_ascii=False, default=_plain))


def print_line(kind: str, **content: Any) -> None:
    """One document on one line, for a stream of them."""
    click.echo(json.dumps(document(kind, content), ensure_ascii=False, default=_plain))


def document(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content behind its schema and kind."""
    return {"schema": SCHEMA, "kind": kind, **content}


def _plain(value: Any) -> Any:
    """Dataclasses as mappings, paths as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a document")
