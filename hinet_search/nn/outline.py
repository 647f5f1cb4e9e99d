"""Outline of a model: its parts as a tree, with what each gives out, how many parameters it has and what it costs.

Found by running the model, so it holds for every model without a line of code in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hinet_search.insight import ModelPart
from hinet_search.nn.measure import ROWS_PER_SCENARIO, evaluating, on_device_of, synthetic_batch
from hinet_search.schema import Schema

MAXIMUM_DEPTH = 3
WIDTH = 100
COLUMNS = ("{:<46}", "{:>20}", "{:>12}", "{:>12}")

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class OutlineRow:
    """One part. In `shape` the letter B stands for the rows of a batch; `alike` counts equal parts beside one another."""

    name: str
    depth: int
    kind: str
    shape: tuple[int | str, ...]
    parameters: int
    flops_per_row: int
    alike: int = 1


def outline(model: nn.Module, schema: Schema) -> tuple[OutlineRow, ...]:
    """The parts that have parameters, to a depth of three, each after the part that it belongs to."""
    rows = ROWS_PER_SCENARIO * schema.num_scenarios
    shapes, flops = _run(model, schema, rows)
    larger, _ = _run(model, schema, 2 * rows)

    def row(name: str, path: str, module: nn.Module, depth: int) -> OutlineRow:
        shape = tuple("B" if size != after else size for size, after in zip(shapes[path], larger[path], strict=True))
        parameters = sum(parameter.numel() for parameter in module.parameters())
        return OutlineRow(name, depth, type(module).__name__, shape, parameters, round(flops.get(path, 0) / rows))

    def below(path: str, module: nn.Module, depth: int) -> tuple[OutlineRow, ...]:
        parts = [
            (row(name, f"{path}{name}", part, depth), *below(f"{path}{name}.", part, depth + 1))
            for name, part in _parts(module)
            if depth <= MAXIMUM_DEPTH and f"{path}{name}" in shapes and any(True for _ in part.parameters())
        ]
        return tuple(row for part in _merge_alike(parts) for row in part)

    name = type(model).__module__.rsplit(".", maxsplit=1)[-1]
    return (row(name, "", model, 0), *below("", model, 1))


def parts(rows: tuple[OutlineRow, ...]) -> tuple[ModelPart, ...]:
    """The outline as a record keeps it, without the model itself."""
    return tuple(_part(row) for row in rows[1:])


def _part(row: OutlineRow) -> ModelPart:
    sizes = [size for size in row.shape[:-1] if isinstance(size, int)]
    count = row.alike * prod(sizes)
    width = row.shape[-1] if isinstance(row.shape[-1], int) else 1
    return ModelPart(row.name, row.kind, row.depth, count, width, row.alike * row.parameters)


def draw(rows: tuple[OutlineRow, ...]) -> str:
    """The outline as text, at most 100 characters wide."""
    lines = [_line("", "output", "parameters", "FLOPs a row")]
    for number, row in enumerate(rows):
        name = f"{row.name} × {row.alike}" if row.alike > 1 else row.name
        label = f"{_branches(rows, number)}{name}  {row.kind}" if row.depth else name
        shape = f"({', '.join(str(size) for size in row.shape)})"
        lines.append(_line(label, shape, f"{row.parameters:,}", f"{row.flops_per_row:,}" if row.flops_per_row else "·"))
    rule = "─" * max(map(len, lines))
    legend = "B = rows of a batch. × n: n alike, figures of one. A multiply-add counts 2 FLOPs."
    return "\n".join([lines[0], rule, *lines[1:], rule, legend])


def _line(*texts: str) -> str:
    return "  ".join(form.format(text) for form, text in zip(COLUMNS, texts, strict=True))[:WIDTH].rstrip()


def _branches(rows: tuple[OutlineRow, ...], number: int) -> str:
    """The tree's lines left of a name: a level goes on below when a later row of that depth has the same parent."""

    def goes_on(depth: int) -> bool:
        following = next((row.depth for row in rows[number + 1 :] if row.depth <= depth), 0)
        return following == depth

    above = "".join("│  " if goes_on(depth) else "   " for depth in range(1, rows[number].depth))
    return above + ("├─ " if goes_on(rows[number].depth) else "└─ ")


def _parts(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Children by name; a list is no part of its own, its members are."""
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            yield from _parts(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _merge_alike(parts: list[tuple[OutlineRow, ...]]) -> list[tuple[OutlineRow, ...]]:
    """Neighbours that differ only in their names become one with a count, under the name of their list."""
    merged: list[tuple[OutlineRow, ...]] = []
    for part in parts:
        head = merged[-1][0] if merged else None
        same_list = head is not None and "." in part[0].name and _list_name(part[0]) == _list_name(head)
        if head is not None and same_list and _facts(part) == _facts(merged[-1]):
            merged[-1] = (replace(head, name=_list_name(head), alike=head.alike + 1), *merged[-1][1:])
        else:
            merged.append(part)
    return merged


def _list_name(row: OutlineRow) -> str:
    return row.name.split(".", maxsplit=1)[0]


def _facts(part: tuple[OutlineRow, ...]) -> list[OutlineRow]:
    return [replace(part[0], name="", alike=1), *part[1:]]


def _run(model: nn.Module, schema: Schema, rows: int) -> tuple[Shapes, dict[str, int]]:
    """Output shapes and FLOPs by path of the part; the model itself is the empty path."""
    shapes: Shapes = {}

    def note(path: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            last = output if isinstance(output, Tensor) else output[-1]
            shapes[path] = tuple(last.shape)

        return hook

    handles = [module.register_forward_hook(note(path)) for path, module in model.named_modules()]
    counter = FlopCounterMode(display=False)
    try:
        with evaluating(model), counter:
            model(on_device_of(model, synthetic_batch(schema, rows, seed=0)))
    finally:
        for handle in handles:
            handle.remove()
    root = type(model).__name__
    counts = {path: sum(by_operator.values()) for path, by_operator in counter.get_flop_counts().items()}
    return shapes, {path.removeprefix(root).removeprefix("."): count for path, count in counts.items()}
