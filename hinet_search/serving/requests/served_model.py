"""Served model: an exported folder opened for requests, from JSON columns to predictions.

Shape legend: R rows, B rows of a batch, T tasks.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hinet_search.common.errors import DataError
from hinet_search.data.columns import Columns
from hinet_search.models.layers.batch import Batch, count_by_scenario
from hinet_search.models.layers.stacked_linear import StackedLinear
from hinet_search.serving.compiled.layout import COMPILED, LAYOUT
from hinet_search.serving.compiled.run import has_graphs, open_compiled
from hinet_search.serving.drift import FarLimits
from hinet_search.serving.live.journal import Journal
from hinet_search.serving.live.live_log import LiveLog
from hinet_search.serving.model_folder import CARD, ExportedModel, open_folder
from hinet_search.serving.predict import missing_scores, predictions
from hinet_search.serving.requests.document import RequestColumns
from hinet_search.serving.requests.encode import RequestEncoder, request_encoder
from hinet_search.serving.requests.rows import RowReader, row_reader
from hinet_search.serving.sealed import MANIFEST
from hinet_search.serving.state import read_state, with_state
from hinet_search.serving.tables import wrong_content
from hinet_search.training.predict import ROWS_AT_ONCE
from hinet_search.training.trainable import Network

VERSION_DIGITS = 12
MAX_CARD_BYTES = 10_000_000
WARM_UP_ROUNDS = 3  # the first calls of torch's operations take longer


class RequestScorer(Protocol):
    """Scores encoded rows; safe in several threads at once."""

    def score(self, columns: Columns, scenario: str | None) -> NDArray[np.float32]:
        """Return what `predict` gives of every row (R, T), NaN where there is no finite score.

        `scenario` names that of all rows; None if they are of several.
        """
        ...


@dataclass(frozen=True)
class NetworkScorer:
    """The networks (or forests) of a folder on the CPU, computed by torch as `predict` does."""

    exported: ExportedModel

    def score(self, columns: Columns, scenario: str | None) -> NDArray[np.float32]:  # noqa: ARG002  a batch tells
        """Return predictions (R, T)."""
        return predictions(self.exported, columns)


def scorer_of(exported: ExportedModel) -> RequestScorer:
    """Return the graphs of a folder that has some without code, else its networks.

    Errors: those of `open_compiled`; DataError for graphs of another model.
    """
    if not has_graphs(exported.folder):
        return network_scorer(exported)
    compiled = open_compiled(exported.folder)
    layout = compiled.layout
    schema = exported.encoder.schema
    sizes = (layout.num_ids, layout.num_numbers, layout.num_slots)
    wanted_sizes = (schema.num_fields, len(schema.numeric), schema.num_slots)
    are_of_model = layout.tasks == schema.tasks and layout.scenarios == schema.scenarios
    if not are_of_model or sizes != wanted_sizes:
        raise wrong_content(
            exported.folder / COMPILED / LAYOUT,
            "be of the model's tasks, scenarios and inputs",
            "is of others",
        )
    return compiled


def network_scorer(exported: ExportedModel) -> NetworkScorer:
    """Return the scorer of a folder's members on the CPU.

    Networks are set to evaluate once and for all: `train()` of one thread would turn dropout on in
    another.
    """
    members = []
    for member in exported.members:
        model = member.model
        if isinstance(model, Network):
            model.model.eval()
            for module in model.model.modules():
                if isinstance(module, StackedLinear):
                    module.store_by_input()
            model = RequestNetwork(model)
        members.append(replace(member, model=model))
    return NetworkScorer(replace(exported, members=tuple(members)))


@dataclass(frozen=True)
class RequestNetwork:
    """A network that scores few rows without a feed."""

    network: Network

    @property
    def model(self) -> nn.Module:
        """The model."""
        return self.network.model

    def scores(self, columns: Columns) -> NDArray[np.float32]:
        """Return logits (R, T)."""
        if columns.num_rows > ROWS_AT_ONCE:
            return self.network.scores(columns)
        scenario_B = _tensor(columns.scenario_R).long()
        is_sorted = bool((columns.scenario_R[1:] >= columns.scenario_R[:-1]).all())
        batch = Batch(
            ids_BF=_tensor(columns.ids_RF),
            numeric_BN=_tensor(columns.numeric_RN),
            scenario_B=scenario_B,
            lists_BS=_tensor(columns.lists_RS),
            order_B=None if is_sorted else scenario_B.argsort(stable=True),
            sizes=count_by_scenario(scenario_B),
        )
        with torch.inference_mode():
            logits_BT: torch.Tensor = self.network.model(batch)
        scores_RT: NDArray[np.float32] = logits_BT.float().numpy()
        return scores_RT


def _tensor(array: NDArray[np.generic]) -> torch.Tensor:
    """A view, or a copy of an array that must not be written to, of which torch warns."""
    return torch.from_numpy(np.require(array, requirements="W"))


@dataclass(frozen=True)
class Scores:
    """Predictions (R, T) of a request, and its rows with an unseen value by column or list.

    `far` has the rows whose number is far outside of those of training, by numeric input.
    """

    predicted_RT: NDArray[np.float32]
    unseen: Mapping[str, int]
    far: Mapping[str, int]


@dataclass(frozen=True)
class ServedModel:
    """A model that answers requests; `version` changes with what it is read from: the files
    of the manifest and the graphs. `card` is that of the same folder. `live` is the log if it takes
    events.
    """

    exported: ExportedModel
    version: str
    loaded: datetime
    card: str
    reader: RowReader
    encoder: RequestEncoder
    scorer: RequestScorer
    far_limits: FarLimits
    live: LiveLog | None = None

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
    def counted_to(self) -> str:
        """The time of the last row of the log, or the last day with a counted label, or nothing."""
        if self.live is not None:
            return self.live.counted_to
        return self.exported.encoder.history.last_counted(self.exported.file.inputs)

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
        unseen = self.encoder.unseen(rows, encoded)
        names = self.exported.encoder.encoding.numeric_inputs
        far = dict(zip(names, self.far_limits.num_far(encoded.numeric_RN), strict=True))
        return Scores(predicted_RT, unseen, far)


def open_served(
    folder: Path, state: Path | None = None, journal: Journal | None = None
) -> ServedModel:
    """Open an exported folder for requests on the CPU, check it, and score rows to warm up.

    What rolls forward is that of the folder `state`, if there is one, and of its `journal`.
    Errors: those of `open_folder`, `with_state` and `scorer_of`; DataError for a type that JSON has
    no values for, or if the model has no finite score for a row with nothing known but its
    scenario.
    """
    try:
        place = folder.resolve()  # a link may lead elsewhere by the next file
    except RuntimeError as error:
        raise DataError(
            f"{folder}: must be a folder or lead to one, but leads to itself"
        ) from error
    exported = open_folder(place, torch.device("cpu"))
    live = None
    if state is not None and journal is not None:
        exported, read = read_state(exported, state)
        live = LiveLog(exported, read, journal)
    elif state is not None:
        exported = with_state(exported, state)
    encoder = exported.encoder
    inputs = encoder.inputs
    served = ServedModel(
        exported,
        _version(place),
        datetime.now(UTC),
        _card(place),
        row_reader(encoder),
        request_encoder(encoder, None if live is None else live.live),
        scorer_of(exported),
        FarLimits.of(exported.profile, encoder.encoding.numeric_inputs),
        live,
    )
    # A row of every scenario with nothing else known.
    scenarios = list(inputs.scenario.values)
    unknown = dict.fromkeys(inputs.columns, [None] * len(scenarios))
    rows = RequestColumns({**unknown, inputs.scenario.column: scenarios}, len(scenarios))
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
    """The text of card.md, which has no hash: DataError for a link, or what is no such text."""
    path = folder / CARD
    if not path.exists() and not path.is_symlink():
        return ""
    if path.is_symlink() or not path.is_file():
        raise wrong_content(path, "be a file of this folder", "is something else")
    with path.open("rb") as file:
        content = file.read(MAX_CARD_BYTES + 1)
    if len(content) > MAX_CARD_BYTES:
        raise wrong_content(path, f"be at most {MAX_CARD_BYTES:,} bytes", "is larger")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise wrong_content(path, "be text in UTF-8", "is not") from error
