"""Outline of a model: its parts as a tree, each with output shape, parameters and FLOPs.

Measured with forward hooks while the model runs, so it works for every model as it is.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from math import prod
from typing import Any

from torch import Tensor, nn

from hinet_search.common.terminal import table_text
from hinet_search.data.schema import Schema
from hinet_search.models.layers.measure import (
    ROWS_PER_SCENARIO,
    MatrixProducts,
    evaluating,
    on_device_of,
    synthetic_batch,
)
from hinet_search.results.records import ModelPart

MAXIMUM_DEPTH = 3
WIDTH = 100

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class OutlineRow:
    """One part of a model.

    In `shape` the letter B is the number of rows of a batch. `num_alike` counts equal parts of a
    list; the other figures are of one of them.
    """

    name: str
    depth: int
    kind: str
    shape: tuple[int | str, ...]
    parameters: int
    flops_per_row: int
    num_alike: int = 1


def outline(model: nn.Module, schema: Schema) -> tuple[OutlineRow, ...]:
    """Return the model and its parts that have parameters, parents first, to a depth of three."""
    name = type(model).__module__.rsplit(".", maxsplit=1)[-1]
    run = _MeasuredRun(model, schema)
    return (run.row(name, "", model, 0), *_rows_below(run, "", model, 1))


def parts(rows: tuple[OutlineRow, ...]) -> tuple[ModelPart, ...]:
    """Return the outline as stored in a record, without the row of the model itself."""
    return tuple(_part(row) for row in rows[1:])


def _part(row: OutlineRow) -> ModelPart:
    sizes = [size for size in row.shape[:-1] if isinstance(size, int)]
    count = row.num_alike * prod(sizes)
    width = row.shape[-1] if isinstance(row.shape[-1], int) else 1
    return ModelPart(row.name, row.kind, row.depth, count, width, row.num_alike * row.parameters)


def draw(rows: tuple[OutlineRow, ...]) -> str:
    """Return the outline as text, at most 100 characters wide."""
    table = []
    for number, row in enumerate(rows):
        name = f"{row.name} × {row.num_alike}" if row.num_alike > 1 else row.name
        label = f"{_branches(rows, number)}{name}  {row.kind}" if row.depth else name
        shape = f"({', '.join(str(size) for size in row.shape)})"
        table.append(
            (
                label,
                shape,
                f"{row.parameters:,}",
                f"{row.flops_per_row:,}" if row.flops_per_row else "·",
            )
        )
    header = ("", "output", "parameters", "FLOPs a row")
    first, *rest = table_text(table, header, right={1, 2, 3}, width=WIDTH).splitlines()
    rule = "─" * max(map(len, [first, *rest]))
    legend = (
        "B = rows of a batch. × n = n equal parts, with the figures of one. "
        "A multiply-add counts 2 FLOPs."
    )
    return "\n".join([first, rule, *rest, rule, legend])


def _branches(rows: tuple[OutlineRow, ...], number: int) -> str:
    """Return the tree's lines to the left of a name.

    The line of a level continues if a later row of that depth has the same parent.
    """

    def continues(depth: int) -> bool:
        following = next((row.depth for row in rows[number + 1 :] if row.depth <= depth), 0)
        return following == depth

    depth = rows[number].depth
    above = "".join("│  " if continues(level) else "   " for level in range(1, depth))
    return above + ("├─ " if continues(depth) else "└─ ")


def _rows_below(
    run: "_MeasuredRun", path: str, module: nn.Module, depth: int
) -> tuple[OutlineRow, ...]:
    """Return the rows of a module's parts; `path` is the module's, with a dot at its end."""
    if depth > MAXIMUM_DEPTH:
        return ()
    subtrees = []
    for name, child in _children(module):
        child_path = f"{path}{name}"
        if child_path in run.shapes and next(child.parameters(), None) is not None:
            row = run.row(name, child_path, child, depth)
            subtrees.append((row, *_rows_below(run, f"{child_path}.", child, depth + 1)))
    return tuple(chain.from_iterable(_merge_alike(subtrees)))


def _children(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield children by name; instead of a list, yield its members."""
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            yield from _children(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _merge_alike(subtrees: list[tuple[OutlineRow, ...]]) -> list[tuple[OutlineRow, ...]]:
    """Merge neighbours of one list that differ only in their names; they get the list's name."""
    merged: list[tuple[OutlineRow, ...]] = []
    for subtree in subtrees:
        if merged and _are_alike(merged[-1], subtree):
            head, *below = merged[-1]
            head = replace(head, name=_list_name(head), num_alike=head.num_alike + 1)
            merged[-1] = (head, *below)
        else:
            merged.append(subtree)
    return merged


def _are_alike(previous: tuple[OutlineRow, ...], subtree: tuple[OutlineRow, ...]) -> bool:
    head = subtree[0]
    in_same_list = "." in head.name and _list_name(head) == _list_name(previous[0])
    return in_same_list and _without_name(subtree) == _without_name(previous)


def _list_name(row: OutlineRow) -> str:
    return row.name.split(".", maxsplit=1)[0]


def _without_name(subtree: tuple[OutlineRow, ...]) -> list[OutlineRow]:
    return [replace(subtree[0], name="", num_alike=1), *subtree[1:]]


class _MeasuredRun:
    """Output shapes and FLOPs of a model's parts by their path; the model itself has path ""."""

    def __init__(self, model: nn.Module, schema: Schema) -> None:
        self.num_rows = ROWS_PER_SCENARIO * schema.num_scenarios
        self.shapes, self._flops = _run(model, schema, self.num_rows)
        self._shapes_of_twice_the_rows, _ = _run(model, schema, 2 * self.num_rows)

    def row(self, name: str, path: str, module: nn.Module, depth: int) -> OutlineRow:
        sizes = zip(self.shapes[path], self._shapes_of_twice_the_rows[path], strict=True)
        shape = tuple(size if size == doubled else "B" for size, doubled in sizes)
        parameters = sum(parameter.numel() for parameter in module.parameters())
        flops_per_row = round(self._flops.get(path, 0) / self.num_rows)
        return OutlineRow(name, depth, type(module).__name__, shape, parameters, flops_per_row)


def _run(model: nn.Module, schema: Schema, num_rows: int) -> tuple[Shapes, dict[str, int]]:
    """Return output shapes and FLOPs of the parts, by path."""
    shapes: Shapes = {}
    flops: dict[str, int] = defaultdict(int)
    counter = MatrixProducts()

    def before(path: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any) -> None:
            flops[path] -= counter.flops

        return hook

    def after(path: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            flops[path] += counter.flops
            last = output if isinstance(output, Tensor) else output[-1]
            shapes[path] = tuple(last.shape)

        return hook

    handles = []
    for path, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(before(path)))
        handles.append(module.register_forward_hook(after(path)))
    try:
        with evaluating(model), counter:
            model(on_device_of(model, synthetic_batch(schema, num_rows, seed=0)))
    finally:
        for handle in handles:
            handle.remove()
    return shapes, flops
