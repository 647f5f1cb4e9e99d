"""Dashboard: live reports and optuna-dashboard over one database, behind a guard and for reading unless asked otherwise."""

import errno
import socket
import socketserver
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import optuna
from optuna_dashboard import wsgi

from hinet_search.errors import EnvironmentFault
from hinet_search.guard import Access, guard
from hinet_search.live.application import with_live_pages
from hinet_search.live.listed import study_page
from hinet_search.records import ArmRecord, StudyRecord, TrialRecord
from hinet_search.spreadsheet import without_formulas
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.names import optuna_name
from hinet_search.storage.notes import leave_note
from hinet_search.storage.pulse import read_pulse

SILENT_SECONDS = 30.0  # a connection on which nothing is said for so long is closed


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """One thread per request, so that a page's dozen files do not wait for one another."""

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _QuietHandler)


class _QuietHandler(WSGIRequestHandler):
    """Writes no line per request."""

    timeout = SILENT_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name in the base class
        """Nothing: the command line prints the address once, and that is all."""


def make_server(database_url: str, access: Access, study: str | None = None) -> WSGIServer:
    """A server that listens where `access` says (port 0 takes a free one) and answers once `serve_forever` runs.

    Errors: those of `Access.check` and of `connect`, EnvironmentFault when the port is not to be had, ConfigurationError
    when the database has no such study.
    """
    access.check()
    database = connect(database_url)  # refuses one that is not there yet
    if access.writable:
        database.close()
        database = connect(database_url, create=True)
    if study is not None:
        read_pulse(database, study)
    try:
        server = _Server(access.host, access.port)
    except (OSError, OverflowError) as error:
        database.close()
        raise EnvironmentFault(
            f"port {access.port} of {access.host} cannot be used: {_reason(error)}",
            remedy="choose another one with --port",
        ) from error
    listening = replace(access, port=server.server_port)
    pages = with_live_pages(database, _with_plain_csv(wsgi(database.storage)))
    server.set_app(guard(pages, listening))
    return server


def serve(database_url: str, access: Access, say: Callable[[str], None], study: str | None = None) -> None:
    """Serves the dashboard until a signal ends it, after `say` was told its address, or that of a study's page.

    Errors are those of `make_server`.
    """
    with make_server(database_url, access, study) as server:
        host = f"[{access.host}]" if ":" in access.host else access.host
        say(f"http://{host}:{server.server_port}{'' if study is None else study_page(study)}")
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # Optuna's importances of few trials; the page shows the trials
            server.serve_forever()


def _with_plain_csv(application: WSGIApplication) -> WSGIApplication:
    """The application, with CSV answers in which no cell is a formula."""

    def plain(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if not environment["PATH_INFO"].startswith("/csv/"):
            return application(environment, start)
        said: list[tuple[str, list[tuple[str, str]]]] = []

        def told(status: str, headers: list[tuple[str, str]], _error: object = None, /) -> Callable[[bytes], object]:
            said.append((status, headers))
            return lambda _: None

        body = b"".join(application(environment, told))
        status, headers = said[-1]
        if "text/csv" in dict(headers).get("Content-Type", ""):
            body = without_formulas(body.decode()).encode()
        kept = [one for one in headers if one[0].lower() != "content-length"]
        start(status, [*kept, ("Content-Length", str(len(body)))])
        return [body]

    return plain


def annotate(database: Database, record: StudyRecord, *, verdict: str, report: str) -> None:
    """Writes notes into the dashboard: on every arm the verdict, the command and the report, on its best trial why.

    `verdict` is one sentence, `report` a path. Notes that already say so are left alone.
    """
    with database.guarded():
        for arm in record.arms:
            if not arm.trials:
                continue
            study = optuna.load_study(study_name=optuna_name(record.name, arm.name), storage=database.storage)
            leave_note(study, _study_note(record, arm, verdict, report))
            best = _best(record, arm)
            if best is not None:
                study_id = database.storage.get_study_id_from_name(study.study_name)
                trial_id = database.storage.get_trial_id_from_study_id_trial_number(study_id, best.number)
                leave_note(optuna.Trial(study, trial_id), _best_note(record, arm, best))


def _study_note(record: StudyRecord, arm: ArmRecord, verdict: str, report: str) -> str:
    trained = sum(trial.counts and trial.state != "running" for trial in arm.trials)
    return (
        f"{verdict}\n\n"
        f"Arm {arm.name} of study {record.name}: {trained} of {record.budget.trials} trials, {record.state}.\n\n"
        f"    {record.command}\n\n"
        f"Report:\n\n    {report}\n"
    )


def _best_note(record: StudyRecord, arm: ArmRecord, best: TrialRecord) -> str:
    kind = "; it is the default configuration" if best.is_default else ""
    return f"Best trial of arm {arm.name}: {record.objective} {best.value:.5f} on validation{kind}.\n"


def _best(record: StudyRecord, arm: ArmRecord) -> TrialRecord | None:
    complete = [trial for trial in arm.trials if trial.state == "complete" and trial.value is not None]
    choose: Callable[..., TrialRecord | None] = max if record.maximize else min
    return choose(complete, key=lambda trial: trial.value, default=None)


def _reason(error: OSError | OverflowError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return str(error)
