"""MLflow: log a finished study once, as a run of the study and a nested run of each arm.

Each call adds runs. The page is an artifact of the run of the study.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from statistics import fmean
from typing import TYPE_CHECKING

from hinet_search.common import plugins
from hinet_search.common.errors import EnvironmentFault, StudyConflict, hide_passwords, shortened
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import CellValue, FinalistRecord
from hinet_search.results.study_record import FORMATS, StudyRecord
from hinet_search.results.verdict import verdict

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "hinet-search"
ENVIRONMENT = {  # unless it is set
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing goes anywhere but to the server of the user
}
MOST_PARAMETERS = 100  # that MLflow takes at once


def log_study(record: StudyRecord, uri: str) -> str:
    """Log a study to MLflow at `uri`, else where MLFLOW_TRACKING_URI says; return where it is.

    Errors: StudyConflict unless the study is done, EnvironmentFault without the package, or if
    MLflow does not answer or refuses.
    """
    if record.state != "done":
        raise StudyConflict(
            f"study '{record.name}' must be done before it is logged, it is {record.state}",
            remedy=record.command,
        )
    if find_spec("mlflow") is None:
        raise EnvironmentFault(
            "--mlflow needs the package mlflow-skinny, which cannot be imported",
            remedy="pip install '.[mlflow]' in a clone of hinet-search",
        )
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it logs every retry
    with _errors_in_words(uri):
        client = MlflowClient(uri or None)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        number = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
        facts = {
            "objective": record.objective,
            "seed": record.seed,
            "data": record.data.fingerprint,
            **{f"version.{name}": version for name, version in record.versions.items()},
        }
        parent = _log_run(client, number, record.name, facts, {}, {"kind": "study"})
        client.set_tag(parent, "mlflow.note.content", verdict(record).sentence)
        page = plugins.load(FORMATS, "html").files(record)[".html"]
        client.log_text(parent, page, "report.html")
        for arm in record.arms_and_students:
            finalist = chosen(arm)
            if finalist is not None:
                tags = {"kind": "arm", "arm": arm.name, "mlflow.parentRunId": parent}
                seeds = len(finalist.runs)
                named = {"model": arm.model, "trial": finalist.trial_number, "seeds": seeds}
                parameters = {**named, **arm.fixed, **finalist.parameters}
                _log_run(client, number, arm.name, parameters, _metrics(record, finalist), tags)
        return f"experiment {EXPERIMENT} at {hide_passwords(client.tracking_uri)}"


def _log_run(
    client: "MlflowClient",
    experiment: str,
    name: str,
    parameters: Mapping[str, object],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
) -> str:
    """Log a run completely and return its id."""
    from mlflow.entities import Metric, Param

    run = client.create_run(experiment, tags=dict(tags), run_name=name)
    run_id: str = run.info.run_id
    moment = run.info.start_time
    params = [Param(key, str(value)) for key, value in parameters.items()]
    for first in range(0, len(params), MOST_PARAMETERS):
        client.log_batch(run_id, params=params[first : first + MOST_PARAMETERS])
    logged = [
        Metric(re.sub(r"[^\w./ :-]", "_", key), value, moment, 0) for key, value in metrics.items()
    ]
    client.log_batch(run_id, metrics=logged)
    client.set_terminated(run_id)
    return run_id


def _metrics(record: StudyRecord, finalist: FinalistRecord) -> Mapping[str, float]:
    """Means over seeds: of the objective on validation, and of every cell by split."""
    runs = finalist.runs
    return {
        f"valid/{record.objective}": fmean(run.valid_objective for run in runs),
        "seconds": fmean(run.cost.seconds for run in runs),
        **_cells("valid", [run.valid_cells for run in runs]),
        **_cells("test", [run.test_cells for run in runs if run.test_cells]),
    }


def _cells(split: str, cells_of_runs: Sequence[Sequence[CellValue]]) -> Mapping[str, float]:
    metrics: dict[str, float] = {}
    for cells in zip(*cells_of_runs, strict=True):  # one cell, by run
        for metric in ("auc", "logloss", "rmse", "mae"):
            values = [value for cell in cells if (value := cell.value(metric)) is not None]
            if values:
                metrics[f"{split}/{metric}/{cells[0].scenario}/{cells[0].task}"] = fmean(values)
    return metrics


@contextmanager
def _errors_in_words(uri: str) -> Iterator[None]:
    """EnvironmentFault with the first cause, because MLflow's own text is the whole request."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        first: BaseException = error
        while (before := first.__cause__ or first.__context__) is not None:
            first = before
        reason = getattr(first, "strerror", None) or str(first)
        raise EnvironmentFault(
            f"MLflow at {hide_passwords(uri) or '$MLFLOW_TRACKING_URI'}: {shortened(reason)}",
            remedy="start it, or name another with --mlflow URI",
        ) from error
