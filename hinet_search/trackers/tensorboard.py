"""TensorBoard: the runs of a study as folders of event files.

FOLDER/STUDY/hinet/12/events.out.tfevents.*   a run: its scalars, hyperparameters and texts
FOLDER/STUDY/hinet/12/hinet-search.json       what was written, in place of an index; see _EventFile

Event files only grow, and a record that is cut off hides all after it. So the number of their bytes
is noted after each write, and what a killed launch wrote beyond it is cut off by the next one.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError, model_validator

from hinet_search.common.files import make_folder, replacing
from hinet_search.common.frozen_model import Frozen, Text
from hinet_search.trackers import Point, RunPath, TrackedRun, Tracker, Value

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

NOTES = "hinet-search.json"
EVENTS = "events.out.tfevents.0.hinet-search"
VERSION = "brain.Event:2"  # the first record of an event file
Of = TypeVar("Of")
ENDED = ("complete", "pruned", "failed")  # an interrupted run may go on


class Options(Frozen):
    """The folder of event files, which `tensorboard --logdir FOLDER` shows.

    A relative one is in the current folder.
    """

    folder: Text = "runs"

    @model_validator(mode="after")
    def _needs_tensorboard(self) -> "Options":
        if find_spec("tensorboard") is None:
            raise ValueError(
                "needs the package tensorboard: "
                "pip install '.[tensorboard]' in a clone of hinet-search"
            )
        return self


def connect(options: Options, study: str) -> Tracker:
    """Find the runs of the study that earlier launches wrote."""
    return TensorboardTracker(Path(options.folder).absolute(), study)


@dataclass(frozen=True)
class _EventFile:
    """What the event file of a run has: `num_bytes` whole, scalars of points up to `step`.

    `totals` are the last values of metrics without a step, which were written `num_totals` times.
    """

    path: RunPath
    digest: str = ""
    num_bytes: int = 0
    step: int = 0
    num_totals: int = 0
    totals: Mapping[str, float] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    state: str = ""


_NOTES = TypeAdapter(_EventFile)


class TensorboardTracker:
    """Writes the runs of one study as event files; see `Tracker` for the contract."""

    def __init__(self, folder: Path, study: str) -> None:
        # TensorBoard separates folders by colons.
        self._folder = folder / _as_folder(study.replace(":", ""))
        self._runs = {written.path: written for written in _found(self._folder)}
        self.place = f"{self._folder}, see tensorboard --logdir {folder}"

    def digests(self) -> Mapping[RunPath, str]:
        """Return the digests of runs that were written completely."""
        return {path: written.digest for path, written in self._runs.items()}

    def write(self, run: TrackedRun) -> None:
        """Append what the event file of the run lacks, and note it."""
        folder = self._folder_of(run.path)
        written = _EventFile(run.path)
        if (folder / EVENTS).is_file():  # it may be deleted at any time
            written = self._runs.get(run.path, written)
        records = [event.SerializeToString() for event in _events(run, written)]
        make_folder(folder)
        self._runs[run.path] = replace(
            _after(run, written), num_bytes=_append(folder / EVENTS, written.num_bytes, records)
        )
        notes = json.dumps(asdict(self._runs[run.path]))
        with replacing(folder / NOTES, len(notes)) as part:
            part.write_text(notes, encoding="utf-8")

    def attach(self, path: RunPath, name: str, text: str) -> None:
        """Write a file beside the events of the run."""
        with replacing(self._folder_of(path) / name, len(text)) as part:
            part.write_text(text, encoding="utf-8")

    def _folder_of(self, path: RunPath) -> Path:
        """Return the folder of a run: `hinet/12` of arm `hinet` is in the arm's folder as `12`."""
        _, *names = path
        folder = self._folder
        for name in names:
            folder /= _as_folder(name.removeprefix(f"{folder.name}/"))
        return folder


def _as_folder(name: str) -> str:
    """The name of a folder, which is in the one that holds it whatever a stored study is called."""
    return "-" if name in ("", ".", "..") else name.replace("/", "-")


def _found(folder: Path) -> Iterator[_EventFile]:
    """Yield what is noted of runs whose event file is there; others are written again."""
    for notes in sorted(folder.rglob(NOTES)):
        try:
            written = _NOTES.validate_json(notes.read_bytes())
            num_bytes = (notes.parent / EVENTS).stat().st_size
        except (OSError, ValidationError):
            continue
        if 0 <= written.num_bytes <= num_bytes:
            yield written


