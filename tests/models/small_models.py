"""Small schemas, batches and models in double precision for the tests of models."""

from dataclasses import replace

import torch
from torch import nn

from hinet_search.data.schema import ListField, Schema, SequenceField
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.measure import synthetic_batch
from hinet_search.study.event_definition import SequenceReader

SCHEMA = Schema(("feed", "search", "cart"), ("click", "order"), ("user", "item"), (7, 5), ("age",))
WITH_LISTS = replace(
    SCHEMA,
    vocabulary_sizes=(7, 5, 6),
    lists=(
        ListField("watched", 1, 4, "mean"),
        ListField("genres", 2, 3, "mean"),  # has a vocabulary of its own
        ListField("liked", 1, 3, "attention"),
    ),
)


def with_sequences(*readers: SequenceReader) -> Schema:
    """The schema with a pooled list, and a sequence of two items, a label and gaps a reader."""
    lists, sequences = [ListField("watched", 1, 4, "mean")], []
    for number, reader in enumerate(readers):
        name, own = f"seen {number}", 2 + 2 * number
        sequence = SequenceField(
            name, reader, (f"{name} user", f"{name} item"), (f"{name} click",), f"{name} gap"
        )
        fields = (0, 1, own, own + 1)
        lists += [
            ListField(part, field, 3 + number, "mean")
            for part, field in zip(sequence.parts, fields, strict=True)
        ]
        sequences.append(sequence)
    return replace(
        SCHEMA,
        vocabulary_sizes=(7, 5, *(4, 6) * len(readers)),
        lists=tuple(lists),
        sequences=tuple(sequences),
    )


WITH_SEQUENCES = with_sequences("din", "bst")


def batch(
    schema: Schema = SCHEMA, rows: int = 12, scenarios: tuple[int, ...] | None = None, seed: int = 0
) -> Batch:
    """Return rows in mixed order, some ids beyond the vocabulary, of all or some scenarios."""
    drawn = synthetic_batch(schema, rows, seed)
    generator = torch.Generator().manual_seed(seed)
    occurring = torch.tensor(scenarios if scenarios is not None else range(schema.num_scenarios))
    order = torch.randperm(rows, generator=generator)
    scenario_B = occurring[torch.arange(rows) % len(occurring)][order]
    ids_BF = drawn.ids_BF + torch.randint(2, drawn.ids_BF.shape, generator=generator)
    lists_BS = drawn.lists_BS + torch.randint(2, drawn.lists_BS.shape, generator=generator)
    return Batch(ids_BF, drawn.numeric_BN.double(), scenario_B, lists_BS)


def take(source: Batch, rows: torch.Tensor) -> Batch:
    return source.select(rows)


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Make a model double precision, in evaluation mode, with large enough parameters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter.normal_(std=0.4, generator=generator)
    return model.eval()


def assert_same_with_gradients(
    model: nn.Module, batched: torch.Tensor, plain: torch.Tensor
) -> None:
    """Equal logits, and equal gradients of every parameter under a random slope."""
    torch.testing.assert_close(batched, plain, rtol=1e-13, atol=1e-10)
    parameters = list(model.parameters())
    slope = torch.randn(plain.shape, dtype=plain.dtype, generator=torch.Generator().manual_seed(9))
    gradients = [
        torch.autograd.grad(
            (logits * slope).sum(), parameters, allow_unused=True, materialize_grads=True
        )
        for logits in (batched, plain)
    ]
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-10)
