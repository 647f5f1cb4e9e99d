"""Rebuild: the configurations and the encoder of exported models, from their study."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hinet_search.common.errors import StudyConflict
from hinet_search.data.columns import Dataset
from hinet_search.data.derived.matches import known_of
from hinet_search.data.encode import Encoding, Vocabulary
from hinet_search.data.encoded_folder import open_encoding
from hinet_search.data.raw_values import text_of
from hinet_search.data.rows import Rows
from hinet_search.data.schema import Schema
from hinet_search.data.source_rows import source_rows
from hinet_search.results.data_record import AND, GROUPS, NONE, chosen_groups
from hinet_search.results.ensemble_records import RunKey
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.inputs import Inputs, ScenarioInput
from hinet_search.serving.log_rows import log_of_study
from hinet_search.serving.row_checks import raw_types
from hinet_search.study.distributions import Value
from hinet_search.study.event_definition import SequenceDefinition
from hinet_search.study.feature_definition import (
    EVENTS,
    MATCHES,
    SESSION,
    STATISTICS,
    FeatureDefinition,
    ListDefinition,
)
from hinet_search.study.load_study import DENSE_PARAMETERS, ResolvedStudy
from hinet_search.training.feature_config import FeatureConfig
from hinet_search.training.trial_config import TrialConfig, build_config


@dataclass(frozen=True)
class LoadedStudy:
    """A study that was run: its record, file, encoded data, and the folder of its weights."""

    record: StudyRecord
    study: ResolvedStudy
    dataset: Dataset
    artifacts: Path


def config_of(stored: LoadedStudy, run: RunKey) -> TrialConfig:
    """The configuration of a finalist, with the size and the inputs that its arm was given.

    A student has the values of the finalist that it learns as, beside the settings of its teacher.
    """
    arm, finalist = records_of(stored.record, run.arm, run.trial_number)
    if not arm.student_of:
        return build_config(arm.model, values_of(stored.study, arm, finalist))
    name, _, number = arm.student_of.rpartition("/")
    parent, learned_as = records_of(stored.record, name, int(number))
    values = {**values_of(stored.study, parent, learned_as), **finalist.parameters}
    return build_config(arm.model, values)


def records_of(record: StudyRecord, name: str, number: int) -> tuple[ArmRecord, FinalistRecord]:
    """The records of an arm or student and of its finalist."""
    arm = next(arm for arm in record.arms_and_students if arm.name == name)
    finalist = next(each for each in arm.finalists if each.trial_number == number)
    return arm, finalist


def values_of(
    study: ResolvedStudy, record: ArmRecord, finalist: FinalistRecord
) -> dict[str, Value]:
    """The values of a finalist of an arm; StudyConflict if the arm has changed since the launch."""
    arms = {arm.name: arm for arm in study.arms}
    arm = arms.get(record.name)
    drawn = finalist.parameters
    if arm is None or arm.model != record.model or set(drawn) - set(arm.space.parameters):
        raise StudyConflict(
            f"{study.file.path}: arm '{record.name}' must be as it was launched, "
            "but has changed since",
            remedy="export with the file, --set, --size and --variant of the launch, "
            "which the report shows",
        )
    values = arm.space.values(drawn)
    if GROUPS in record.fixed:
        values.setdefault(GROUPS, record.fixed[GROUPS])  # chosen by the launch
    if arm.size_of:
        size = record.fixed[DENSE_PARAMETERS]
        assert isinstance(size, int), "an arm that has finalists was given its size"
        values[DENSE_PARAMETERS] = size
    return values


def encoder_of(stored: LoadedStudy, features: Sequence[FeatureConfig], rows: Rows) -> Encoder:
    """The encoder of what models with these features read together; `rows` are the study's rows.

    Its vocabularies hold only values that have an embedding in one of the models.
    """
    definition = stored.study.spec.data
    dataset = stored.dataset
    group_names = definition.features.group_names
    groups_of_models = [chosen_groups(each.groups, group_names) for each in features]
    together = _together(features, group_names)
    schema = together.schema_of(dataset)
    encoding = _encoding_of(schema, open_encoding(dataset.folder))
    some_leave_out = frozenset.union(*groups_of_models) - frozenset.intersection(*groups_of_models)
    known = {*schema.categorical, *schema.numeric, *(list_.name for list_ in schema.lists)}
    encoded = frozenset[str]().union(*(each.number_encodings.names for each in features))
    groups = {}
    for name in sorted(some_leave_out | encoded & set(group_names)):
        groups[name] = tuple(each for each in dataset.groups[name] if each in known)
    inputs = _inputs(stored, together, schema, encoding)
    inputs = inputs.model_copy(update={"groups": groups})
    cache = dataset.folder.parent
    source_types = source_rows(definition, stored.study.folder, cache).collect_schema()
    types = raw_types(inputs, source_types)
    matches = None
    if inputs.matches is not None:
        matches = known_of(definition, inputs.matches, rows)
    log = log_of_study(inputs, types, rows)
    encoder = Encoder(inputs, encoding, types, matches, log)
    for each in features:
        is_own = encoder.schema_of(each) == each.schema_of(dataset)
        assert is_own, "an export encodes what its models were built for"
    return encoder


def _together(features: Sequence[FeatureConfig], group_names: Sequence[str]) -> FeatureConfig:
    """The features that any of the models reads, with the pooling and reader that all share.

    Where models differ in them these are None: then each list and sequence has its own.
    """
    groups = frozenset.union(*(chosen_groups(each.groups, group_names) for each in features))
    pooling = {each.pooling for each in features}
    readers = {each.sequence_reader for each in features}
    return FeatureConfig(
        minimum_frequency=min(each.minimum_frequency for each in features),
        groups=AND.join(name for name in group_names if name in groups) or NONE,
        pooling=features[0].pooling if len(pooling) == 1 else None,
        sequence_reader=features[0].sequence_reader if len(readers) == 1 else None,
    )


def _encoding_of(schema: Schema, full: Encoding) -> Encoding:
    """The part of the data's encoding that a schema uses."""
    sizes = dict(zip(schema.vocabularies, schema.vocabulary_sizes, strict=True))

    def used(vocabularies: Sequence[Vocabulary]) -> tuple[Vocabulary, ...]:
        chosen = [each for each in vocabularies if each.name in sizes]
        return tuple(replace(each, table=each.table.head(sizes[each.name] - 1)) for each in chosen)

    scales = tuple(scale for scale in full.scales if scale.name in schema.numeric)
    knots = {}
    for scale in scales:
        if scale.column in full.knots:
            knots[scale.column] = full.knots[scale.column]
    return Encoding(used(full.vocabularies), scales, knots, used(full.list_vocabularies))


