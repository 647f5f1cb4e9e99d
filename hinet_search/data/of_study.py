"""Data of a study: its rows encoded, and what is wrong with them told with the line of the definition."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hinet_search.data.columns import Dataset
from hinet_search.data.contents import Contents
from hinet_search.data.prepare import is_complete, place_of, prepare
from hinet_search.errors import ConfigurationError, DataError
from hinet_search.study import Study


def dataset_of(study: Study, cache: Path, progress: Callable[[str], None]) -> Dataset:
    """The encoded data of a study, from `cache` or encoded into it.

    Errors: ConfigurationError for wrong options of the source, DataError for wrong rows; each line has its place.
    """
    with _placed(study):
        return prepare(study.spec.data, study.folder, cache, progress)


def is_encoded(study: Study, cache: Path) -> bool:
    """Whether `cache` has the data of a study as they are now. Errors: as of dataset_of, of files that are not there."""
    with _placed(study):
        return is_complete(place_of(study.spec.data, study.folder, Contents(cache, lambda _: None)))


def fingerprint_of(study: Study, cache: Path, progress: Callable[[str], None]) -> str:
    """That of the data of a study as they are now; nothing is encoded. Errors: as of `is_encoded`."""
    with _placed(study):
        return place_of(study.spec.data, study.folder, Contents(cache, progress)).name


@contextmanager
def _placed(study: Study) -> Iterator[None]:
    try:
        yield
    except (ConfigurationError, DataError) as error:
        raise type(error)(*(study.placed(text) for text in error.problems), remedy=error.remedy) from error
