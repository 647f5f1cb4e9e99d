"""Make what this folder stores: `python -m tests.stored_1_0.make`, with the release that is stored."""

import lzma
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import hinet_search as hs
from hinet_search.report.formats import write_report
from tests.serving.log_shop import LAST, newer, shop
from tests.serving.shop import launch_shop

HERE = Path(__file__).parent
ASKED = 40  # rows to score


def make(to: Path) -> None:
    """Launch the study, and store its database, its report, a model, rows and their scores."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        text = (HERE / "shop.yaml").read_text("utf-8")
        done = launch_shop(folder, shop().filter(shop()["minute"] < LAST), text)
        store_database(done.out / "studies.sqlite3", to / "studies.sqlite3.xz")
        write_report(done.record, to / "report.json", "json")
        shutil.rmtree(to / "model", ignore_errors=True)
        hs.export(str(done.study), to / "model", arm="ensemble", output=done.out)
        newer()[:ASKED].drop("clicked", "bought").write_parquet(to / "rows.parquet")
        hs.predict(to / "model", to / "rows.parquet", to / "scores.parquet")


def store_database(database: Path, to: Path) -> None:
    """Pack a database whose newest rows are in the file."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("VACUUM")
    to.write_bytes(lzma.compress(database.read_bytes()))


if __name__ == "__main__":
    make(HERE)
