"""Run: listen, load the model, serve until a signal, and let running requests finish.

SIGTERM and SIGINT stop the server; SIGHUP reloads the model.
"""

import asyncio
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import torch
import uvicorn

from hinet_search.common.access import address_family, check_token, in_url, unusable_port
from hinet_search.common.shares import Shares
from hinet_search.server.app import Service, make_app
from hinet_search.server.connections import connection_limits, patient_protocol
from hinet_search.server.current_model import CurrentModel, Log, keep_current
from hinet_search.server.metrics import Metrics
from hinet_search.server.settings import Limits, Listening
from hinet_search.serving.live.journal import Journal
from hinet_search.serving.model_folder import file_of_folder
from hinet_search.serving.state import refuse_without_events

GRACE_SECONDS = 30  # a request that runs longer after SIGTERM is given up
MOST_WAITING = 2_048  # clients that are not yet accepted
IDLE_SECONDS = 75  # longer than a balancer keeps a connection that it may still use


@dataclass(frozen=True)
class ServerOptions:
    """What to serve, where, within which limits, and on how many threads."""

    folder: Path
    listening: Listening
    limits: Limits
    threads: int
    watch: bool = False
    state: Path | None = None
    events: bool = False


def serve(options: ServerOptions, say: Log) -> None:
    """Serve the model of a folder until SIGTERM or SIGINT; `say` gets the lines of the log.

    Errors: ConfigurationError without a token that is needed, or if the model has nothing that
    events change; EnvironmentFault if the port cannot be used, or another process takes events;
    those of `open_served` for the first model.
    """
    listening = options.listening
    check_token(listening.host, listening.port, listening.token)
    if options.events:
        refuse_without_events(options.folder, file_of_folder(options.folder))
    torch.set_num_threads(1)  # requests run side by side, each on one thread
    listener = bound(listening)
    try:
        with _noting_signals() as stop:
            asyncio.run(_serve(options, listener, stop, _stamped(say)))
    finally:
        listener.close()


@contextmanager
def _noting_signals() -> Iterator[Event]:
    """Note a signal to stop that comes before uvicorn listens for it.

    uvicorn also raises it again once it has stopped, which must not end the process.
    """
    stop = Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _serve(options: ServerOptions, listener: socket.socket, stop: Event, log: Log) -> None:
    metrics = Metrics()
    limits = connection_limits()
    with ExitStack() as stack:
        journal = None
        if options.state is not None and options.events:
            journal = stack.enter_context(closing(Journal(options.state)))
        current = CurrentModel(options.folder, metrics, log, options.state, journal)
        stack.callback(current.finish)
        pool = stack.enter_context(ThreadPoolExecutor(options.threads, "score"))
        service = Service(current, metrics, pool, options.listening, options.limits, log)
        config = uvicorn.Config(
            make_app(service),
            http=patient_protocol(Shares(limits.most)),
            backlog=limits.at_once,
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = _PatientServer(config)
        server.should_exit = stop.is_set()
        serving = asyncio.create_task(server.serve([listener]))
        keeping = asyncio.create_task(_keep_loaded(current, options, log))
        try:
            await asyncio.wait({serving, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            server.should_exit = True
            await serving
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping  # raises if the first model was refused
        log("stopped")


async def _keep_loaded(current: CurrentModel, options: ServerOptions, log: Log) -> None:
    """Load the model, then replace it whenever that is asked for or the folder has changed."""
    hangup = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    loaded = await asyncio.to_thread(current.load)
    listening = options.listening
    readers = "anyone with the token" if listening.token else "this machine only"
    log(f"serving on http://{in_url(listening.host)}:{listening.port}, {readers}")
    await keep_current(current, hangup, loaded, watch=options.watch)


class _PatientServer(uvicorn.Server):
    """A server whose system keeps many clients waiting, though few are accepted at once.

    uvicorn has one number for both.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(MOST_WAITING)


def bound(listening: Listening) -> socket.socket:
    """Return a socket bound to the address, which listens once uvicorn does.

    EnvironmentFault if that cannot be.
    """
    family = address_family(listening.host)
    # With the protocol named, asyncio sends replies at once (TCP_NODELAY), else up to 40 ms later.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((listening.host, listening.port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise unusable_port(listening.host, listening.port, error) from error
    return listener


def _stamped(say: Log) -> Log:
    def log(text: str) -> None:
        say(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}")

    return log
