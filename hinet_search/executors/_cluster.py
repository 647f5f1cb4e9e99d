"""Cluster: a connection to a Ray cluster. One that is started here ends with it and leaves nothing behind."""

import logging
import math
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from hinet_search.errors import EnvironmentFault
from hinet_search.executors._folders import Folder

OBJECT_STORE_BYTES = 128 * 1024**2  # of a cluster of this machine alone, where only messages travel
KNOCK_SECONDS = 5.0
PREFIX = "hinet-search-ray-"
TOKEN_VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@dataclass(frozen=True)
class Cluster:
    """The `ray` module while it is connected. `ours` when the connection was made here, `folder` of a cluster started here."""

    ray: Any
    ours: bool = True
    folder: Folder | None = None

    def leave(self) -> None:
        """Cut the connection; a cluster that was started here ends."""
        if self.ours:
            self.ray.shutdown()
        if self.folder is not None:
            self.folder.remove()


@contextmanager
def _all_else_as_it_was() -> Iterator[None]:
    """Ray sets environment variables and listens to SIGTERM, which a coordinator does itself."""
    environment, listener = dict(os.environ), signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, listener)


@_all_else_as_it_was()
def join(address: str, num_cpus: float, num_gpus: float = 0.0) -> Cluster:
    """Connect to `auto` (the cluster of this machine) or HOST:PORT, or start a cluster (`local`) with so many CPUs.

    Where this process is connected already, it stays so. Errors: EnvironmentFault when there is no such cluster, or when
    this machine has fewer GPUs than one that is started here needs.
    """
    import ray
    from ray._private import worker as driver

    if ray.is_initialized():
        return Cluster(ray, ours=False)
    folder = Folder(PREFIX) if address == "local" else None
    own: dict[str, Any] = {
        "num_cpus": math.ceil(num_cpus),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
        "_temp_dir": str(folder.path) if folder else "",
    }
    try:
        if ":" in address:
            _knock(address)
        os.environ.update(_quiet(own=folder is not None))
        driver.print_to_stdstream = _say_nothing  # else the last words of lost nodes; no setting turns them off
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **(own if folder else {}))
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        Cluster(ray, folder=folder).leave()
        raise EnvironmentFault(
            f"no Ray cluster can be used at address {address}: {str(error).strip().splitlines()[0]}",
            remedy="start one with `ray start --head` and name its HOST:PORT, or use --address local",
        ) from error
    cluster = Cluster(ray, folder=folder)
    found = cluster.ray.cluster_resources().get("GPU", 0.0)
    if folder and found < num_gpus:
        cluster.leave()
        raise EnvironmentFault(
            f"slots need {num_gpus:g} GPUs together, but Ray sees {found:g} on this machine",
            remedy="use fewer slots, a smaller gpus_per_slot, or the --address of a cluster that has them",
        )
    return cluster


def _knock(address: str) -> None:
    """OSError when nobody listens at HOST:PORT; Ray itself would wait for minutes."""
    host, port = address.split(":")
    socket.create_connection((host, int(port)), KNOCK_SECONDS).close()


def _say_nothing(data: object, ignore_prefix: bool) -> None:  # noqa: FBT001  as Ray calls it
    """What Ray would print stays in its own log files."""


@cache
def _token() -> str:
    """What the processes of a cluster started here know one another by; it is written nowhere."""
    return secrets.token_hex(32)


def _quiet(*, own: bool) -> dict[str, str]:
    """No statistics leave the machine; a cluster of our own has a token that Ray need not put into the home folder."""
    needs_token = own and not any(name in os.environ for name in TOKEN_VARIABLES)
    return {"RAY_USAGE_STATS_ENABLED": "0", **({"RAY_AUTH_TOKEN": _token()} if needs_token else {})}
