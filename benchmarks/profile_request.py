"""Profile of a request: where the time goes when 100 candidates of one user are scored in Python.

    OMP_NUM_THREADS=1 python benchmarks/profile_request.py winner new_rows.parquet

Everything of a request but HTTP itself, in one process and one thread, beside the encoding and the
checks of `predict` for the same rows. The tenth percentile of many calls tells what the work takes,
as the machine may be busy; the median after a pause tells what it takes with cold caches.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import torch

from hinet_search.serving.requests.document import columns_of
from hinet_search.serving.requests.served_model import ServedModel, open_served
from hinet_search.serving.row_checks import cast_rows, value_problems
from load_server import request_of

ROUNDS = 400


def main() -> None:
    """Print a table of parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="an exported model")
    parser.add_argument("rows", help="a Parquet table with rows for it")
    parser.add_argument("--same", default="user_id", help="columns with one value a request")
    parser.add_argument("--pause", type=float, default=0.0, help="ms to sleep before each call")
    given = parser.parse_args()
    torch.set_num_threads(1)
    served = open_served(given.folder)
    body_of = {
        form: json.dumps(request_of(given.rows, list(served.columns), given.same.split(","), form))
        for form in ("rows", "columns")
    }
    columns = columns_of(json.loads(body_of["columns"]), served.columns)
    rows = served.reader.read(columns)
    encoded = served.encoder.encode(rows)
    scores = served.scorer.score(encoded, rows.scenario)
    encoder, inputs = served.exported.encoder, served.exported.file.inputs
    table = pl.read_parquet(given.rows)[: len(rows.scenario_R)]
    frame = cast_rows(inputs, table.select(served.columns).lazy(), encoder.types).collect()
    parts: dict[str, Callable[[], object]] = {
        "parse JSON of columns": lambda: json.loads(body_of["columns"]),
        "parse JSON of rows": lambda: json.loads(body_of["rows"]),
        "read and check the values": lambda: served.reader.read(columns),
        "encode": lambda: served.encoder.encode(rows),
        "score": lambda: served.scorer.score(encoded, rows.scenario),
        "write the reply": lambda: json.dumps(scores.T.tolist()),
        "all of it, from columns": lambda: reply_to(served, body_of["columns"]),
        "predict: check the values": lambda: value_problems(inputs, frame.lazy()),
        "predict: encode": lambda: encoder.columns(frame),
    }
    print("| part of a request of 100 rows | ms: 10 % | median |\n|---|---|---|")
    for name, part in parts.items():
        least, median = milliseconds(part, given.pause / 1e3)
        print(f"| {name} | {least:.2f} | {median:.2f} |")


def reply_to(served: ServedModel, body: str) -> str:
    """Return the reply to a body, as the server makes it."""
    scores = served.score(columns_of(json.loads(body), served.columns))
    return json.dumps(scores.predicted_RT.T.tolist())


def milliseconds(work: Callable[[], object], pause: float) -> tuple[float, float]:
    """Return tenth percentile and median of many calls, each after a pause in seconds."""
    times = []
    for _ in range(ROUNDS):
        time.sleep(pause)
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    least, median = np.percentile(times, [10, 50]) * 1e3
    return float(least), float(median)


if __name__ == "__main__":
    main()
