"""Folders that are opened once for all tests of requests."""

from pathlib import Path

import pytest

from hinet_search.serving.requests.served_model import ServedModel, open_served
from tests.serving.requests.exported import (
    COUNTED,
    EVERYTHING,
    IDS_ONLY,
    MATCHED,
    PLAIN,
    TIMED,
    write_export,
)

FEATURES = {
    "plain": PLAIN,
    "everything": EVERYTHING,
    "counted": COUNTED,
    "timed": TIMED,
    "ids": IDS_ONLY,
    "matched": MATCHED,
}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ServedModel]:
    """A model of plain inputs, two of every input by look-up, two with statistics, by a number and by
    datetimes, one without numbers, and one with matches."""
    folder: Path = tmp_path_factory.mktemp("exports")
    return {
        name: open_served(write_export(folder / name, features))
        for name, features in FEATURES.items()
    }
