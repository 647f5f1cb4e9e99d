"""A tiny shop: its table, its study and its parts, from which inputs are made by a few changes."""

import io
import re
from pathlib import Path

ROWS = 240
COLUMNS = ("place", "user", "item", "price", "age", "minute", "click", "buy")
DEFINITION = """\
source: {kind: table, path: rows.csv}
scenario: {column: place, values: {home: Home, push: Push}}
tasks:
  click: {column: click}
  buy: {column: buy, above: 0}
user: user
item: item
time: minute
features:
  categorical: [user, item]
  numeric: [price, age]
never_features: [note]
split: {by: time, valid_from: 140, test_from: 190}
minimum_frequency: 2
not_finite: impute
"""
RICH = """\
source: {kind: table, path: rows.csv, join: [{path: items.csv, on: item, columns: [colour]}]}
scenario: {column: place}
tasks: {click: {column: click}, buy: {column: buy, at_least: 0.5}}
user: user
item: item
time: minute
features:
  categorical: [user, item, colour]
  numeric: [price]
  statistics: {by: [user, [place, item]], clock: minute}
split: {by: random, seed: 3, valid: 0.2, test: 0.3}
"""
LOGGED = """\
source: {kind: table, path: rows.csv}
scenario: {column: place, values: {home: Home, push: Push}}
tasks: {click: {column: click}, buy: {column: buy, above: 0}}
user: user
item: item
time: minute
time_unit: s
features:
  categorical: [user, item]
  numeric: [price]
  events: {by: [user, item, [user, place]], windows: [10m, all], last: 2, labels_after: 30s}
  session: {gap: 5m}
  sequences: {seen: {of: user, items: [item], labels: [click], length: 5, labels_after: 30s, reader: bst}}
split: {by: time, valid_from: 140, test_from: 190}
"""
STUDY = """\
description: a tiny shop
data: DATA
arms: {hinet: , mmoe: {space: mine, fixed: {model.num_experts: 2}}, flat_moe: {size_of: hinet}}
trials: 2
epochs: 1
finalists: {top: 1, seeds: 2}
fixed: {train.batch_size: 64, train.learning_rate: 1.0e-3}
sampler: {kind: tpe, startup_trials: 3}
pruner: {kind: median, after_epochs: 1.5}
objective: mean_auc
reference: mmoe
cost_limit: 2.0
seed: 7
slots: 1
device: cpu
executor: local
sizes: {quick: {trials: 1, epochs: 1, finalists: {top: 1, seeds: 1}}, full: {trials: 3}}
"""
SPACE = """\
include: [training]
parameters:
  model.num_experts: {kind: int, low: 1, high: 4, default: 2}
  model.dropout: {kind: float, low: 0.0, high: 0.5, default: 0.1}
  model.embedding_dim: {kind: categorical, choices: [4, 8], default: 4}
fixed:
  train.patience: 2
max_parameters: 1000000
"""
ARMS = re.compile(r"^arms: .*$", re.MULTILINE)


def rows(num_rows: int = ROWS) -> list[tuple[object, ...]]:
    """Two places, a click in every third row, a buy in every sixth; some ages are missing."""
    return [
        (
            ("home", "push")[(i // 2) % 2],
            i % 17,
            "abcde"[i % 5],
            10 + i % 7 + 0.5,
            None if i % 11 == 0 else 18 + i % 40,
            i,
            int(i % 3 == 0),
            int(i % 6 == 0),
        )
        for i in range(num_rows)
    ]


def csv(num_rows: int = ROWS) -> str:
    """The table as CSV."""
    lines = [
        ",".join("" if value is None else str(value) for value in row) for row in rows(num_rows)
    ]
    return "\n".join([",".join(COLUMNS), *lines, ""])


def parquet(num_rows: int = ROWS) -> bytes:
    """The table as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            name: list(values)
            for name, values in zip(COLUMNS, zip(*rows(num_rows), strict=True), strict=True)
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file, compression="none", version="1.0")
    return file.getvalue()


def study(definition: str = DEFINITION) -> str:
    """The study with its data inside."""
    return STUDY.replace(
        "data: DATA\n", "data:\n" + "".join(f"  {line}\n" for line in definition.splitlines())
    )


def plain_study() -> str:
    """The study with one arm that is quickly built."""
    return ARMS.sub("arms: {shared_bottom: }", study()).replace(
        "reference: mmoe", "reference: shared_bottom"
    )


def write(**texts: str | bytes) -> None:
    """Write the table, the space and the other files into the current folder, some of them as said: `rows_csv=...`."""
    files: dict[str, str | bytes] = {
        "rows_csv": csv(),
        "items_csv": "item,colour\na,red\nb,blue\n",
        "mine_yaml": SPACE,
    }
    for name, content in (files | texts).items():
        stem, _, ending = name.rpartition("_")
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        Path(f"{stem}.{ending}").write_bytes(raw)
