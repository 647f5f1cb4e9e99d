"""Measures of a model: how many parameters it has and how much work a row takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.schema import Batch, Schema

ROWS_PER_SCENARIO = 8
REPEATS = 50


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Numbers of parameters: (all, without feature embeddings)."""
    total = sum(parameter.numel() for parameter in model.parameters())
    embeddings = [module for module in model.modules() if isinstance(module, FeatureEmbedding)]
    return total, total - sum(parameter.numel() for module in embeddings for parameter in module.parameters())


def flops_per_row(model: nn.Module, schema: Schema) -> int:
    """FLOPs of matrix products in one forward row, rows spread evenly over scenarios; a multiply-add counts 2."""
    rows = ROWS_PER_SCENARIO * schema.num_scenarios
    counter = MatrixProducts()
    with evaluating(model), counter:
        model(on_device_of(model, synthetic_batch(schema, rows, seed=0)))
    return round(counter.flops / rows)


def milliseconds(score: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time of a call, after one that is not counted. `score` returns when its result is there."""
    score()
    times = []
    for _ in range(repeats):
        started = perf_counter()
        score()
        times.append(perf_counter() - started)
    return 1000 * median(times)


class MatrixProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Counts the FLOPs of matrix products inside, by torch's own formulas but without its record of modules."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops: int = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here: torch need not load its compiler, which takes a second, to leave this out."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func.overloadpacket):
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result


def synthetic_batch(schema: Schema, rows: int, seed: int) -> Batch:
    """Rows of random ids and standard normal numerics on the CPU; scenarios take turns, so M rows have all of them."""
    generator = torch.Generator().manual_seed(seed)
    sizes = schema.vocabulary_sizes
    lists = [torch.randint(sizes[one.field], (rows, one.length), generator=generator) for one in schema.lists]
    columns = [torch.randint(size, (rows, 1), generator=generator) for size in sizes]
    empty = torch.empty(rows, 0, dtype=torch.int64)
    return Batch(
        ids_BF=torch.cat([empty, *columns], dim=-1),
        numeric_BN=torch.randn(rows, len(schema.numeric), generator=generator),
        scenario_B=torch.arange(rows) % schema.num_scenarios,
        lists_BS=torch.cat([empty, *lists], dim=-1),
    )


def on_device_of(model: nn.Module, batch: Batch) -> Batch:
    """The batch where the model's parameters are, numerics in their type."""
    like = next(model.parameters())
    return Batch(
        batch.ids_BF.to(like.device),
        batch.numeric_BN.to(device=like.device, dtype=like.dtype),
        batch.scenario_B.to(like.device),
        batch.lists_BS.to(like.device),
    )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """In evaluation mode for a while: measuring must not draw from the generator that training uses."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
