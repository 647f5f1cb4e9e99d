"""Served model: an exported folder opened for requests, from JSON columns to predictions.

Shape legend: R rows, T tasks.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.serving.compiled.layout import COMPILED, LAYOUT
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.model_folder import CARD, ExportedModel, open_folder
from hinet_search.serving.predict import missing_scores
from hinet_search.serving.requests.document import RequestColumns
from hinet_search.serving.requests.encode import RequestEncoder, request_encoder, unseen_values
from hinet_search.serving.requests.rows import RowReader, row_reader
from hinet_search.serving.requests.scorer import RequestScorer, scorer_of
from hinet_search.serving.sealed import MANIFEST

VERSION_DIGITS = 12
WARM_UP_ROUNDS = 3  # the first calls of torch's operations take longer


@dataclass(frozen=True)
class Scores:
    """Predictions (R, T) of a request, and its rows with an unseen value by column."""

    predicted_RT: NDArray[np.float32]
    unseen: Mapping[str, int]


@dataclass(frozen=True)
class ServedModel:
    """A model that answers requests; `version` changes with what it is read from: the files
    of the manifest and the graphs. `card` is that of the same folder.
    """

    exported: ExportedModel
    version: str
    loaded: datetime
    card: str
    reader: RowReader
    encoder: RequestEncoder
    scorer: RequestScorer

    @property
    def name(self) -> str:
        """`quickstart/hinet`."""
        return f"{self.exported.file.study}/{self.exported.file.name}"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, T."""
        return self.exported.file.inputs.tasks

    @property
    def predicted(self) -> str:
        """What it gives: `probabilities`, or `predictions` if some are amounts."""
        return self.exported.file.inputs.predicted

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must have."""
        return self.exported.file.inputs.columns

    def score(self, columns: RequestColumns) -> Scores:
        """Score the columns of a request; NaN where the scenario of a row does not have a task.

        DataError with every problem of the values, or if a row has no finite score.
        """
        rows = self.reader.read(columns)
        encoded = self.encoder.encode(rows)
        predicted_RT = self.scorer.score(encoded, rows.scenario)
        inputs = self.exported.file.inputs
        problems = missing_scores(predicted_RT, inputs.has_task[rows.scenario_R], 0)
        if problems:
            raise DataError(*problems)
        unseen = unseen_values(inputs.categorical, rows, encoded)
        return Scores(predicted_RT, unseen)


def open_served(folder: Path) -> ServedModel:
    """Open an exported folder for requests on the CPU, check it, and score rows to warm up.

    Errors: those of `open_folder` and `scorer_of`; DataError for a type that JSON has no values
    for, or if the model has no finite score for a row with nothing known but its scenario.
    """
    try:
        place = folder.resolve()  # a link may lead elsewhere by the next file
    except RuntimeError as error:
        raise DataError(
            f"{folder}: must be a folder or lead to one, but leads to itself"
        ) from error
    exported = open_folder(place, torch.device("cpu"))
    served = ServedModel(
        exported,
        _version(place),
        datetime.now(UTC),
        _card(place),
        row_reader(exported.encoder),
        request_encoder(exported.encoder),
        scorer_of(exported),
    )
    rows = _least_known_rows(exported.file.inputs)
    for _ in range(WARM_UP_ROUNDS):
        served.score(rows)
    return served


def _version(folder: Path) -> str:
    """Digits of the hash of the files that have the hashes of all others."""
    hashed = hashlib.sha256((folder / MANIFEST).read_bytes())
    graphs = folder / COMPILED / LAYOUT
    if graphs.is_file():
        hashed.update(graphs.read_bytes())
    return hashed.hexdigest()[:VERSION_DIGITS]


def _card(folder: Path) -> str:
    path = folder / CARD
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _least_known_rows(inputs: Inputs) -> RequestColumns:
    """A row of every scenario with nothing else known."""
    scenarios = list(inputs.scenario.values)
    columns: dict[str, list[str | None]] = {
        name: [None] * len(scenarios) for name in inputs.columns
    }
    return RequestColumns({**columns, inputs.scenario.column: scenarios}, len(scenarios))
