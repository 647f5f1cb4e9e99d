"""Damage: functions that change an exported folder in place, one for each kind of damage."""

import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors.numpy import load_file, save_file

from hinet_search.serving.model_file import HEAD
from hinet_search.study.yaml_file import read, written

Damage = Callable[[Path], object]
PLAIN_TYPES = (pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date, pl.Null)
TYPES = (*PLAIN_TYPES, pl.List(pl.Int64), pl.Decimal(38, 2))

NUMBERS = (-1, 0, 3, 2.5, 10**30, -(10**30), 1e308)
VALUES = (None, [], {}, "x", "", *NUMBERS, True, [None], {"x": None}, ["x"] * 3)


def files_of(folder: Path) -> list[str]:
    """Names of the files that a model is read from."""
    names = [
        path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()
    ]
    return [name for name in names if name not in ("manifest.json", "card.md")]


def of_files(
    folder: Path, generator: random.Random, num_flips: int
) -> Iterator[tuple[str, Damage]]:
    """Files that are gone, shorter, changed, something else, or another's."""
    names = files_of(folder)
    changes: dict[str, Damage] = {
        "deleted": Path.unlink,
        "emptied": lambda path: path.write_bytes(b""),
        "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
        "a folder": lambda path: (path.unlink(), path.mkdir()),
        "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
        "a link": link,
    }
    for name in names:
        for what, change in changes.items():
            yield f"{name} {what}", lambda at, name=name, change=change: change(at / name)
        other = generator.choice([candidate for candidate in names if candidate != name])
        yield (
            f"{name} is {other}",
            lambda at, name=name, other=other: shutil.copy(at / other, at / name),
        )
    for number in range(num_flips):
        name, seed = generator.choice(names), generator.random()
        yield f"{name} flipped {number}", lambda at, name=name, seed=seed: flip(at / name, seed)


def of_settings(folder: Path) -> Iterator[tuple[str, Damage]]:
    """Every key of config.yaml that is gone, or holds something else."""
    tree = read(folder / "config.yaml").tree
    for at in _locations(tree):
        yield f"{at} removed", lambda folder, at=at: _edit(folder, at, None, removed=True)
        for value in VALUES:
            yield (
                f"{at} = {str(value)[:20]}",
                lambda folder, at=at, value=value: _edit(folder, at, value),
            )


def of_weights(name: str) -> Iterator[tuple[str, Damage]]:
    """Tensors with other numbers, names, shapes and types."""
    for tensor in ("first", "last"):
        for number in (float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 0.0):
            yield (
                f"{tensor} tensor {number}",
                lambda at, tensor=tensor, number=number: _fill(at / name, tensor, number),
            )
    for text, change in (
        ("float64", lambda array: array.astype(np.float64)),
        ("int64", lambda array: array.astype(np.int64)),
        ("flat", lambda array: array.ravel()),
        ("short", lambda array: array[:-1]),
        ("empty", lambda array: array[:0]),
    ):
        yield f"tensors {text}", lambda at, change=change: _change(at / name, change)
    yield (
        "a header of 2**62 bytes",
        lambda at: (at / name).write_bytes((2**62).to_bytes(8, "little") + b"{}"),
    )
    yield (
        "an extra tensor",
        lambda at: save_file({**load_file(at / name), "x": np.zeros(3)}, at / name),
    )
    yield "no tensor", lambda at: save_file({}, at / name)


def of_tables(folder: Path) -> Iterator[tuple[str, Damage]]:
    """Tables with other rows, columns and types."""
    for path in sorted((folder / "encoding").iterdir()):
        name, table = path.name, pl.read_parquet(path)
        changed: dict[str, pl.DataFrame] = {
            "twice": pl.concat([table, table]),
            "reversed": table.reverse(),
            "no rows": table.clear(),
            "half": table.head(len(table) // 2),
            "more": table.with_columns(x=pl.lit(1)),
            "no columns": table.select([]),
            "nulls": table.with_columns(
                pl.lit(None, dtype).alias(name) for name, dtype in table.schema.items()
            ),
        }
        for column, dtype in table.schema.items():
            for other in TYPES:
                values = pl.lit(None, other) if other != dtype else pl.first()
                changed[f"{column} {other}"] = table.with_columns(values.alias(column))
            if dtype.is_numeric():
                for number in (-1, 2**31 - 1, float("nan"), float("inf")):
                    changed[f"{column} {number}"] = table.with_columns(pl.lit(number).alias(column))
                changed[f"{column} high"] = table.with_columns(
                    (pl.col(column).cast(pl.Int64) + 2**62).alias(column)
                )
        for text, other in changed.items():
            yield (
                f"{name} {text}",
                lambda at, name=name, other=other: other.write_parquet(at / "encoding" / name),
            )


def flip(path: Path, seed: float) -> None:
    """Change the bytes at one to eight places of a file."""
    generator, content = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(generator.randint(1, 8)):
        content[generator.randrange(len(content))] = generator.randrange(256)
    path.write_bytes(content)


def link(path: Path) -> None:
    """Move the file outside and put a link in its place."""
    outside = path.parents[2] / f"outside-{path.name}"
    path.replace(outside)
    path.symlink_to(outside)


def _locations(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner: Any = ()
    if isinstance(tree, Mapping):
        inner = tree.items()
    elif isinstance(tree, list):
        inner = enumerate(tree)
    for key, value in inner:
        yield (*at, key)
        yield from _locations(value, (*at, key))


def _edit(folder: Path, at: tuple[Any, ...], value: object, *, removed: bool = False) -> None:
    path = folder / "config.yaml"
    tree: Any = read(path).tree
    node = tree
    for step in at[:-1]:
        node = node[step]
    if removed:
        del node[at[-1]]
    else:
        node[at[-1]] = value
    path.write_text(HEAD + written(tree))


def _fill(path: Path, which: str, number: float) -> None:
    tensors = load_file(path)
    floats = [name for name, array in tensors.items() if array.dtype.kind == "f" and array.size]
    place = 0 if which == "first" else -1
    if floats:
        tensors[floats[place]].flat[0] = number
    else:
        name = list(tensors)[place]
        text = tensors[name].tobytes().replace(b"leaf_value=", f"leaf_value={number} ".encode(), 1)
        tensors[name] = np.frombuffer(text, np.uint8)
    save_file(tensors, path)


def _change(path: Path, change: Callable[[Any], Any]) -> None:
    save_file(
        {name: np.ascontiguousarray(change(array)) for name, array in load_file(path).items()}, path
    )
