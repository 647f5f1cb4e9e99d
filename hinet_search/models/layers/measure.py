"""Measures of a model: its parameters and the work for a row, of the whole and of its parts.

Parts are measured with forward hooks while the model runs, so it works for every model as it is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, groupby
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from hinet_search.common.terminal import table_text
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.embedding import FeatureEmbedding

ROWS_PER_SCENARIO = 8
REPEATS = 20
MAXIMUM_DEPTH = 3  # of an outline
WIDTH = 100

Shapes = dict[str, tuple[int, ...]]


@contextmanager
def without_weights() -> Iterator[None]:
    """Within it, modules are built without memory for weights: they can be counted, not run."""
    with torch.device("meta"), _NoInitialisation():
        yield


class _NoInitialisation(TorchFunctionMode):
    """Skips the drawing of weights: on the meta device torch would load its compiler, in 1 s."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if function in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        if getattr(function, "__module__", "") == nn.init.__name__:
            return named["tensor"]
        return function(*args, **named)


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return the numbers of parameters: (all, without feature embeddings)."""
    total = sum(parameter.numel() for parameter in model.parameters())
    in_embeddings = 0
    for module in model.modules():
        if isinstance(module, FeatureEmbedding):
            in_embeddings += sum(each.numel() for _, each in module.embedding_parameters())
    return total, total - in_embeddings


def flops_per_row(model: nn.Module, schema: Schema) -> int:
    """Return the FLOPs of matrix products in the forward pass of a row.

    A mean over rows spread evenly over scenarios; a multiply-add counts 2.
    """
    rows = ROWS_PER_SCENARIO * schema.num_scenarios
    counter = MatrixProducts()
    with evaluating(model), counter:
        model(on_device_of(model, synthetic_batch(schema, rows, seed=0)))
    return round(counter.flops / rows)


def milliseconds(score: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median time of a synchronous call of `score`, after a warm-up call."""
    score()
    seconds = []
    for _ in range(repeats):
        started = perf_counter()
        score()
        seconds.append(perf_counter() - started)
    return 1000 * median(seconds)


class MatrixProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Count the FLOPs of matrix products by torch's formulas, without its accounting by module."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops: int = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False, so that torch does not load its compiler, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named_args = kwargs or {}
        result = func(*args, **named_args)
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **named_args, out_val=result)
        return result


def synthetic_batch(schema: Schema, rows: int, seed: int) -> Batch:
    """Return rows of random ids and standard normal numeric inputs, on the CPU.

    Scenarios alternate, so that any M consecutive rows have all of them.
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = schema.vocabulary_sizes
    empty = torch.empty(rows, 0, dtype=torch.int64)
    lists = [empty]
    for list_field in schema.lists:
        shape = (rows, list_field.length)
        lists.append(torch.randint(sizes[list_field.field], shape, generator=generator))
    columns = [
        torch.randint(size, (rows, 1), generator=generator) for size in sizes[: schema.num_fields]
    ]
    return Batch(
        ids_BF=torch.cat([empty, *columns], dim=-1),
        numeric_BN=torch.randn(rows, len(schema.numeric), generator=generator),
        scenario_B=torch.arange(rows) % schema.num_scenarios,
        lists_BS=torch.cat(lists, dim=-1),
    )


def on_device_of(model: nn.Module, batch: Batch) -> Batch:
    """Move the batch to the model's device and its numeric inputs to the model's float type."""
    parameter = next(model.parameters())
    device = parameter.device
    return Batch(
        batch.ids_BF.to(device),
        batch.numeric_BN.to(device=device, dtype=parameter.dtype),
        batch.scenario_B.to(device),
        batch.lists_BS.to(device),
    )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model in evaluation mode inside, so that measuring draws no random numbers."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


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


def draw(rows: tuple[OutlineRow, ...]) -> str:
    """Return the outline as text, at most 100 characters wide."""
    table = []
    for number, row in enumerate(rows):
        name = f"{row.name} × {row.num_alike}" if row.num_alike > 1 else row.name
        label = f"{_branches(rows, number)}{name}  {row.kind}" if row.depth else name
        shape = f"({', '.join(map(str, row.shape))})"
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
    merged = []  # of neighbours in one list that differ only in their names, which get the list's
    for _, neighbours in groupby(subtrees, key=_without_number):
        alike = list(neighbours)
        head, *below = alike[0]
        if len(alike) > 1:
            head = replace(head, name=head.name.partition(".")[0], num_alike=len(alike))
        merged.append((head, *below))
    return tuple(chain.from_iterable(merged))


def _children(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield children by name; instead of a list, yield its members."""
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            yield from _children(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _without_number(subtree: tuple[OutlineRow, ...]) -> tuple[OutlineRow, ...]:
    """Return a subtree whose head has the name of its list and a dot, if it is in one."""
    head, *below = subtree
    list_name, dot, _ = head.name.partition(".")
    return (replace(head, name=list_name + dot), *below)


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
