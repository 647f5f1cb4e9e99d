"""Data of a study: encode its rows, count its inputs, and place problems in its definition."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.columns import Dataset
from hinet_search.data.encoded_folder import is_complete
from hinet_search.data.fingerprint import FileHasher, NotFetched
from hinet_search.data.schema import missing_name
from hinet_search.data.source_rows import check_columns, source_rows, target_folder
from hinet_search.study.feature_definition import (
    EVENTS,
    LISTS,
    MATCHES,
    SESSION,
    STATISTICS,
    FeatureDefinition,
)
from hinet_search.study.load_study import ResolvedStudy

DataState = Literal["encoded already", "there, not encoded yet", "not fetched yet"]
BYTES = 4  # of a number, and of an entry of a list


def dataset_of(study: ResolvedStudy, cache: Path, progress: Callable[[str], None]) -> Dataset:
    """The encoded data of a study, read from `cache` or encoded into it.

    Errors: ConfigurationError for wrong options of the source, DataError for wrong rows; each
    problem starts with its place in the definition.
    """
    from hinet_search.data.prepare import prepare  # imports scipy

    with _placed_errors(study):
        return prepare(study.spec.data, study.folder, cache, progress, study.spec.sampled_share)


def state_of(study: ResolvedStudy, cache: Path) -> DataState:
    """What `cache` has of the data of a study; fetches nothing.

    Errors: as in `dataset_of`, for options and missing files.
    """
    contents = FileHasher(cache, lambda _: None, may_fetch=False)
    try:
        with _placed_errors(study):
            target = _target(study, contents)
    except NotFetched:
        return "not fetched yet"
    return "encoded already" if is_complete(target) else "there, not encoded yet"


def refuse_missing_columns(
    study: ResolvedStudy, cache: Path, progress: Callable[[str], None]
) -> None:
    """Refuse a definition whose columns are not in its files, before these are encoded.

    Errors: as in `dataset_of`, for options, files and columns. Nothing is fetched or generated.
    """
    contents = FileHasher(cache, progress, may_fetch=False)
    with suppress(NotFetched), _placed_errors(study):
        if not is_complete(_target(study, contents)) and contents.has_files:
            progress(f"opening {study.spec.data.source.in_words}")
            check_columns(study.spec.data, source_rows(study.spec.data, study.folder, cache))


def fingerprint_of(study: ResolvedStudy, cache: Path, progress: Callable[[str], None]) -> str:
    """Fingerprint of the data of a study for the present content of its source; encodes nothing.

    Errors: as in `dataset_of`, for options and missing files.
    """
    with _placed_errors(study):
        return _target(study, FileHasher(cache, progress)).name


def _target(study: ResolvedStudy, contents: FileHasher) -> Path:
    return target_folder(study.spec.data, study.folder, contents, study.spec.sampled_share)


@contextmanager
def _placed_errors(study: ResolvedStudy) -> Iterator[None]:
    """Add the place in the definition to every problem of an error."""
    try:
        yield
    except (ConfigurationError, DataError) as error:
        problems = [study.placed(problem) for problem in error.problems]
        raise type(error)(*problems, remedy=error.remedy) from error


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
