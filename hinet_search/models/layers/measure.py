"""Measures of a model: its number of parameters and the work for a row."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.embedding import FeatureEmbedding

ROWS_PER_SCENARIO = 8
REPEATS = 20


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
    lists = [
        torch.randint(sizes[field.field], (rows, field.length), generator=generator)
        for field in schema.lists
    ]
    columns = [
        torch.randint(size, (rows, 1), generator=generator) for size in sizes[: schema.num_fields]
    ]
    empty = torch.empty(rows, 0, dtype=torch.int64)
    return Batch(
        ids_BF=torch.cat([empty, *columns], dim=-1),
        numeric_BN=torch.randn(rows, len(schema.numeric), generator=generator),
        scenario_B=torch.arange(rows) % schema.num_scenarios,
        lists_BS=torch.cat([empty, *lists], dim=-1),
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
