"""MLflow: the runs of a study as nested runs of an experiment.

A run is found again by its tags: `hinet_search.study`, `hinet_search.run` (its path), and
`hinet_search.digest`, which is written last. `hinet_search.step` is the last step of its metrics.
"""

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import field_validator, model_validator

from hinet_search.common.errors import hide_passwords
from hinet_search.common.frozen_model import Frozen, Text
from hinet_search.trackers import RunPath, RunRefused, TrackedRun, Tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

ENVIRONMENT = {  # unless it is set
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # the next round tries again
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # two lines for every run
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # not a line for every table that it creates
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing goes anywhere but to the server of the user
}
STATUSES = {
    "running": "RUNNING",
    "complete": "FINISHED",
    "pruned": "KILLED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
OF_THE_RUN = (  # errors of one run; any other may pass
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_DOES_NOT_EXIST",
)
HERE = ("", "file", "sqlite")  # schemes of URIs on this machine
EXPERIMENT = "hinet-search"
NEEDS = "needs the package mlflow-skinny: pip install '.[mlflow]' in a clone of hinet-search"
STUDY = "hinet_search.study"  # tags
RUN = "hinet_search.run"
DIGEST = "hinet_search.digest"
STEP = "hinet_search.step"
MOST_METRICS = 1_000  # that MLflow takes at once
MOST_PARAMETERS = 100
SEPARATOR = " > "  # of a path; no name contains it
Item = TypeVar("Item")


class Options(Frozen):
    """Where MLflow keeps the runs.

    `uri` is that of a server (http://HOST:PORT) or of a database that MLflow opens itself
    (sqlite:///FILE). Without it MLFLOW_TRACKING_URI counts, else MLflow's own default. A launch
    sends runs to a server only if it names the server too. `experiment` is created if there is
    none of that name.
    """

    uri: str = ""
    experiment: Text = EXPERIMENT

    @field_validator("uri")
    @classmethod
    def _has_no_password(cls, uri: str) -> str:
        _, _, place = uri.partition("://")
        has_user = "@" in place and not place.startswith("/")  # a path may have an @
        if has_user or "password" in parse_qs(urlsplit(uri).query):
            raise ValueError(
                "must hold no user and no password, since a study is stored and shown in its "
                "report: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
                "or MLFLOW_TRACKING_URI to the whole URI"
            )
        return uri

    @model_validator(mode="after")
    def _needs_mlflow(self) -> "Options":
        if find_spec("mlflow") is None:
            raise ValueError(NEEDS)
        return self


def connect(options: Options, study: str) -> Tracker:
    """Open the experiment, and find the runs of the study that earlier launches wrote."""
    opened = client(options.uri)
    with errors_in_words(opened.tracking_uri):
        experiment = experiment_of(opened, options.experiment)
        return MlflowTracker(opened, experiment, study, is_of_study=bool(options.uri))


def client(uri: str = "") -> "MlflowClient":
    """Open MLflow at a URI, else where the environment says."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it logs every retry
    return MlflowClient(uri or None)


def experiment_of(client: "MlflowClient", name: str) -> str:
    """Return the id of the experiment of that name, which is created if there is none."""
    experiment = client.get_experiment_by_name(name)
    number: str | None = experiment and experiment.experiment_id
    return number or str(client.create_experiment(name))


@dataclass
class _Written:
    """What MLflow has of a run. `start` is in milliseconds since 1970, `step` the last one."""

    run_id: str
    start: int
    status: str
    step: int
    parameters: set[str]
    digest: str


class MlflowTracker:
    """Writes the runs of one study to an experiment; see `Tracker` for the contract."""

    def __init__(
        self, client: "MlflowClient", experiment: str, study: str, *, is_of_study: bool
    ) -> None:
        """`is_of_study`: the study names the place, so it and what it holds may be a stranger's."""
        self._client = client
        self._experiment = experiment
        self._study = study
        self._stays_here = is_of_study and urlsplit(client.tracking_uri).scheme in HERE
        self._runs = dict(self._stored())
        self.place = f"experiment {experiment} at {hide_passwords(client.tracking_uri)}"

    def _stored(self) -> Iterator[tuple[RunPath, _Written]]:
        """Yield the runs that a tracker wrote for this study.

        A filter cannot hold both kinds of quotes, so any character may stand in place of one, and
        finds studies with a similar name too. Other programs may copy some of the tags.
        """
        similar = re.sub(r"""['"`\\]""", "_", self._study)
        token = None
        while token != "":  # the token of a page that none follows
            page = self._client.search_runs(
                [self._experiment], f"tags.`{STUDY}` LIKE '{similar}'", page_token=token
            )
            for run in page:
                tags = run.data.tags
                is_whole = bool(tags.get(RUN)) and tags.get(STEP, "0").isdecimal()
                if tags.get(STUDY) == self._study and is_whole:
                    yield tuple(tags[RUN].split(SEPARATOR)), _written(run)
            token = page.token or ""

    def digests(self) -> Mapping[RunPath, str]:
        """Return the digests of runs that were written completely."""
        return {path: written.digest for path, written in self._runs.items()}

    def write(self, run: TrackedRun) -> None:
        """Create the run if it is new, then add what it lacks; its digest comes last."""
        with errors_in_words(self._client.tracking_uri):
            if run.path not in self._runs:
                self._runs[run.path] = self._create(run)
            written = self._runs[run.path]
            self._set_status(run, written)
            self._log(run, written)

    def attach(self, path: RunPath, name: str, text: str) -> None:
        """Write an artifact of the run."""
        run_id = self._runs[path].run_id
        with errors_in_words(self._client.tracking_uri):
            place = self._client.get_run(run_id).info.artifact_uri
            # Others send it elsewhere, or open a library: hdfs:// that of the current folder.
            if self._stays_here and urlsplit(place).scheme not in HERE:
                raise RunRefused(
                    f"{self._client.tracking_uri} keeps artifacts at {hide_passwords(place)}, "
                    "which is not on this machine; set MLFLOW_TRACKING_URI if you want it"
                )
            self._client.log_text(run_id, text, name)

    def _create(self, run: TrackedRun) -> _Written:
        start = _milliseconds(run.started) or int(1000 * (time.time() - run.seconds))
        tags = {STUDY: self._study, RUN: SEPARATOR.join(run.path)}
        parent = run.path[:-1]
        if parent and parent not in self._runs:
            raise RunRefused(f"MLflow refused {SEPARATOR.join(parent)}, which it is nested in")
        if parent:
            tags["mlflow.parentRunId"] = self._runs[parent].run_id
        created = self._client.create_run(self._experiment, start, tags, run.path[-1])
        return _written(created)

    def _set_status(self, run: TrackedRun, written: _Written) -> None:
        status = STATUSES[run.state]
        if status == written.status:
            return
        if run.state == "running":  # it was interrupted
            self._client.update_run(written.run_id, status)
        else:
            end = _milliseconds(run.finished) or written.start + int(1000 * run.seconds)
            self._client.set_terminated(written.run_id, status, end)
        written.status = status

    def _log(self, run: TrackedRun, written: _Written) -> None:
        from mlflow.entities import Param, RunTag

        points = [point for point in run.points if point.step > written.step]
        metrics = _totals(run, written.start)
        for point in points:
            moment = written.start + int(1000 * point.seconds)
            metrics += [
                _metric(name, value, moment, point.step) for name, value in point.metrics.items()
            ]
        parameters = [
            Param(name, str(value))
            for name, value in run.parameters.items()
            if name not in written.parameters  # MLflow refuses another value
        ]
        for some_metrics in _chunks(metrics, MOST_METRICS):
            self._client.log_batch(written.run_id, metrics=some_metrics)
        for some_parameters in _chunks(parameters, MOST_PARAMETERS):
            self._client.log_batch(written.run_id, params=some_parameters)
        step = max((point.step for point in points), default=written.step)
        tags = {**run.tags, "state": run.state, STEP: str(step), DIGEST: run.digest}
        if run.description:
            tags["mlflow.note.content"] = run.description
        self._client.log_batch(
            written.run_id, tags=[RunTag(name, tag) for name, tag in tags.items()]
        )
        written.parameters |= set(run.parameters)
        written.step = step


def _written(run: "Run") -> _Written:
    tags = run.data.tags
    return _Written(
        run_id=run.info.run_id,
        start=run.info.start_time,
        status=run.info.status,
        step=int(tags.get(STEP, 0)),
        parameters=set(run.data.params),
        digest=tags.get(DIGEST, ""),
    )


def _totals(run: TrackedRun, start: int) -> list["Metric"]:
    # MLflow shows the value of the latest time, and of one time the greatest. The end of a run is
    # always the same time, so that writing a metric again adds no second value.
    moment = run.finished or (run.updated if run.state == "running" else "")
    end = _milliseconds(moment) or start + int(1000 * run.seconds)
    return [_metric(name, value, end, 0) for name, value in run.totals.items()]


def _metric(name: str, value: float, milliseconds: int, step: int) -> "Metric":
    from mlflow.entities import Metric

    return Metric(re.sub(r"[^\w./ :-]", "_", name), value, milliseconds, step)


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _milliseconds(moment: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time; 0 for an empty text."""
    return int(1000 * datetime.fromisoformat(moment).timestamp()) if moment else 0


@contextmanager
def errors_in_words(uri: str) -> Iterator[None]:
    """Raise RunRefused for an error that is of the run, ConnectionError if there is no answer."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in OF_THE_RUN:
            raise RunRefused(str(error)) from error
        first: BaseException = error
        while (before := first.__cause__ or first.__context__) is not None:
            first = before
        if isinstance(first, OSError):  # MLflow's own text is the whole request
            reason = first.strerror or str(first)
            raise ConnectionError(f"no answer from {uri}: {reason}") from error
        raise
