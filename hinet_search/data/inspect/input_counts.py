"""Input counts: how many inputs of each kind a study has, and what the derived ones cost."""

from dataclasses import dataclass

from hinet_search.data.columns import Dataset
from hinet_search.data.encode import missing_name
from hinet_search.study.feature_definition import LISTS, MATCHES, STATISTICS, FeatureDefinition

BYTES = 4  # of a number, and of an entry of a list


@dataclass(frozen=True)
class InputCounts:
    """Inputs by kind; `flags` mark missing numbers, `keys` are those of the statistics.

    Derived are statistics, matches and lists, in encoded rows of `derived_bytes` together.
    Statistics and matches were computed in `derived_seconds`, None if there are none or if the data
    were encoded by a version that did not measure it.
    """

    total: int
    categorical: int
    numeric: int
    flags: int
    statistics: int
    keys: int
    matches: int
    lists: int
    derived_bytes: int
    derived_seconds: float | None


def count_inputs(dataset: Dataset, features: FeatureDefinition) -> InputCounts:
    """Count the inputs of a data set, which was encoded by these features."""
    schema, sizes = dataset.full_schema, dataset.record.groups
    flags = {missing_name(name) for name in features.numeric} - set(features.numeric)
    num_statistics, num_matches = sizes.get(STATISTICS, 0), sizes.get(MATCHES, 0)
    num_slots = sum(list_.length for list_ in schema.lists)
    words_per_row = num_statistics + num_matches + num_slots
    return InputCounts(
        total=len(schema.categorical) + len(schema.numeric) + len(schema.lists),
        categorical=len(schema.categorical),
        numeric=len(features.numeric),
        flags=len(flags & set(schema.numeric)),
        statistics=num_statistics,
        keys=len(features.statistics.keys) if features.statistics is not None else 0,
        matches=num_matches,
        lists=sizes.get(LISTS, 0),
        derived_bytes=sum(dataset.record.rows) * words_per_row * BYTES,
        derived_seconds=dataset.derived_seconds,
    )
