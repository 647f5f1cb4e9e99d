"""Load: how long `hinet-search serve --events` takes to score while events come in.

    python benchmarks/load_events.py winner rows.parquet

The rows are labelled and later than the log of the model. Their first part is sent as events, at
--events a second; beside it, at --rate a second, rows after them are scored, --candidates at once.
Both share the machine with the server: give it an idle one of two cores.
"""

import argparse
import http.client
import json
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from load_server import get, serving


@dataclass
class Sent:
    """Milliseconds of the requests of one kind, and what went wrong."""

    milliseconds: list[float] = field(default_factory=list)
    refused: int = 0

    def in_words(self, what: str) -> str:
        """A line of the result."""
        p50, p99 = np.percentile(self.milliseconds, [50, 99])
        number = len(self.milliseconds)
        return f"{what}: {number:,}, p50 {p50:.2f} ms, p99 {p99:.2f} ms, refused {self.refused}"


def main() -> None:
    """Send events and rows side by side, and print how long both took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="an exported model that reads a log")
    parser.add_argument("rows", help="a Parquet table with newer rows and their labels")
    parser.add_argument("--rate", type=float, default=50, help="requests to score a second")
    parser.add_argument("--events", type=float, default=10, help="events a second")
    parser.add_argument("--candidates", type=int, default=1, help="rows of a request")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--port", type=int, default=8098)
    given = parser.parse_args()
    rows = pl.read_parquet(given.rows)
    num_events, num_requests = (int(rate * given.seconds) for rate in (given.events, given.rate))
    adding, scoring = Sent(), Sent()
    with tempfile.TemporaryDirectory() as state:
        words = ("--state", state, "--events")
        with serving(given.folder, given.port, *words) as address:
            columns = list(json.loads(get(f"{address}/model"))["columns"])
            events = events_of(rows.head(num_events), columns, given.folder)
            later = as_json(rows[num_events:].head(given.candidates).select(columns))
            body = {"columns": later.to_dict(as_series=False)}
            threads = [
                threading.Thread(
                    target=send, args=(address, "/events", events, given.events, adding)
                ),
                threading.Thread(
                    target=send,
                    args=(address, "/score", [body] * num_requests, given.rate, scoring),
                ),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    print(f"{scoring.in_words('requests to score')}\n{adding.in_words('events')}")


def events_of(rows: pl.DataFrame, columns: list[str], folder: Path) -> list[dict[str, Any]]:
    """A request for each row, with the columns of the model and of its labels."""
    profile = json.loads((folder / "profile.json").read_text())
    labels = [task["column"] for task in profile["tasks"].values()]
    chosen = as_json(rows.select(dict.fromkeys([*columns, *labels]).keys()))
    return [{"events": [{"id": number, **row}]} for number, row in enumerate(chosen.to_dicts())]


def as_json(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with texts in place of dates and moments."""
    return rows.with_columns(pl.selectors.temporal().cast(pl.String))


def send(address: str, path: str, bodies: list[Any], rate: float, sent: Sent) -> None:
    """Send requests at a rate over one connection, and note how long each took."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    texts = [json.dumps(body) for body in bodies]
    began = time.perf_counter()
    for number, text in enumerate(texts):
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        asked = time.perf_counter()
        connection.request("POST", path, text, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        sent.milliseconds.append((time.perf_counter() - asked) * 1e3)
        sent.refused += reply.status != 200


if __name__ == "__main__":
    main()
