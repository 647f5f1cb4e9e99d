"""State: the label counts of an exported model as of its newest rows, in a folder of their own.

state.json      which generation counts, of what definition, and SHA-256 of its tables
generation-N/   the tables of generation N: days and statistics.K, as in the folder of a model

A generation is written whole, then state.json is replaced; so a process that is killed leaves the
generation before or the new one. Who writes must have read the generation before: of two processes
that roll one state at once, the second is refused. The folder of the model stays as it is.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.common.files import FOLDER, locked, replacing, replacing_folder
from hinet_search.common.frozen_model import Frozen
from hinet_search.data.derived.days import NUMBERED
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import rolling_of_folder, rolling_tables
from hinet_search.serving.model_file import ModelFile
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.sealed import file_hash

INDEX = "state.json"
JOURNAL = "events.db"
MAX_BYTES = 1_000_000  # of the index
BEGIN_AGAIN = "name another folder, which begins as the model was exported"

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Index(Frozen):
    """Content of state.json; `events` is the last change of a journal that the tables have."""

    generation: Annotated[int, Field(ge=1, lt=2**53)]
    events: Annotated[int, Field(ge=0, lt=2**53)] = 0
    definition: Hash
    tables: dict[Annotated[str, Field(pattern=r"^[a-z]+(\.[0-9]+)?$")], Hash]


def refuse_fixed(exported: ExportedModel) -> None:
    """ConfigurationError unless the model has inputs that roll forward."""
    inputs = exported.file.inputs
    if inputs.rolls:
        return
    got = "none" if inputs.statistics is None else "statistics that are as old as the model"
    raise ConfigurationError(
        f"--state: {exported.folder} must have label statistics that are counted anew, events, "
        f"sessions or sequences, got {got}",
        remedy="write refresh: day in the data definition, launch and export again; or leave "
        "out --state",
    )


def refuse_without_events(folder: Path, file: ModelFile) -> None:
    """ConfigurationError unless the model of a folder has inputs that events change."""
    if not file.inputs.rolls:
        raise ConfigurationError(
            f"--events: {folder} must have events, sessions, sequences, or label statistics that "
            "are counted anew, got none",
            remedy="declare features.events, or refresh: day of statistics, launch and export "
            "again; or leave out --events",
        )


def _refuse_unordered(exported: ExportedModel) -> None:
    """ConfigurationError for a clock whose days have no numbers that tell their order."""
    counts = exported.encoder.history.counts
    if not exported.encoder.inputs.rolls_statistics or counts is None:
        return
    if counts.days.dtype not in NUMBERED:
        raise ConfigurationError(
            f"--events: the clock of {exported.folder}'s statistics must hold dates, datetimes or "
            f"numbers, got {counts.days.dtype}",
            remedy="cast it, launch and export again; or roll statistics with predict --state",
        )


def generation_of(folder: Path) -> int:
    """The number of the generation that counts, 0 if there is no state yet; errors as below."""
    index = _index(folder)
    return 0 if index is None else index.generation


def with_state(exported: ExportedModel, folder: Path) -> ExportedModel:
    """The model with the counts and the log of a state; as exported if there is no state yet.

    Errors: ConfigurationError if the model has nothing that rolls; DataError for the state of
    another definition, or a damaged one; EnvironmentFault if it cannot be read.
    """
    refuse_fixed(exported)
    return _with_tables(exported, folder, _index(folder))


def _with_tables(exported: ExportedModel, folder: Path, index: Index | None) -> ExportedModel:
    if index is None:
        return exported
    if index.definition != _definition(exported.encoder):
        raise DataError(
            f"{folder}: must be a state of inputs that are defined as those of "
            f"{exported.folder}, but is of others",
            remedy=BEGIN_AGAIN,
        )
    place = _place(folder, index.generation)
    try:
        for name, known in index.tables.items():
            path = place / f"{name}.parquet"
            if not path.is_file():  # a pipe would never end
                raise _damaged(folder, f"{path.name} of generation {index.generation} is no file")
            if file_hash(path) != known:
                raise _damaged(folder, f"{name} has changed since it was written")
    except OSError as error:
        raise _damaged(folder, f"{error.filename} cannot be read: {error.strerror}") from error
    encoder = exported.encoder
    inputs = encoder.inputs
    types = inputs.encoded_types(encoder.types)
    history = rolling_of_folder(
        encoder.history, inputs, types, lambda name: place / f"{name}.parquet"
    )
    return replace(exported, encoder=replace(encoder, history=history))


@dataclass(frozen=True)
class ReadState:
    """Where a state was read: its generation, 0 if there was none, and the events that it has."""

    folder: Path
    generation: int
    events: int


def read_state(exported: ExportedModel, folder: Path) -> tuple[ExportedModel, ReadState]:
    """The model with a state that events are added to, and where it was read.

    Errors: those of `with_state`; ConfigurationError if the model has nothing that events change,
    or a clock of days without an order.
    """
    refuse_without_events(exported.folder, exported.file)
    _refuse_unordered(exported)
    index = _index(folder)
    read = ReadState(folder, 0, 0)
    if index is not None:
        read = ReadState(folder, index.generation, index.events)
    return _with_tables(exported, folder, index), read


def write_state(folder: Path, encoder: Encoder, before: int, events: int = 0) -> None:
    """Write what an encoder counts as the next generation, completely or not at all.

    They continue those of generation `before`, see `generation_of`, and have the changes of a
    journal up to `events`. A process that writes the state of this folder is waited for.
    Errors: DiskFull; EnvironmentFault if the folder cannot be written, or has another generation.
    """
    tables = rolling_tables(encoder.history, encoder.inputs)
    try:
        with locked(folder, lambda: None):
            now = generation_of(folder)
            if now != before:
                raise EnvironmentFault(
                    f"{folder}: must be of generation {before}, as it was when this command "
                    f"began, but another process has written generation {now} meanwhile",
                    remedy="run this command again: it then continues the newer state",
                )
            generation = before + 1
            place = _place(folder, generation)
            shutil.rmtree(place, ignore_errors=True)  # of a killed process
            with replacing_folder(place, None) as part:
                part.chmod(FOLDER)  # it has ids of users
                for name, table in tables.items():
                    table.write_parquet(part / f"{name}.parquet")
                hashes = {name: file_hash(part / f"{name}.parquet") for name in tables}
            definition = _definition(encoder)
            index = Index(
                generation=generation, events=events, definition=definition, tables=hashes
            )
            text = index.model_dump_json(indent=1)
            with replacing(folder / INDEX, len(text)) as part:
                part.write_text(text, encoding="utf-8")
            if generation > 2:  # a reader may be in the generation before
                shutil.rmtree(_place(folder, generation - 2), ignore_errors=True)
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: the state cannot be written: {error.strerror}",
            remedy="free space, give write permission, or name another folder",
        ) from error


def _place(folder: Path, generation: int) -> Path:
    return folder / f"generation-{generation}"


def _index(folder: Path) -> Index | None:
    path = folder / INDEX
    try:
        if not path.is_file():
            if folder.exists() and not _is_begun(folder):
                raise _damaged(folder, f"it has no {INDEX}")
            return None
        if path.stat().st_size > MAX_BYTES:
            raise _damaged(folder, f"{INDEX} has more than {MAX_BYTES:,} bytes")
        return Index.model_validate_json(path.read_bytes())
    except OSError as error:
        raise EnvironmentFault(
            f"{path}: must be readable, but is not: {error.strerror}",
            remedy="give read permission",
        ) from error
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        raise _damaged(folder, f"{INDEX}: {wrong['msg']}") from error


def _is_begun(folder: Path) -> bool:
    """Whether a folder has nothing but what a killed process left of its first generation."""
    first = _place(folder, 1).name
    return folder.is_dir() and all(
        path.name == first or path.name.startswith((".", JOURNAL)) for path in folder.iterdir()
    )


def _damaged(folder: Path, what: str) -> DataError:
    return DataError(
        f"{folder}: must be a state that predict --state wrote, but {what}", remedy=BEGIN_AGAIN
    )


def _definition(encoder: Encoder) -> str:
    """A hash of what counts mean: keys with their types, tasks, and units of amounts."""
    inputs = encoder.inputs
    columns = set[str]()
    rolling: dict[str, object] = {}
    if inputs.statistics is not None and inputs.rolls_statistics:
        columns.update(*inputs.statistics.keys)
        rolling["statistics"] = inputs.statistics.model_dump(mode="json")
    if inputs.log is not None:
        columns |= {*inputs.log.definition.columns, inputs.log.time}
        rolling["log"] = inputs.log.model_dump(mode="json")
        rolling["scenarios"] = inputs.scenario.names  # rows of the log have their numbers
    content = {
        **rolling,
        "tasks": inputs.tasks,
        "units": inputs.amount_units,
        "absent": inputs.absent_cells,
        "types": {name: str(encoder.types[name]) for name in sorted(columns)},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
