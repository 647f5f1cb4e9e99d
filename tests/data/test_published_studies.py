"""Studies of published data sets: they load, and their definitions name what the tables have."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from hinet_search.common.quiet import say_nothing
from hinet_search.data.get import get, known_data_sets
from hinet_search.data.study_data import dataset_of
from hinet_search.study.load_study import load_study
from tests.data import published_kuairand
from tests.data.published_frappe import log_row, log_rows, numbered, write_log, write_part


def write_movielens_1m(folder: Path, draw: random.Random) -> None:
    ages = (1, 25, 35)
    users = "".join(f"{number}::F::{age}::1::1\n" for number, age in enumerate(ages))
    movies = "".join(f"{number}::Film (1999)::Drama\n" for number in range(20))
    ratings = "".join(
        f"{user}::{draw.randrange(20)}::{draw.randrange(1, 6)}::{time}\n"
        for user in range(3)
        for time in range(500)
    )
    for name, text in (("users", users), ("movies", movies), ("ratings", ratings)):
        (folder / f"{name}.dat").write_text(text)


def write_frappe(folder: Path, draw: random.Random) -> None:
    log = log_rows()
    draw.shuffle(log)
    write_log(folder, log)
    for part, user in (("valid", 0), ("test", 1)):
        used = next(row for row in log if row[0] == str(user))
        unused = log_row(user, 20 + user, used[2])
        write_part(folder, part, (numbered(log, 1, used), numbered(log, -1, unused)))


def write_kuairand(folder: Path, draw: random.Random) -> None:
    days = ((20220408, 20220415), (20220425, 20220505))
    earlier, later = (
        [
            published_kuairand.impression(
                user_id=draw.randrange(2),
                video_id=draw.randrange(2),
                date=date,
                time_ms=published_kuairand.FIRST_MOMENT + 1000 * number,
                tab=number % 15,
                long_view=draw.randrange(2),
            )
            for date in dates
            for number in range(30)
        ]
        for dates in days
    )
    published_kuairand.write(folder, published_kuairand.small(earlier=earlier, later=later))


@pytest.mark.parametrize(
    ("name", "write_files", "scenarios"),
    [
        ("movielens-1m", write_movielens_1m, ("age below 25", "age 25 to 34", "age 35 and over")),
        ("frappe", write_frappe, ("all",)),
        ("kuairand-techjam", write_kuairand, ("all tabs",)),
    ],
)
def test_the_written_study_encodes_the_written_table(
    tmp_path: Path,
    name: str,
    write_files: Callable[[Path, random.Random], None],
    scenarios: tuple[str, ...],
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write_files(raw, random.Random(0))
    converted = get(name, raw, tmp_path / "out", say_nothing)
    dataset = dataset_of(load_study(str(converted.study)), tmp_path / "cache", say_nothing)
    assert dataset.schema().scenarios == scenarios


@pytest.mark.parametrize("name", known_data_sets())
def test_the_definition_of_a_data_set_reads_the_tables_that_are_written(name: str) -> None:
    data_set = known_data_sets()[name]
    study = load_study(data_set.study)
    options = study.spec.data.source.options
    paths = [options["path"], *(join["path"] for join in options.get("join", []))]
    assert paths == list(data_set.tables)
