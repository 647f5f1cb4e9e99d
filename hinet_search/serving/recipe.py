"""Recipe: how a finalist is built and what encodes its inputs, put together of its study."""

from dataclasses import dataclass
from pathlib import Path

from hinet_search.config import TrialConfig, build_config
from hinet_search.data.columns import Dataset
from hinet_search.data.encode import Encoding, Vocabulary
from hinet_search.data.matching import text_of
from hinet_search.data.rows import Rows, source_rows
from hinet_search.data.store import open_encoding
from hinet_search.distributions import Value
from hinet_search.errors import StudyConflict
from hinet_search.features import MATCHES, STATISTICS, FeatureDefinition, ListDefinition, chosen_groups
from hinet_search.records import StudyRecord
from hinet_search.schema import Schema
from hinet_search.serving.choice import Chosen
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import history_of
from hinet_search.serving.inputs import Inputs, ScenarioInput, raw_types
from hinet_search.study import DENSE_PARAMETERS, Study


@dataclass(frozen=True)
class Stored:
    """A study that was run: its record, its file, its encoded data, and the folder of its weights."""

    record: StudyRecord
    study: Study
    dataset: Dataset
    artifacts: Path


def config_of(stored: Stored, what: Chosen) -> TrialConfig:
    """The configuration of the finalist, with the size that its arm was given."""
    arm = next((one for one in stored.study.arms if one.name == what.arm.name), None)
    drawn = what.finalist.parameters
    if arm is None or arm.model != what.arm.model or set(drawn) - set(arm.space.parameters):
        raise StudyConflict(
            f"{stored.study.file.path}: arm '{what.arm.name}' must be as it was launched, but has changed since",
            remedy="export with the file, --set and --size of the launch, which the report shows",
        )
    values: dict[str, Value] = arm.space.values(drawn)
    if arm.size_of:
        size = what.arm.fixed[DENSE_PARAMETERS]
        assert isinstance(size, int), "an arm that has finalists was given its size"
        values[DENSE_PARAMETERS] = size
    return build_config(arm.model, values)


def encoder_of(stored: Stored, config: TrialConfig, rows: Rows) -> Encoder:
    """What encodes the inputs that this configuration sees, with ids alone that have an embedding; `rows` are the study's."""
    schema = config.features.schema_of(stored.dataset)
    whole = open_encoding(stored.dataset.folder)
    sizes = dict(zip(schema.categorical, schema.vocabulary_sizes, strict=True))
    encoding = Encoding(
        vocabularies=tuple(
            Vocabulary(one.name, one.table.head(sizes[one.name] - 1)) for one in whole.vocabularies if one.name in sizes
        ),
        scales=tuple(scale for scale in whole.scales if scale.name in schema.numeric),
    )
    inputs = _inputs(stored, config, schema, encoding)
    definition = stored.study.spec.data
    found = source_rows(definition, stored.study.folder).collect_schema()
    encoder = Encoder(inputs, encoding, raw_types(inputs, found), history_of(definition, inputs, rows))
    assert encoder.schema == schema, "an export encodes what the model was built for"
    return encoder


def _inputs(stored: Stored, config: TrialConfig, schema: Schema, encoding: Encoding) -> Inputs:
    definition = stored.study.spec.data
    groups = chosen_groups(config.features.groups, definition.features.group_names)
    features, record = definition.features, stored.record.data
    column = definition.scenario.column
    written = definition.scenario.values
    keys = (column, definition.user, definition.item, definition.time)
    return Inputs(
        scenario=ScenarioInput(
            column=column,
            values={text_of(value): name for value, name in written.items()}
            if written
            else {name: name for name in record.scenarios},
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


def _lists(features: FeatureDefinition, schema: Schema, *, matched: bool) -> dict[str, ListDefinition]:
    """Those that the model pools, in the way it does, and those that its matches are made of."""
    pooling = {one.name: one.pooling for one in schema.lists}
    return {
        name: one.model_copy(update={"pooled": name in pooling, "pooling": pooling.get(name, one.pooling)})
        for name, one in features.lists.items()
        if name in pooling or (matched and features.matches is not None and name in features.matches.named_lists)
    }
