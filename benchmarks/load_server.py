"""Load: how long `hinet-search serve` takes to score 100 candidates of one user, at rising rates.

    python benchmarks/load_server.py winner new_rows.parquet

The server runs on loopback with one thread; hey (Debian's package of that name) sends the requests.
Both share the machine, so give them a core each: with two cores or more, the server gets the first
and hey the others. A rate is asked of one connection, which waits for each reply; a rate that is
not reached is more than the server can do. CPU is that of the server's whole process.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import polars as pl

CANDIDATES = 100
START_SECONDS = 60.0
CPU = "process_cpu_seconds_total "


@dataclass(frozen=True)
class Load:
    """Latencies in milliseconds of the requests at one rate, and the server's CPU for each."""

    asked: int
    reached: float
    p50: float
    p99: float
    cpu: float
    refused: int


def main() -> None:
    """Print a table of latencies by rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="an exported model")
    parser.add_argument("rows", help="a Parquet table with rows for it")
    parser.add_argument("--same", default="user_id", help="columns with one value a request")
    parser.add_argument("--rates", default="10,25,50,100,200", help="requests a second")
    parser.add_argument("--seconds", type=int, default=20, help="of each rate")
    parser.add_argument("--form", choices=["columns", "rows"], default="columns")
    parser.add_argument("--port", type=int, default=8099)
    given = parser.parse_args()
    if shutil.which("hey") is None:
        sys.exit("hey is not installed: apt-get install hey")
    with tempfile.TemporaryDirectory() as folder, serving(given.folder, given.port) as address:
        body = Path(folder) / "body.json"
        columns = list(json.loads(get(f"{address}/model"))["columns"])
        request = request_of(given.rows, columns, given.same.split(","), given.form)
        body.write_text(json.dumps(request), encoding="utf-8")
        size, busy = body.stat().st_size, os.getloadavg()[0]
        print(f"{CANDIDATES} rows a request, {size:,} bytes; load of the machine {busy:.1f}")
        print("| asked/s | reached/s | p50 ms | p99 ms | CPU ms | refused |")
        print("|---|---|---|---|---|---|")
        for rate in map(int, given.rates.split(",")):
            load = measured(address, body, rate, given.seconds)
            print(
                f"| {load.asked} | {load.reached:.0f} | {load.p50:.1f} | {load.p99:.1f} "
                f"| {load.cpu:.1f} | {load.refused} |",
                flush=True,
            )


def request_of(path: str, columns: list[str], same: list[str], form: str) -> dict[str, Any]:
    """Return a request of the first rows of a table, which get the first row's values of `same`.

    All are of the first row's scenario, which is the first of the columns.
    """
    rows = pl.read_parquet(path).select(columns).head(CANDIDATES)
    rows = rows.with_columns(pl.col([columns[0], *same]).first())
    assert len(rows) == CANDIDATES, f"{path} must have at least {CANDIDATES} rows"
    values = rows.to_dict(as_series=False) if form == "columns" else rows.to_dicts()
    return {form: values}


@contextmanager
def serving(folder: Path, port: int, *more: str) -> Iterator[str]:
    """Serve a folder, with more words of the command, and return the address once it is ready."""
    program = str(Path(sys.executable).with_name("hinet-search"))
    words = [program, "serve", str(folder), "--port", str(port), "--threads", "1", "--quiet", *more]
    process = subprocess.Popen([*on_cores(first=True), *words])
    address = f"http://127.0.0.1:{port}"
    try:
        limit = time.monotonic() + START_SECONDS
        while not is_ready(address):
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < limit, "the server must be ready within a minute"
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def measured(address: str, body: Path, rate: int, seconds: int) -> Load:
    """Send requests at a rate."""
    words = ["hey", "-z", f"{seconds}s", "-c", "1", "-q", str(rate), "-m", "POST", "-o", "csv"]
    request = ["-T", "application/json", "-D", str(body), f"{address}/score"]
    before = cpu_seconds(address)
    done = subprocess.run(
        [*on_cores(first=False), *words, *request], check=True, capture_output=True, text=True
    )
    cpu = cpu_seconds(address) - before
    replies = list(csv.DictReader(done.stdout.splitlines()))
    milliseconds = np.array([float(reply["response-time"]) * 1e3 for reply in replies])
    p50, p99 = np.percentile(milliseconds, [50, 99])
    refused = sum(reply["status-code"] != "200" for reply in replies)
    return Load(rate, len(replies) / seconds, p50, p99, cpu / len(replies) * 1e3, refused)


def on_cores(*, first: bool) -> list[str]:
    """Return the words that keep a program on the first core, or on all others."""
    cores = sorted(os.sched_getaffinity(0))
    chosen = cores[:1] if first else cores[1:] or cores
    return ["taskset", "--cpu-list", ",".join(map(str, chosen))]


def cpu_seconds(address: str) -> float:
    """Return the CPU seconds of the server so far."""
    lines = get(f"{address}/metrics").splitlines()
    return float(next(line for line in lines if line.startswith(CPU)).removeprefix(CPU))


def is_ready(address: str) -> bool:
    """Whether the server has loaded its model."""
    try:
        return bool(json.loads(get(f"{address}/ready"))["ready"])
    except OSError:
        return False


def get(url: str) -> str:
    """Return what an address of the server says."""
    with urlopen(url) as reply:  # noqa: S310  an address of this script
        content: bytes = reply.read()
    return content.decode()


if __name__ == "__main__":
    main()
