"""Dashboard: serve live reports and optuna-dashboard for one database, guarded."""

import errno
import io
import logging
import socket
import socketserver
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import FileWrapper

from optuna_dashboard import wsgi

from hinet_search.common.errors import EnvironmentFault
from hinet_search.dashboard.access import Access, guard, in_url
from hinet_search.dashboard.faults import LOGGER, answer_of, log_first_lines, with_words
from hinet_search.dashboard.live_pages import OPTUNA, study_page, with_live_pages
from hinet_search.report.untrusted import without_formulas
from hinet_search.storage.engine import Database, connect
from hinet_search.storage.listing import read_change_marker

SILENT_SECONDS = 30.0  # in which a client must have read a reply
REQUEST_SECONDS = 20.0  # in which a whole request must arrive
MOST_CONNECTIONS = 100
WAY_BACK = b"""<a href="/" style="position: fixed; right: 1rem; bottom: 1rem; z-index: 2000;
padding: .5rem .9rem; border-radius: 6px; background: #1d4ed8; color: #fff; font: 14px sans-serif;
text-decoration: none">Back to hinet-search</a></body>"""


GiveUp = Callable[[], bool]  # returns whether it could be given up


@dataclass(frozen=True)
class _Held:
    client: str
    give_up: GiveUp


class Shares:
    """At most `most` things that are held by clients; safe for several threads.

    If all are held and another client asks, the client that holds the most gives up its oldest. So
    one that leaves connections idle delays only itself.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: dict[object, _Held] = {}  # the oldest first
        self._lock = Lock()

    def hold(self, client: str, give_up: GiveUp) -> object | None:
        """Hold one more for a client; return a key to `release`, or None if there is no room."""
        with self._lock:
            if len(self._held) >= self.most and not self._make_room():
                return None
            key = object()
            self._held[key] = _Held(client, give_up)
            return key

    def release(self, key: object) -> None:
        """Hold it no longer; nothing happens if it was given up."""
        with self._lock:
            self._held.pop(key, None)

    def _make_room(self) -> bool:
        """Whether one was given up: the oldest that can be, of the client that holds the most."""
        counts = Counter(held.client for held in self._held.values())
        for client, _ in counts.most_common():
            for key, held in self._held.items():
                if held.client == client and held.give_up():
                    del self._held[key]
                    return True
        return False


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A server with one thread per request, so that the files of a page load in parallel.

    If all places are taken, the client with the most connections loses its oldest.
    """

    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, host: str, port: int, database: Database) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._database = database
        self._places = Shares(MOST_CONNECTIONS)
        self._held: dict[socket.socket, object] = {}
        super().__init__((host, port), _QuietHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a request in a thread, if there is a place for its connection."""
        place = self._places.hold(client_address[0], partial(_shut, request))
        if place is None:
            self.shutdown_request(request)
            return
        self._held[request] = place
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        if (place := self._held.pop(request, None)) is not None:
            self._places.release(place)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close the server and its database."""
        super().server_close()
        self._database.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: the connection has ended, or its client was too slow."""


def _shut(connection: socket.socket) -> bool:
    """Let the thread of a connection read its end."""
    with suppress(OSError):  # it has ended
        connection.shutdown(socket.SHUT_RDWR)
    return True


class _QuietHandler(WSGIRequestHandler):
    """A handler that does not log requests, whose clients must send them in time."""

    timeout = SILENT_SECONDS
    error_message_format = "this is no request that the dashboard answers\n"
    error_content_type = "text/plain; charset=utf-8"

    def setup(self) -> None:
        """Read with one time limit for the whole request."""
        super().setup()
        self.rfile = io.BufferedReader(_TimedReader(self.connection))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
        """Log nothing; the command line prints the address once."""


class _TimedReader(io.RawIOBase):
    """What arrives on a connection within REQUEST_SECONDS; TimeoutError afterwards."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until = time.monotonic() + REQUEST_SECONDS

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived."""
        self._connection.settimeout(max(self._until - time.monotonic(), 0.001))
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(SILENT_SECONDS)  # of a reply, which has one of its own


def make_server(database_url: str, access: Access, study: str | None = None) -> WSGIServer:
    """Return a server that listens as `access` says (port 0: any free port), for `serve_forever`.

    Errors: as of `Access.check` and `connect`; EnvironmentFault if the port cannot be used;
    ConfigurationError if the database has no such study.
    """
    access.check()
    database = connect(database_url)  # raises if the database does not exist
    if study is not None:
        read_change_marker(database, study)
    try:
        server = _Server(access.host, access.port, database)
    except (OSError, OverflowError) as error:
        database.close()
        in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "another program listens there" if in_use else str(error)
        raise EnvironmentFault(
            f"port {access.port} of {access.host} cannot be used: {reason}",
            remedy="choose another one with --port",
        ) from error
    log_first_lines()
    listening = replace(access, port=server.server_port)
    optuna_pages = wsgi(database.storage)
    optuna_pages.catchall = False  # so that a fault is answered in words
    pages = with_live_pages(database, _with_way_back(optuna_pages))
    server.set_app(guard(with_words(database, pages, logging.getLogger(LOGGER).error), listening))
    return server


def serve(
    database_url: str, access: Access, say: Callable[[str], None], study: str | None = None
) -> None:
    """Serve the dashboard until a signal ends it; pass `say` its URL, or the URL of a study's page.

    Errors: as of `make_server`.
    """
    with make_server(database_url, access, study) as server:
        page = "" if study is None else study_page(study)
        say(f"http://{in_url(access.host)}:{server.server_port}{page}")
        with warnings.catch_warnings():
            # Optuna warns of importances from few trials; its page shows their number.
            warnings.simplefilter("ignore", UserWarning)
            server.serve_forever()


def _with_way_back(application: WSGIApplication) -> WSGIApplication:
    """Return the application with a link to our pages in its pages, and no formula in CSV files."""

    def adapted(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if not environment["PATH_INFO"].startswith(("/csv/", OPTUNA)):
            return application(environment, start)
        status, headers, parts = answer_of(application, environment)
        body = b"".join(parts)
        if isinstance(parts, FileWrapper):
            parts.close()
        kind = dict(headers).get("Content-Type", "")
        if "text/csv" in kind:
            body = without_formulas(body.decode()).encode()
        if "text/html" in kind:
            body = body.replace(b"</body>", WAY_BACK)
        passed_on = [header for header in headers if header[0].lower() != "content-length"]
        start(status, [*passed_on, ("Content-Length", str(len(body)))])
        return [body]

    return adapted
