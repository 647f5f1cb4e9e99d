"""Fit: train the members of an exported model on newer rows, each from its shipped weights.

Trees that are members of an ensemble beside networks stay as they are.

Shape legend: R rows, T tasks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.encode import COUNT
from hinet_search.models.trees import Model as Trees
from hinet_search.results.data_record import DataRecord
from hinet_search.results.objectives import Objective, further_metrics
from hinet_search.results.records import EvaluationRecord
from hinet_search.serving.members import ExportedMember
from hinet_search.serving.model_file import ModelOfFile
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.newer.grown_models import grown_network, grown_trees
from hinet_search.serving.newer.growth import GrownEncoder
from hinet_search.training.device import memory_errors_explained
from hinet_search.training.divergence import Diverged
from hinet_search.training.run_state import Conditions
from hinet_search.training.trainable import Network, StagedModel, fit_all
from hinet_search.training.trial_config import TrialConfig, is_network, whole_config

LESS_MEMORY = "--device cpu needs no memory of a GPU, and fewer rows need less"


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

    Passes, patience, batch size and optimiser are those of the member's configuration. The moments
    of the optimiser start at zero, since folders do not hold them.
    Errors: DataError if a training diverges, EnvironmentFault if memory runs out.
    """
    data = dataset_of(grown, grown.choosing)
    fitted = []
    for model, seed, member in _members(exported):
        config = whole_config(model.model, model.settings)
        if learning_rate is not None:
            update = {"learning_rate": float(learning_rate)}
            config = replace(config, train=config.train.model_copy(update=update))
        lines = EvaluationLines(f"{model.arm}, seed {seed}", objective, say)
        fitted.append(_fit(exported.folder, member, config, grown, data, lines))
    return fitted


def _members(exported: ExportedModel) -> Iterator[tuple[ModelOfFile, int, ExportedMember]]:
    members = iter(exported.members)
    for model in exported.file.models:
        for each in model.seeds:
            yield model, each.seed, next(members)


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