def _inputs(
    stored: LoadedStudy, together: FeatureConfig, schema: Schema, encoding: Encoding
) -> Inputs:
    definition = stored.study.spec.data
    features = definition.features
    scaled = {scale.column for scale in encoding.scales}
    groups = chosen_groups(together.groups, features.group_names)
    scenario = None if definition.scenario.every_row else definition.scenario.column
    keys = (scenario, definition.user, definition.item, definition.time)
    of_log: dict[str, Any] = {}
    if EVENTS in groups:
        of_log["events"] = features.events
    if SESSION in groups:
        of_log |= {"session": features.session, "user": definition.user}
    if schema.sequences:
        of_log["sequences"] = _sequences(features, schema)
    statistics = features.statistics if STATISTICS in groups else None
    rank = definition.rank
    if rank is not None and rank.as_of == "group" and (of_log or (statistics and statistics.clock)):
        of_log |= {"rank": rank, "user": definition.user}
    if of_log.keys() - {"rank", "user"} or (rank is not None and rank.visit is not None and of_log):
        of_log |= {"time": definition.time, "time_unit": definition.time_unit}
    names = definition.scenario.values or {name: name for name in stored.record.data.scenarios}
    values = {text_of(value): name for value, name in names.items()}
    inputs = Inputs(
        scenario=ScenarioInput(column=definition.scenario.column, values=values),
        tasks=schema.tasks,
        categorical=tuple(name for name in features.categorical if name in schema.categorical),
        numeric=tuple(name for name in features.numeric if name in scaled),
        scales=encoding.scales,
        statistics=statistics,
        lists=_lists(features, schema, matched=MATCHES in groups),
        matches=features.matches if MATCHES in groups else None,
        **of_log,
        not_finite="impute" if definition.not_finite == "impute" else "refuse",
        keys=tuple(dict.fromkeys(filter(None, keys))),
        absent_cells=schema.absent_cells,
        amount_units=dict(schema.amount_units),
    )
    distinct = tuple(name for name in features.distinct_by_scenario if name in inputs.compared)
    return inputs.model_copy(update={"distinct_by_scenario": distinct})


def _sequences(features: FeatureDefinition, schema: Schema) -> dict[str, SequenceDefinition]:
    """The sequences that the model reads, of the items that it has and with its reader."""
    sequences = {}
    for field in schema.sequences:
        definition = features.sequences[field.name]
        names = dict(zip(definition.part_names(field.name), definition.items, strict=False))
        items = tuple(names[name] for name in field.items)
        update = {"items": items, "reader": field.reader}
        sequences[field.name] = definition.model_copy(update=update)
    return sequences


def _lists(
    features: FeatureDefinition, schema: Schema, *, matched: bool
) -> dict[str, ListDefinition]:
    """The lists that the model pools, with its pooling, and those that its matches are made of."""
    pooling = {list_.name: list_.pooling for list_ in schema.lists}
    names_of_matches: Sequence[str] = ()
    if matched and features.matches is not None:
        names_of_matches = features.matches.named_lists
    lists = {}
    for name, list_ in features.lists.items():
        if name in pooling or name in names_of_matches:
            model_pooling = pooling.get(name, list_.pooling)
            update = {"pooled": name in pooling, "pooling": model_pooling}
            lists[name] = list_.model_copy(update=update)
    return lists
