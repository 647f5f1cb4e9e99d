"""A small shop: its rows, its study of every model, and the results of that study."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import hinet_search as hs
from hinet_search.common.files import locked
from hinet_search.common.plugins import names
from hinet_search.results.finalist_values import chosen
from hinet_search.results.study_record import StudyRecord
from hinet_search.serving.sealed import seal
from hinet_search.study.load_study import MODELS
from hinet_search.training.jobs.messages import scores_path, weights_path

SHORT = """\
trials: 1
epochs: 1
finalists: {top: 1, seeds: 1}
fixed: {train.batch_size: 128}
slots: 1
device: cpu
"""  # the end of a study's file
STUDY = """\
data:
  source: {{kind: table, path: shop.parquet}}
  scenario: {{column: place, values: {{1: Home, 2: Push, 3: Cart}}}}
  tasks: {{click: {{column: clicked}}, buy: {{column: bought}}}}
  user: user
  item: item
  time: minute
  features:
    categorical: [user, item, colour]
    numeric: [price, age]
  split: {{by: time, valid_from: 1000, test_from: 1200}}
  minimum_frequency: 2
arms:
{arms}
trials: 1
epochs: 1
finalists: {{top: 1, seeds: 2}}
fixed: {{train.batch_size: 128}}
slots: 1
device: cpu
"""
OTHERS = {
    "top_k": "{model: hinet, fixed: {model.san.top_k: 1}}",
    "per_scenario": "{model: mmoe, fixed: {model.protocol: per_scenario}}",
    "per_task": "{model: mmoe, fixed: {model.protocol: per_task}}",
    "seldom": "{model: shared_bottom, fixed: {features.minimum_frequency: 9}}",
}
TASKS = ("click", "buy")
ONE_ARM = STUDY.format(arms="  mmoe:").replace("seeds: 2", "seeds: 1")
HOLES = ("colour", "age")  # columns with missing values
ARMS = (*names(MODELS), *OTHERS)  # every model by its file, and forms of some


@dataclass(frozen=True)
class Shop:
    """The study file, its output folder, and its record."""

    study: Path
    out: Path
    record: StudyRecord

    def export(self, arm: str, to: Path, **more: object) -> object:
        """Export an arm, as a user of Python would."""
        return hs.export(str(self.study), to, arm=arm, output=self.out, **more)

    def weights(self, arm: str, seed: int) -> Path:
        """Where training left the weights of an arm's finalist."""
        finalist = chosen(
            next(arm_record for arm_record in self.record.arms if arm_record.name == arm)
        )
        assert finalist is not None
        return weights_path(
            self.out / "artifacts" / self.record.name, arm, finalist.trial_number, seed
        )

    def test_logits(self, arm: str, seed: int) -> np.ndarray:
        """What training left of the test rows (R, T)."""
        return load_file(scores_path(self.weights(arm, seed)))["test_logits"]


def launch_shop(folder: Path, frame: pl.DataFrame, text: str) -> Shop:
    """Launch the study of this text, of a table, in a folder."""
    folder.mkdir(exist_ok=True)
    frame.write_parquet(folder / "shop.parquet")
    path = folder / "shop.yaml"
    path.write_text(text)
    record = hs.launch(str(path), output=folder / "out")
    assert record.state == "done"
    return Shop(path, folder / "out", record)


def launched_once(
    factory: pytest.TempPathFactory, name: str, launch: Callable[[Path], Any]
) -> Path:
    """A copy of the folder that `launch` fills, which one worker does for all of them."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    first, is_done = base / f"first-{name}", base / f"first-{name}-done"
    with locked(first, lambda: None):
        if not is_done.exists():
            launch(first)
            is_done.touch()
    return shutil.copytree(first, factory.mktemp(name), dirs_exist_ok=True)


def shop_in(folder: Path) -> Shop:
    """The shop whose study was launched in a folder, or in one that this is a copy of."""
    study, out = folder / "shop.yaml", folder / "out"
    return Shop(study, out, hs.load(str(study), output=out))


def one_export(folder: Path, frame: pl.DataFrame, text: str) -> Path:
    """The export of the model that a study ships, which is launched in the same folder."""
    done = launch_shop(folder, frame, text)
    return hs.export(str(done.study), folder / "model", output=done.out).folder


def prediction_of(model: Path, table: pl.DataFrame, folder: Path, **more: Any) -> hs.Prediction:
    """What is told of a table's scores; both are written to the folder."""
    table.write_parquet(folder / "rows.parquet")
    return hs.predict(model, folder / "rows.parquet", folder / "scores.parquet", **more)


def predicted(model: Path, table: pl.DataFrame, folder: Path, **more: Any) -> pl.DataFrame:
    """The scores of a table's rows; both are written to the folder."""
    prediction_of(model, table, folder, **more)
    return pl.read_parquet(folder / "scores.parquet")


def edited(folder: Path, changes: Mapping[str, str]) -> None:
    """Change texts of an export's config.yaml, and seal it again."""
    text = (folder / "config.yaml").read_text()
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    (folder / "config.yaml").write_text(text)
    seal(folder)


@contextmanager
def other_content(path: Path, content: bytes | None) -> Iterator[None]:
    """Give a file other content for a while, or take it away."""
    before = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def scores_of(folder: Path, frame: pl.DataFrame, at: Path) -> np.ndarray:
    """The scores of the rows of a table, by task (R, T)."""
    scores = predicted(folder, frame, at)
    return scores.select(name for name in TASKS if name in scores.columns).to_numpy()


def study() -> str:
    """The study of every model."""
    arms = [f"  {arm}: {OTHERS.get(arm, '')}" for arm in ARMS]
    return STUDY.format(arms="\n".join(arms))


@cache
def rows(num_rows: int = 1400, seed: int = 0) -> pl.DataFrame:
    """A row a minute; some ages and colours are missing, some rows have a place of no scenario."""
    generator = np.random.default_rng(seed)
    taste = generator.normal(size=60)
    user, item = generator.integers(0, 60, num_rows), generator.choice(list("abcdefgh"), num_rows)
    click = generator.random(num_rows) < 1 / (1 + np.exp(-taste[user]))
    return pl.DataFrame(
        {
            "place": generator.choice([1, 2, 3, 4], num_rows, p=[0.5, 0.3, 0.15, 0.05]),
            "user": user,
            "item": item,
            "colour": pl.Series(generator.choice(["red", "blue"], num_rows), dtype=pl.Categorical),
            "price": generator.normal(100, 20, num_rows).round(2),
            "age": pl.Series(generator.integers(18, 80, num_rows), dtype=pl.Int32),
            "clicked": click.astype(np.int8),
            "bought": (click & (generator.random(num_rows) < 0.5)).astype(np.int8),
            "minute": np.arange(num_rows),
        }
    ).with_columns(
        pl.when(pl.col("minute") % 11 > place).then(name).alias(name)
        for place, name in enumerate(HOLES)
    )


def test_part(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows that the study tests on."""
    return frame.filter((pl.col("minute") >= 1200) & (pl.col("place") != 4))


test_part.__test__ = False  # type: ignore[attr-defined]  # it is no test
