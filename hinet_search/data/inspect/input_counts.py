"""Input counts: how many inputs of each kind a study has, and what the derived ones cost."""

from dataclasses import dataclass

from hinet_search.data.columns import Dataset
from hinet_search.data.schema import missing_name
from hinet_search.study.feature_definition import (
    EVENTS,
    LISTS,
    MATCHES,
    SESSION,
    STATISTICS,
    FeatureDefinition,
)

BYTES = 4  # of a number, and of an entry of a list


@dataclass(frozen=True)
class InputCounts:
    """Inputs by kind; `flags` mark missing numbers, `keys` and `event_keys` are of derived inputs.

    Derived are statistics, matches, events, session, lists and sequences, in encoded rows of
    `derived_bytes` together. All but lists were computed in `derived_seconds`, None if there are
    none or if the data were encoded by a version that did not measure it.
    """

    total: int
    categorical: int
    numeric: int
    flags: int
    statistics: int
    keys: int
    matches: int
    events: int
    event_keys: int
    session: int
    lists: int
    sequences: int
    derived_bytes: int
    derived_seconds: float | None


def count_inputs(dataset: Dataset, features: FeatureDefinition) -> InputCounts:
    """Count the inputs of a data set, which was encoded by these features."""
    schema = dataset.full_schema
    sizes = dataset.record.groups
    flags = {missing_name(name) for name in features.numeric} - set(features.numeric)
    statistic_keys = [] if features.statistics is None else features.statistics.keys
    event_keys = [] if features.events is None else features.events.keys
    num_numbers = sum(sizes.get(kind, 0) for kind in (STATISTICS, MATCHES, EVENTS, SESSION))
    words_per_row = num_numbers + schema.num_slots
    return InputCounts(
        total=len(schema.categorical)
        + len(schema.numeric)
        + len(schema.pooled_lists)
        + len(schema.sequences),
        categorical=len(schema.categorical),
        numeric=len(features.numeric),
        flags=len(flags & set(schema.numeric)),
        statistics=sizes.get(STATISTICS, 0),
        keys=len(statistic_keys),
        matches=sizes.get(MATCHES, 0),
        events=sizes.get(EVENTS, 0),
        event_keys=len(event_keys),
        session=sizes.get(SESSION, 0),
        lists=sizes.get(LISTS, 0),
        sequences=len(schema.sequences),
        derived_bytes=sum(dataset.record.rows) * words_per_row * BYTES,
        derived_seconds=dataset.derived_seconds,
    )
