"""Tenrec: videos shown in two apps, a scenario each (Yuan et al., NeurIPS 2022).

Rows have no time, so the split is random (80/10/10) by a hash of the row number in its file.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl

from hinet_search.data.get import Files, PublishedDataSet, new_study
from hinet_search.data.hashing import uniform
from hinet_search.data.parts import part_of
from hinet_search.data.raw_text import Field, Layout, Tell, columns_of, counted, read_csv

APPS = {"QK-video.csv": "QK", "QB-video.csv": "QB"}
PARTS = {"train": 0.0, "valid": 0.8, "test": 0.9}  # where each begins
LABELS = ("click", "follow", "like", "share")
ROW = Layout(
    (
        *("user_id", "item_id", *LABELS, "video_category"),
        *("watching_times", "gender", "age"),
    ),
    missing=("", r"\N"),
)
FIELDS = {
    **columns_of(("user_id", "item_id"), pl.Int32),
    **{label: Field(pl.Int8, values=(0, 1)) for label in LABELS},
    "video_category": Field(pl.Int16, optional=True),
    "watching_times": Field(pl.Int32),
    **columns_of(("gender", "age"), pl.Int8),
}
FOLDER = "tenrec"
DEFINITION = f"""\
# Tenrec: videos in two apps, click and like, split at random (80/10/10 by a hash of the row).
# CC BY-NC 4.0; users must accept the licence on the official site.
source: {{kind: table, path: {FOLDER}/videos.parquet}}
scenario:
  column: app
  values: {{QK: QK video, QB: QB video}}
tasks:
  click: {{column: click}}
  like: {{column: like}}
user: user_id
item: item_id
features:
  categorical: [user_id, item_id, video_category, gender, age]
never_features: [follow, share, watching_times, split]
split: {{by: column, column: split}}
"""


def _rows(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
    for seed, (name, (file,)) in enumerate(files.items()):
        num_rows = 0
        for batch in counted(read_csv(file, ROW, FIELDS), file, tell):
            row_numbers = np.arange(num_rows, num_rows + len(batch), dtype=np.uint64)
            position = pl.Series(uniform(row_numbers, seed))
            yield batch.with_columns(app=pl.lit(APPS[name]), split=part_of(position, PARTS))
            num_rows += len(batch)


DATA_SETS = (
    PublishedDataSet(
        name="tenrec",
        published_at="https://github.com/yuangh-x/2022-NIPS-Tenrec (CC BY-NC 4.0)",
        folders=("", "Tenrec"),
        files=tuple(APPS),
        tables={f"{FOLDER}/videos.parquet": _rows},
        study=partial(
            new_study,
            FOLDER,
            "Tenrec (videos in two apps, click and like), random split",
            DEFINITION,
            passes=1,
        ),
    ),
)
