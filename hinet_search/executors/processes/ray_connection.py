"""Ray connection: connect to a Ray cluster, or start one that ends with the connection."""

import logging
import math
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors.processes.environment import for_children, restored_environment

OBJECT_STORE_BYTES = 128 * 1024**2  # of a cluster started here, which transfers messages only
KNOCK_SECONDS = 5.0
PREFIX = "hinet-search-ray-"
TOKEN_VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@dataclass(frozen=True)
class Cluster:
    """A connected `ray` module.

    `ours`: the connection was made here. `folder`: of a cluster that was started here.
    """

    ray: Any
    ours: bool = True
    folder: Path | None = None

    def leave(self) -> None:
        """Disconnect; end a cluster that was started here."""
        if self.ours:
            self.ray.shutdown()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def _side_effects_undone() -> Iterator[None]:
    """Undo Ray's changes to the environment variables and its handler of SIGTERM."""
    handler = signal.getsignal(signal.SIGTERM)
    with restored_environment(for_children()):
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)


@_side_effects_undone()
def join(address: str, num_cpus: float, num_gpus: float = 0.0) -> Cluster:
    """Connect to `auto` (this machine's cluster) or HOST:PORT, or start a `local` cluster.

    `num_cpus` is for a cluster that is started here. An existing connection of this process is
    used. Errors: EnvironmentFault if there is no such cluster, or if this machine has fewer GPUs
    than a local cluster needs.
    """
    import ray

    if ray.is_initialized():
        return Cluster(ray, ours=False)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX)) if address == "local" else None
    cluster = Cluster(ray, folder=folder)
    try:
        if ":" in address:  # Ray itself would wait for minutes where no process listens
            host, port = address.split(":")
            socket.create_connection((host, int(port)), KNOCK_SECONDS).close()
        os.environ.update(_quiet(own=folder is not None))
        _initialise_ray(address, num_cpus, folder)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        cluster.leave()
        reason = str(error).strip().splitlines()[0]
        raise EnvironmentFault(
            f"no Ray cluster can be used at address {address}: {reason}",
            remedy="start one with `ray start --head` and name its HOST:PORT, "
            "or use --address local",
        ) from error
    available_gpus = cluster.ray.cluster_resources().get("GPU", 0.0)
    if folder and available_gpus < num_gpus:
        cluster.leave()
        raise EnvironmentFault(
            f"slots need {num_gpus:g} GPUs together, "
            f"but Ray sees {available_gpus:g} on this machine",
            remedy="use fewer slots, a smaller gpus_per_slot, "
            "or the --address of a cluster that has them",
        )
    return cluster


def _initialise_ray(address: str, num_cpus: float, folder: Path | None) -> None:
    """Connect Ray to an address, or start a local cluster in `folder`."""
    import ray
    from ray._private import worker as driver

    own: dict[str, Any] = {}
    if folder:
        own = {
            "num_cpus": math.ceil(num_cpus),
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
            "_temp_dir": str(folder),
        }
    # No setting turns off the last output of lost nodes; Ray's log files have it.
    driver.print_to_stdstream = lambda data, ignore_prefix: None  # noqa: ARG005  as Ray calls it
    job_config = ray.job_config.JobConfig(
        _client_job=True, _py_driver_sys_path=_current_folder_if_used()
    )
    ray.init(
        address=address,
        job_config=job_config,
        log_to_driver=False,
        logging_level=logging.ERROR,
        **own,
    )


def _current_folder_if_used() -> list[str]:
    """Return the current folder if this process imports from it too, as workers then must."""
    here = str(Path.cwd())
    return [here] if {"", here} & set(sys.path) else []


@cache
def _token() -> str:
    """Return the token by which processes of a local cluster authenticate; it is stored nowhere."""
    return secrets.token_hex(32)


def _quiet(*, own: bool) -> dict[str, str]:
    """Return variables that turn off usage statistics, and a token that is not kept at home."""
    variables = {"RAY_USAGE_STATS_ENABLED": "0"}
    if own and not any(name in os.environ for name in TOKEN_VARIABLES):
        variables["RAY_AUTH_TOKEN"] = _token()
    return variables
