"""Turns of requests: what a request costs in process, in this version and in another checkout.

    python benchmarks/turns_of_requests.py CHECKOUT winner rows.parquet [--events N]

Both versions score the same rows in turns, each in a process of its own and on one thread: a
request of one row and one of 100, with the first rows sent as events before, if the model reads a
log. Processor time tells what the work takes, as the machine may be busy.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import torch

from hinet_search.serving.live.journal import Journal
from hinet_search.serving.requests.document import columns_of
from hinet_search.serving.requests.served_model import ServedModel, open_served
from load_events import as_json, events_of

ROUNDS = 5
REQUESTS = {1: 20, 100: 10}  # of a turn, by the number of rows
EVENTS_AT_ONCE = 100
HERE = Path(__file__).parents[1]


def main() -> None:
    """Print milliseconds of both versions, or score what is asked for on standard input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="the folder of another version")
    parser.add_argument("folder", type=Path, help="an exported model")
    parser.add_argument("rows", type=Path, help="a Parquet table with newer rows for it")
    parser.add_argument("--events", type=int, default=0, help="rows that are sent as events first")
    parser.add_argument("--answer", action="store_true", help="score turns from standard input")
    given = parser.parse_args()
    if given.answer:
        answer(given.folder, pl.read_parquet(given.rows), given.events)
        return
    words = [given.folder.absolute(), given.rows.absolute(), "--events", given.events, "--answer"]
    versions = {"before": given.checkout.absolute(), "now": HERE}
    processes = {name: started(place, list(map(str, words))) for name, place in versions.items()}
    took: dict[tuple[int, str], list[list[float]]] = {}
    for _ in range(ROUNDS):
        for num_rows in REQUESTS:
            for name, process in processes.items():
                took.setdefault((num_rows, name), []).extend(turn(process, num_rows))
    print("| rows | version | ms | of the processor |\n|---|---|---|---|")
    for (num_rows, name), seconds in took.items():
        wall, processor = np.median(seconds, axis=0) * 1e3
        print(f"| {num_rows} | {name} | {wall:.1f} | {processor:.1f} |")
    print(f"load of the machine {os.getloadavg()[0]:.1f}")
    for process in processes.values():
        process.communicate()


def started(place: Path, words: list[str]) -> "subprocess.Popen[str]":
    """Start this file with the package of a checkout, and wait until it is ready."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(place), *words],
        env={**os.environ, "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None, "it is a pipe"
    assert process.stdout.readline().strip() == "ready", "it must open the model"
    return process


def turn(process: "subprocess.Popen[str]", num_rows: int) -> list[list[float]]:
    """Seconds of the requests of a turn, and those of the processor."""
    assert process.stdin is not None, "it is a pipe"
    assert process.stdout is not None, "it is a pipe"
    process.stdin.write(f"{num_rows}\n")
    process.stdin.flush()
    seconds: list[list[float]] = json.loads(process.stdout.readline())
    return seconds


def answer(folder: Path, rows: pl.DataFrame, num_events: int) -> None:
    """Score a turn for every line of standard input, which has the number of rows."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as state, closing(Journal(Path(state))) as journal:
        model = open_served(folder, Path(state), journal) if num_events else open_served(folder)
        columns = list(model.columns)
        sent = [each["events"][0] for each in events_of(rows.head(num_events), columns, folder)]
        for start in range(0, num_events, EVENTS_AT_ONCE):
            assert model.live is not None, "it takes events"
            model.live.add({"events": sent[start : start + EVENTS_AT_ONCE]})
        later = as_json(rows[num_events:].select(columns))
        for num_rows in REQUESTS:
            score(model, later, num_rows)
        print("ready", flush=True)
        for line in sys.stdin:
            print(json.dumps(score(model, later, int(line))), flush=True)


def score(model: ServedModel, rows: pl.DataFrame, num_rows: int) -> list[list[float]]:
    """Score requests, each of other rows; seconds of each, and those of the processor."""
    seconds = []
    for number in range(REQUESTS[num_rows]):
        chosen = rows[number * num_rows : (number + 1) * num_rows]
        body = json.dumps({"columns": chosen.to_dict(as_series=False)})
        began, worked = time.perf_counter(), time.process_time()
        scores = model.score(columns_of(json.loads(body), model.columns))
        json.dumps(scores.predicted_RT.T.tolist())
        seconds.append([time.perf_counter() - began, time.process_time() - worked])
    return seconds


if __name__ == "__main__":
    main()
