"""Dashboard: optuna-dashboard over a study's database, on this machine only and for reading only.

The dashboard itself asks nobody who they are and lets any page of any site delete a study, so it stands behind a
guard: a Host allow-list (a foreign name that resolves to 127.0.0.1 is refused) and reading methods only.
"""

import errno
import socketserver
import warnings
from collections.abc import Callable, Iterable
from types import TracebackType
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import optuna
from optuna_dashboard import get_note, save_note, wsgi

from hinet_search.errors import ConfigurationError, EnvironmentFault
from hinet_search.records import ArmRecord, StudyRecord, TrialRecord
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.names import optuna_name

LOOPBACK = "127.0.0.1"
_READING = ("GET", "HEAD")
_HEADERS = [("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer")]


_Error = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """One thread per request, so that a page's dozen files do not wait for one another."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    """Writes no line per request."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name in the base class
        """Nothing: the command line prints the address once, and that is all."""


def make_server(database_url: str, host: str = LOOPBACK, port: int = 8080) -> WSGIServer:
    """A server that listens on loopback (`port` 0 takes a free one) and answers once `serve_forever` runs.

    Errors: ConfigurationError for any host but 127.0.0.1, EnvironmentFault when the port is not to be had, and those
    of `connect`.
    """
    if host != LOOPBACK:
        raise ConfigurationError(
            f"--host must be {LOOPBACK}, got '{host}': the dashboard asks nobody for a password",
            remedy=f"from another machine use a tunnel: ssh -L {port}:{LOOPBACK}:{port} THIS_MACHINE",
        )
    database = connect(database_url)
    try:
        server = _Server((host, port), _QuietHandler)
    except (OSError, OverflowError) as error:
        database.close()
        raise EnvironmentFault(
            f"port {port} of {host} cannot be used: {_reason(error)}", remedy="choose another one with --port"
        ) from error
    server.set_app(guard(wsgi(database.storage), server.server_port))
    return server


def serve(database_url: str, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serves the dashboard until a signal ends it, after `say` was told its address; errors as in `make_server`."""
    with make_server(database_url, host, port) as server:
        say(f"http://{host}:{server.server_port}")
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # Optuna's importances of few trials; the page shows the trials
            server.serve_forever()


def guard(application: WSGIApplication, port: int) -> WSGIApplication:
    """The application, for requests that only read and that name this machine as their host."""
    hosts = {f"{LOOPBACK}:{port}", f"localhost:{port}"}

    def guarded(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environment.get("HTTP_HOST", "") not in hosts:
            return _refuse(start, "403 Forbidden", "this dashboard answers on its own address only")
        if environment["REQUEST_METHOD"] not in _READING:
            return _refuse(
                start, "405 Method Not Allowed", "this dashboard is for reading only", ("Allow", "GET, HEAD")
            )
        environment.setdefault("HTTP_ACCEPT_ENCODING", "")  # the dashboard fails where a client names none
        return application(environment, _with_headers(start))

    return guarded


def annotate(database: Database, record: StudyRecord, *, verdict: str, report: str) -> None:
    """Writes notes into the dashboard: on every arm the verdict, the command and the report, on its best trial why.

    `verdict` is one sentence, `report` a path. Notes that already say so are left alone.
    """
    with database.guarded():
        for arm in record.arms:
            if not arm.trials:
                continue
            study = optuna.load_study(study_name=optuna_name(record.name, arm.name), storage=database.storage)
            _note(study, _study_note(record, arm, verdict, report))
            best = _best(record, arm)
            if best is not None:
                study_id = database.storage.get_study_id_from_name(study.study_name)
                trial_id = database.storage.get_trial_id_from_study_id_trial_number(study_id, best.number)
                _note(optuna.Trial(study, trial_id), _best_note(record, arm, best))


def _note(target: optuna.Study | optuna.Trial, body: str) -> None:
    if get_note(target) != body:
        save_note(target, body)


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


def _refuse(start: StartResponse, status: str, reason: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    body = f"{reason}\n".encode()
    length = ("Content-Length", str(len(body)))
    start(status, [("Content-Type", "text/plain; charset=utf-8"), length, *_HEADERS, *headers])
    return [body]


def _with_headers(start: StartResponse) -> StartResponse:
    def started(status: str, headers: list[tuple[str, str]], error: _Error = None, /) -> Callable[[bytes], object]:
        return start(status, [*headers, *_HEADERS], error)

    return started


def _reason(error: OSError | OverflowError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return str(error)
