"""Fit: train the members of an exported model on newer rows, each from its shipped weights.

Trees that are members of an ensemble beside networks stay as they are.

A new id starts as id 0, unknown: that is how the shipped model reads its value, and in training id
0 stands for what is rare. A network gives it the vector of unknown, trees send it where they send
unknown. So before it learns, every row has the logits of the shipped model, unless it has a list
with entries that were unknown.
Shape legend: V ids of a vocabulary, K rows of an embedding table, J rows of a grown one, E
embedding width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.encode import COUNT
from hinet_search.data.schema import Schema
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.unit_scale import UnitScale
from hinet_search.models.trees import Model as Trees
from hinet_search.results.data_record import DataRecord
from hinet_search.results.objectives import Objective, further_metrics
from hinet_search.results.records import EvaluationRecord
from hinet_search.serving.model_file import ModelOfFile
from hinet_search.serving.model_folder import ExportedMember, ExportedModel
from hinet_search.serving.newer.growth import GrownEncoder
from hinet_search.training.device import memory_errors_explained
from hinet_search.training.divergence import Diverged
from hinet_search.training.run_state import Conditions
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trainable import Network, StagedModel, fit_all
from hinet_search.training.trial_config import TrialConfig, is_network, whole_config

FEWEST_STEPS = 32  # of all passes: fewer would move weights too little (docs/results/nights.md)
SMALLEST_BATCH = 32
LESS_MEMORY = "--device cpu needs no memory of a GPU, and fewer rows need less"
PreviousIds = Sequence[NDArray[np.int32]]


@dataclass(frozen=True)
class FittedMember:
    """A member after its fit, and the passes over the newer rows that were best on choosing rows.

    It is at its weights after these passes. Trees stay as they are, after 0 passes.
    """

    member: ExportedMember
    passes: float


@dataclass(frozen=True)
class EvaluationLines:
    """Reports the evaluations of a member as lines; nothing stops its training from outside."""

    title: str
    objective: Objective
    say: Callable[[str], None]

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Report an evaluation."""
        self.say(
            f"{self.title}: after {record.passes:.2f} passes {self.objective.name} "
            f"{record.objective:.4f} on the rows that choose"
        )

    def should_stop(self) -> bool:
        """Return False."""
        return False


def refuse_staged(exported: ExportedModel) -> None:
    """ConfigurationError unless some member is a network, and all others are trees."""
    models = exported.file.models
    is_known = all(isinstance(member.model.model, nn.Module | Trees) for member in exported.members)
    if is_known and any(is_network(model.model) for model in models):
        return
    names = ", ".join(f"{model.title} ({model.model})" for model in models)
    raise ConfigurationError(
        f"{exported.folder}: some member must be a network, which learns on from its weights, and "
        f"all others networks or trees, got {names}",
        remedy="launch the study on newer rows under another name, and export again",
    )


def fit_members(
    exported: ExportedModel,
    grown: GrownEncoder,
    objective: Objective,
    learning_rate: float | None,
    say: Callable[[str], None],
) -> list[FittedMember]:
    """Fit every member as its study trained it, with another learning rate if one is given.

    Passes, patience and optimiser are those of the member's configuration, and the batch size too
    unless rows are few. The moments of the optimiser start at zero, since folders do not hold them.
    Errors: DataError if a training diverges, EnvironmentFault if memory runs out.
    """
    data = dataset_of(grown, grown.choosing)
    members = iter(exported.members)
    fitted = []
    for model in exported.file.models:
        config = fitting_config(model, learning_rate, data.train.num_rows)
        for each in model.seeds:
            lines = EvaluationLines(f"{model.arm}, seed {each.seed}", objective, say)
            fitted.append(_fit(exported.folder, next(members), config, grown, data, lines))
    return fitted


