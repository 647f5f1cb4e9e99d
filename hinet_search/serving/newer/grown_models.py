"""Grown models: models of larger vocabularies, which score as the shipped ones before they learn.

A new id starts as id 0, unknown: that is how the shipped model reads its value, and in training id
0 stands for what is rare. A network gives it the vector of unknown, trees send it where they send
unknown. So every row has the logits of the shipped model, unless it has a list with entries that
were unknown.
Shape legend: V ids of a vocabulary, K rows of an embedding table, J rows of a grown one, E
embedding width.
"""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from hinet_search.common.errors import DataError
from hinet_search.data.schema import Schema
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.trees import Model as Trees
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trainable import Network, StagedModel
from hinet_search.training.trial_config import TrialConfig

PreviousIds = Sequence[NDArray[np.int32]]


def grown_network(
    shipped: Network, config: TrialConfig, schema: Schema, previous_ids: PreviousIds, seed: int
) -> Network:
    """A network of `schema`, whose vocabularies are those of the shipped one, grown.

    `previous_ids[v]` has the shipped id of every id of vocabulary v (V,), 0 where it is new.
    """
    network = seeded_model(lambda: config.build(schema), seed)
    assert isinstance(network, nn.Module), "only networks have weights"
    before = shipped.schema
    previous = _previous_in_model(before, schema, previous_ids)
    starts = accumulate(before.vocabulary_sizes, initial=0)
    rows = [start + previous_V for start, previous_V in zip(starts, previous, strict=False)]
    rows_J = torch.from_numpy(np.concatenate([np.empty(0, dtype=np.int32), *rows]))
    weights = dict(shipped.model.state_dict())
    for name, module in network.named_modules():
        if isinstance(module, FeatureEmbedding):
            table = f"{name}.table.weight"
            weights[table] = _grown_table(weights[table], rows_J, before)
    network.load_state_dict(weights)
    return Network(network, schema, shipped.device)


def grown_trees(
    shipped: StagedModel, config: TrialConfig, schema: Schema, previous_ids: PreviousIds
) -> StagedModel:
    """The shipped trees with the ids of `schema`; arguments are as for `grown_network`.

    Errors: DataError if a field has grown beyond the trees' `max_ids`, so that they cannot read it.
    """
    before = shipped.model
    trees = config.build(schema)
    assert isinstance(before, Trees), "other models without weights are refused"
    assert isinstance(trees, Trees), "its configuration builds the same model"
    assert before.forest is not None, "an opened model has its trees"
    if trees.fields != before.fields:
        too_large = sorted(set(before.fields) ^ set(trees.fields))
        names = ", ".join(schema.categorical[field] for field in too_large)
        raise DataError(
            f"trees can split by at most {before.config.max_ids:,} ids of a column, but {names} "
            "has grown beyond that",
            remedy="launch the study on newer rows under another name, and export again",
        )
    previous = _previous_in_model(shipped.schema, schema, previous_ids)
    of_inputs = [previous[field] for field in trees.fields]
    scenarios = np.arange(schema.num_scenarios)
    forest = before.forest.with_ids([*of_inputs, scenarios])
    trees.load_state_dict(forest.tensors())
    return StagedModel(trees, schema)


def _previous_in_model(
    before: Schema, after: Schema, previous_ids: PreviousIds
) -> list[NDArray[np.int32]]:
    """The shipped id (V,) of every id of a model's vocabularies; ids that were too rare are 0."""
    sizes = zip(before.vocabulary_sizes, after.vocabulary_sizes, strict=True)
    return [
        np.where(previous_V[:size] < size_before, previous_V[:size], np.int32(0))
        for previous_V, (size_before, size) in zip(previous_ids, sizes, strict=True)
    ]


def _grown_table(
    table_KE: Float[Tensor, "K E"], rows_J: Int[Tensor, "J"], before: Schema
) -> Float[Tensor, "_ E"]:
    """The rows of vocabularies, then those that a table has after them: of scenarios."""
    num_rows = sum(before.vocabulary_sizes)
    rows_J = rows_J.to(table_KE.device).long()
    return torch.cat([table_KE[:num_rows].index_select(0, rows_J), table_KE[num_rows:]])
