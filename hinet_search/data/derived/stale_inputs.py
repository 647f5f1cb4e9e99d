"""Stale inputs: what rows of test have if inputs of labels and of the log are older than assumed.

frozen   statistics and the log are those of the end of validation: no row of test is seen
later    labels are known an hour after their row, or a day, where the study assumes less

A study scores test with them once more, with the same weights, to say how fresh inputs must be.
"""

from collections.abc import Callable, Mapping

import polars as pl

from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.events import event_inputs
from hinet_search.data.derived.moments import Moments
from hinet_search.data.derived.sessions import session_inputs
from hinet_search.data.derived.statistics import target_statistics
from hinet_search.data.rows import Rows
from hinet_search.results.data_record import FROZEN, LATER
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.event_definition import is_sooner
from hinet_search.study.feature_definition import FeatureDefinition
from hinet_search.study.sequence_definition import SequenceDefinition

VALID = SPLITS.index("valid")


def stale_split(access: str) -> str:
    """What rows of test with inputs of that access are called beside the splits."""
    return f"{access}_test"


def stale_inputs(
    definition: DataDefinition, rows: Rows, moments_of_rows: Callable[[], Moments]
) -> Mapping[str, pl.DataFrame]:
    """The inputs that differ, by access; only rows of test are of use. Empty if none can differ."""
    frozen = _frozen(definition, rows, moments_of_rows)
    later = _later(definition, rows, moments_of_rows)
    accesses = {FROZEN: frozen, LATER: later}
    return {name: table for name, table in accesses.items() if table is not None}


def _frozen(
    definition: DataDefinition, rows: Rows, moments_of_rows: Callable[[], Moments]
) -> pl.DataFrame | None:
    features = definition.features
    tasks = tuple(definition.tasks)
    tables = []
    if features.statistics is not None and not features.statistics.is_frozen:
        tables.append(target_statistics(features.statistics, rows, tasks, is_frozen=True))
    if features.events is not None:
        moments = moments_of_rows()
        tables.append(event_inputs(features.events, rows, tasks, moments, last_seen=VALID))
    if features.session is not None:
        assert definition.user is not None, "the definition checks it"
        moments = moments_of_rows()
        tables.append(
            session_inputs(features.session, rows, definition.user, moments, last_seen=VALID)
        )
    return pl.concat(tables, how="horizontal") if tables else None


def _later(
    definition: DataDefinition, rows: Rows, moments_of_rows: Callable[[], Moments]
) -> pl.DataFrame | None:
    events = definition.features.events
    later = definition.features.later_labels
    if events is None or later is None or not is_sooner(events.labels_after, later):
        return None
    with_later = events.model_copy(update={"labels_after": later})
    return event_inputs(with_later, rows, tuple(definition.tasks), moments_of_rows())


def stale_sequences(
    features: FeatureDefinition,
) -> Mapping[str, tuple[Mapping[str, SequenceDefinition], int]]:
    """By access, the sequences as they are then, and the last split whose rows they show."""
    if not features.sequences:
        return {}
    frozen = {FROZEN: (features.sequences, VALID)}
    later = features.later_labels
    sooner = [
        name
        for name, sequence in features.sequences.items()
        if later is not None and is_sooner(sequence.labels_after, later)
    ]
    if not sooner:
        return frozen
    with_later = {
        name: sequence.model_copy(update={"labels_after": later}) if name in sooner else sequence
        for name, sequence in features.sequences.items()
    }
    return {**frozen, LATER: (with_later, len(SPLITS) - 1)}
