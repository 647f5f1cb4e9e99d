"""Recipe: choose the arm to export, and rebuild its configuration and encoder from its study."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hinet_search.common.errors import ConfigurationError, StudyConflict, did_you_mean
from hinet_search.data.columns import Dataset
from hinet_search.data.encode import Encoding, Vocabulary
from hinet_search.data.encoded_folder import open_encoding
from hinet_search.data.raw_values import text_of
from hinet_search.data.rows import Rows, source_rows
from hinet_search.data.schema import Schema
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import ArmRecord, FinalistRecord, FinalistRun
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from hinet_search.results.winner import is_fully_tested, recommended_arm
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import history_of
from hinet_search.serving.inputs import Inputs, ScenarioInput, raw_types
from hinet_search.study.distributions import Value
from hinet_search.study.feature_definition import (
    MATCHES,
    STATISTICS,
    FeatureDefinition,
    ListDefinition,
    chosen_groups,
)
from hinet_search.study.load_study import DENSE_PARAMETERS, Study
from hinet_search.training.trial_config import TrialConfig, build_config

Seeds = Literal["best", "all"]


@dataclass(frozen=True)
class ExportChoice:
    """What to export, and why this arm if none was named."""

    arm: ArmRecord
    finalist: FinalistRecord
    seeds: tuple[int, ...]
    why: str

    @property
    def runs(self) -> tuple[FinalistRun, ...]:
        """The records of the chosen seeds."""
        return tuple(run for run in self.finalist.runs if run.seed in self.seeds)


def choose(record: StudyRecord, arm: str | None, seeds: Seeds) -> ExportChoice:
    """Choose the finalist to export and its best seed, or all seeds.

    The arm is the named one, else the one that the verdict recommends.
    Errors: ConfigurationError for an unknown arm, StudyConflict with nothing to export yet.
    """
    arm_record, why = _arm_to_export(record, arm)
    finalist = None
    if arm_record is not None and is_fully_tested(arm_record):
        finalist = chosen(arm_record)
    if arm_record is None or finalist is None:
        which = f"arm '{arm}' of study '{record.name}'" if arm else f"study '{record.name}'"
        raise StudyConflict(
            f"{which} must have a finalist that was opened on test, but has none",
            remedy="see the failures of its finalists in the report, then launch the study again",
        )
    if seeds == "all":
        return ExportChoice(arm_record, finalist, tuple(run.seed for run in finalist.runs), why)
    best = max if record.maximize else min
    best_run = best(finalist.runs, key=lambda run: run.valid_objective)
    return ExportChoice(arm_record, finalist, (best_run.seed,), why)


def _arm_to_export(record: StudyRecord, arm: str | None) -> tuple[ArmRecord | None, str]:
    """The named arm, else the one that the verdict recommends and why; None when it has none."""
    arms = {arm_record.name: arm_record for arm_record in record.arms}
    if arm is not None and arm not in arms:
        raise ConfigurationError(
            f"study '{record.name}' has no arm '{arm}', "
            f"known: {', '.join(arms)}{did_you_mean(arm, arms)}"
        )
    if record.state != "done":
        raise StudyConflict(
            f"study '{record.name}' must be done before an arm of it is exported, "
            f"it is {record.state}",
            remedy=record.command or f"hinet-search launch {record.name}",
        )
    return (arms[arm], "") if arm is not None else recommended_arm(record, verdict(record))


@dataclass(frozen=True)
class LoadedStudy:
    """A study that was run: its record, file, encoded data, and the folder of its weights."""

    record: StudyRecord
    study: Study
    dataset: Dataset
    artifacts: Path


def config_of(stored: LoadedStudy, what: ExportChoice) -> TrialConfig:
    """The configuration of the finalist, with the size that its arm was given."""
    arms = {arm.name: arm for arm in stored.study.arms}
    arm = arms.get(what.arm.name)
    drawn = what.finalist.parameters
    if arm is None or arm.model != what.arm.model or set(drawn) - set(arm.space.parameters):
        raise StudyConflict(
            f"{stored.study.file.path}: arm '{what.arm.name}' must be as it was launched, "
            "but has changed since",
            remedy="export with the file, --set and --size of the launch, which the report shows",
        )
    values: dict[str, Value] = arm.space.values(drawn)
    if arm.size_of:
        size = what.arm.fixed[DENSE_PARAMETERS]
        assert isinstance(size, int), "an arm that has finalists was given its size"
        values[DENSE_PARAMETERS] = size
    return build_config(arm.model, values)


def encoder_of(stored: LoadedStudy, config: TrialConfig, rows: Rows) -> Encoder:
    """The encoder of the inputs of this configuration; `rows` are the rows of the study.

    Its vocabularies hold only values that have an embedding.
    """
    schema = config.features.schema_of(stored.dataset)
    encoding = _encoding_of(schema, open_encoding(stored.dataset.folder))
    inputs = _inputs(stored, config, schema, encoding)
    definition = stored.study.spec.data
    source_types = source_rows(definition, stored.study.folder).collect_schema()
    types = raw_types(inputs, source_types)
    encoder = Encoder(inputs, encoding, types, history_of(definition, inputs, rows))
    assert encoder.schema == schema, "an export encodes what the model was built for"
    return encoder


def _encoding_of(schema: Schema, full: Encoding) -> Encoding:
    """The part of the data's encoding that a schema uses."""
    sizes = dict(zip(schema.categorical, schema.vocabulary_sizes, strict=True))
    vocabularies = [
        Vocabulary(vocabulary.name, vocabulary.table.head(sizes[vocabulary.name] - 1))
        for vocabulary in full.vocabularies
        if vocabulary.name in sizes
    ]
    scales = [scale for scale in full.scales if scale.name in schema.numeric]
    return Encoding(tuple(vocabularies), tuple(scales))


def _inputs(stored: LoadedStudy, config: TrialConfig, schema: Schema, encoding: Encoding) -> Inputs:
    definition = stored.study.spec.data
    groups = chosen_groups(config.features.groups, definition.features.group_names)
    features = definition.features
    column = definition.scenario.column
    scenarios = definition.scenario.values or {name: name for name in stored.record.data.scenarios}
    keys = (column, definition.user, definition.item, definition.time)
    return Inputs(
        scenario=ScenarioInput(
            column=column,
            values={text_of(value): name for value, name in scenarios.items()},
        ),
        tasks=schema.tasks,
        categorical=schema.categorical,
        numeric=tuple(name for name in features.numeric if name in schema.numeric),
        scales=encoding.scales,
        statistics=features.statistics if STATISTICS in groups else None,
        lists=_lists(features, schema, matched=MATCHES in groups),
        matches=features.matches if MATCHES in groups else None,
        not_finite="impute" if definition.not_finite == "impute" else "refuse",
        keys=tuple(dict.fromkeys(name for name in keys if name is not None)),
    )


def _lists(
    features: FeatureDefinition, schema: Schema, *, matched: bool
) -> dict[str, ListDefinition]:
    """The lists that the model pools, with its pooling, and those that its matches are made of."""
    pooling = {list_.name: list_.pooling for list_ in schema.lists}
    matches = features.matches if matched else None
    names_of_matches = matches.named_lists if matches is not None else ()
    lists = {}
    for name, list_ in features.lists.items():
        if name in pooling or name in names_of_matches:
            model_pooling = pooling.get(name, list_.pooling)
            update = {"pooled": name in pooling, "pooling": model_pooling}
            lists[name] = list_.model_copy(update=update)
    return lists