def _append(file: Path, num_bytes: int, records: list[bytes]) -> int:
    """Append records after the bytes that are whole, and return how many there are then."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    with file.open("r+b" if num_bytes else "wb") as stream:
        stream.truncate(num_bytes)
        stream.seek(num_bytes)
        writer = RecordWriter(stream)
        for record in records:
            writer.write(record)
        return stream.tell()


def _after(run: TrackedRun, written: _EventFile) -> _EventFile:
    changed = _changed(run.totals, written.totals)
    return replace(
        written,
        digest=run.digest,
        step=max([written.step, *(point.step for point in run.points)]),
        num_totals=written.num_totals + bool(changed),
        totals=dict(run.totals),
        texts=_texts(run),
        state=run.state,
    )


def _changed(now: Mapping[str, Of], before: Mapping[str, Of]) -> dict[str, Of]:
    return {name: value for name, value in now.items() if before.get(name) != value}


def _events(run: TrackedRun, written: _EventFile) -> Iterator["Event"]:
    """Yield the events that an event file lacks, the first one of a file included."""
    from tensorboard.compat.proto.event_pb2 import Event

    start = _seconds(run.started, time.time() - run.seconds)
    end = _seconds(run.finished or run.updated, start + run.seconds)
    if not written.num_bytes:
        yield Event(wall_time=start, file_version=VERSION)
        yield Event(wall_time=start, summary=_session_start(run, start))
    points = [point for point in run.points if point.step > written.step]
    if totals := _changed(run.totals, written.totals):
        points.append(Point(written.num_totals, end - start, totals))
    yield from (_scalars(point, start) for point in points)
    for name, text in _changed(_texts(run), written.texts).items():
        yield Event(wall_time=end, step=written.num_totals, summary=_text(name, text))
    if run.state in ENDED and run.state != written.state:
        yield Event(wall_time=end, summary=_session_end(run, end))


def _scalars(point: Point, start: float) -> "Event":
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = [Summary.Value(tag=name, simple_value=value) for name, value in point.metrics.items()]
    return Event(wall_time=start + point.seconds, step=point.step, summary=Summary(value=values))


def _texts(run: TrackedRun) -> dict[str, str]:
    """Return the description, and a Markdown table of state and tags."""
    rows = [f"| {name} | {value} |" for name, value in {"state": run.state, **run.tags}.items()]
    texts = {"tags": "\n".join(["| tag | value |", "|---|---|", *rows])}
    if run.description:
        texts["description"] = run.description
    return texts


def _text(name: str, text: str) -> "Summary":
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.metadata import create_summary_metadata

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()], tensor_shape=shape)
    metadata = create_summary_metadata(display_name=name, description="")
    return Summary(value=[Summary.Value(tag=name, metadata=metadata, tensor=tensor)])


def _session_start(run: TrackedRun, start: float) -> "Summary":
    """Return the hyperparameters, which TensorBoard compares with the scalars of the run."""
    from google.protobuf.struct_pb2 import Value as ProtoValue
    from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    def of(value: Value) -> ProtoValue:
        if isinstance(value, bool):
            return ProtoValue(bool_value=value)
        if isinstance(value, int | float):
            return ProtoValue(number_value=value)
        return ProtoValue(string_value=str(value))

    info = SessionStartInfo(group_name="/".join(run.path), start_time_secs=start)
    for name, value in run.parameters.items():
        info.hparams[name].CopyFrom(of(value))
    return _hyperparameters(SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=info))


def _session_end(run: TrackedRun, end: float) -> "Summary":
    from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
    from tensorboard.plugins.hparams.metadata import SESSION_END_INFO_TAG
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    status = STATUS_FAILURE if run.state == "failed" else STATUS_SUCCESS
    info = SessionEndInfo(status=status, end_time_secs=end)
    return _hyperparameters(SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info))


def _hyperparameters(tag: str, content: "HParamsPluginData") -> "Summary":
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.metadata import create_summary_metadata

    metadata = create_summary_metadata(content)
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata)])


def _seconds(moment: str, otherwise: float) -> float:
    """Seconds since 1970 of an ISO 8601 time; `otherwise` for an empty text."""
    return datetime.fromisoformat(moment).timestamp() if moment else otherwise