def fitting_config(model: ModelOfFile, learning_rate: float | None, num_rows: int) -> TrialConfig:
    """Return the configuration of a fit, in which embeddings keep what they have learned.

    They are not drawn again, and not penalised: ids that newer rows lack would fade. Rates stay, as
    there are few steps, and batches are smaller where there would be fewer than 32 in all passes.
    """
    config = whole_config(model.model, model.settings)
    most = max(SMALLEST_BATCH, int(num_rows * config.train.passes) // FEWEST_STEPS)
    batch_size = min(config.train.batch_size, most)
    update = {
        "reset_embeddings": False,
        "embedding_l2": 0.0,
        "rate_decay": False,
        "batch_size": batch_size,
    }
    if learning_rate is not None:
        update["learning_rate"] = float(learning_rate)
    return replace(config, train=config.train.model_copy(update=update))


def _fit(
    folder: Path,
    member: ExportedMember,
    config: TrialConfig,
    grown: GrownEncoder,
    data: Dataset,
    lines: EvaluationLines,
) -> FittedMember:
    shipped = member.model
    encoder = grown.encoder
    inputs = encoder.chosen(config.features)
    schema = encoder.schema_of(config.features)
    previous_ids = [grown.previous_ids[number] for number in inputs.vocabularies]
    if isinstance(shipped, StagedModel):
        lines.say(f"{lines.title}: stays as it is")
        trees = grown_trees(shipped, config, schema, previous_ids)
        return FittedMember(ExportedMember(member.seed, member.weight, inputs, trees), 0.0)
    assert isinstance(shipped, Network), "members are networks or staged"
    device = shipped.device
    with memory_errors_explained(device, f"batch size {config.train.batch_size:,}", LESS_MEMORY):
        network = grown_network(shipped, config, schema, previous_ids, member.seed)
        conditions = Conditions(
            dataset=data.with_groups(config.features.groups),
            schema=schema,
            config=config.train,
            seed=member.seed,
            order_seed=member.seed,
            objective=lines.objective,
            device=device,
            further=further_metrics((lines.objective.name,)),
        )
        (outcome,) = fit_all([network], [conditions], [lines])
    if isinstance(outcome, Diverged):
        raise DataError(
            f"{folder}: {lines.title} must learn from the rows, but it diverged: {outcome}",
            remedy="--learning-rate with a lower one",
        )
    best = outcome.evaluations[outcome.best_step - 1]
    return FittedMember(ExportedMember(member.seed, member.weight, inputs, network), best.passes)


def dataset_of(grown: GrownEncoder, valid: Columns) -> Dataset:
    """The newer rows as the data set of a training; `valid` are some of the held-out rows."""
    encoder = grown.encoder
    learned = grown.learned
    schema = encoder.schema
    vocabularies = encoder.encoding.all_vocabularies
    record = DataRecord(
        source="newer rows",
        fingerprint="",
        split="newest held out",
        rows=(learned.num_rows, valid.num_rows, 0),
        scenarios=schema.scenarios,
        tasks=schema.tasks,
        num_categorical=schema.num_fields,
        num_numeric=len(schema.numeric),
        cells=(),
        units=encoder.inputs.amount_units,
    )
    return Dataset(
        folder=Path(),
        full_schema=schema,
        frequencies=tuple(vocabulary.table[COUNT].to_numpy() for vocabulary in vocabularies),
        train=learned,
        valid=valid,
        test=valid.head(0),
        record=record,
        groups=encoder.inputs.groups,
    )


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
        if isinstance(module, UnitScale):
            module.is_fixed = True
        if isinstance(module, FeatureEmbedding):
            table = f"{name}.table.weight"
            weights[table] = _grown_table(weights[table], rows_J, sum(before.vocabulary_sizes))
    network.load_state_dict(weights)
    return Network(network, schema, shipped.device)


def grown_trees(
    shipped: StagedModel, config: TrialConfig, schema: Schema, previous_ids: PreviousIds
) -> StagedModel:
    """The shipped trees with the ids of `schema`; arguments are as for `grown_network`.

    Errors: DataError if a field has crossed the trees' `max_ids`: they would read other fields.
    """
    before = shipped.model
    trees = config.build(schema)
    assert isinstance(before, Trees), "other models without weights are refused"
    assert isinstance(trees, Trees), "its configuration builds the same model"
    assert before.forest is not None, "an opened model has its trees"
    if trees.fields != before.fields:
        crossed = sorted(set(before.fields) ^ set(trees.fields))
        names = ", ".join(schema.categorical[field] for field in crossed)
        raise DataError(
            f"trees can split by at most {before.config.max_ids:,} ids of a column, and the number "
            f"of ids of {names} has crossed that",
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
    table_KE: Float[Tensor, "K E"], rows_J: Int[Tensor, "J"], num_rows: int
) -> Float[Tensor, "_ E"]:
    """The `num_rows` of vocabularies, then those that a table has after them: of scenarios."""
    rows_J = rows_J.to(table_KE.device).long()
    return torch.cat([table_KE[:num_rows].index_select(0, rows_J), table_KE[num_rows:]])
