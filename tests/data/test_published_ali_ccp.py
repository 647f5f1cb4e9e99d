"""Ali-CCP: samples are joined with the features of their users; lists of features become columns."""

import random
from pathlib import Path

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.common.quiet import say_nothing
from hinet_search.data.get import get
from hinet_search.data.published.ali_ccp import OF_SAMPLE, OF_USER
from hinet_search.data.study_data import dataset_of
from hinet_search.study.load_study import load_study

USER = [("101", 11, 1.0), ("109_14", 5, 0.5), ("109_14", 6, 2.5), ("999", 1, 1.0)]
SAMPLE = [("205", 7, 1.0), ("508", 8, 0.25), ("301", 2, 1.0)]

Entries = list[tuple[str, object, object]]


def features(entries: Entries) -> str:
    joined = "\x01".join(f"{field}\x02{feature}\x03{value}" for field, feature, value in entries)
    return f"{len(entries)},{joined}"


def sample(number: int, key: str, entries: Entries, click: int = 0, purchase: int = 0) -> str:
    return f"{number},{click},{purchase},{key},{features(entries)}"


def write(folder: Path, train: list[str], test: list[str], users: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", train), ("test", test)):
        (folder / f"sample_skeleton_{part}.csv").write_text("".join(f"{row}\n" for row in rows))
        (folder / f"common_features_{part}.csv").write_text("".join(f"{user}\n" for user in users))
    return folder


def table(folder: Path, train: list[str], test: list[str], users: list[str]) -> pl.DataFrame:
    get("ali-ccp", write(folder / "raw", train, test, users), folder / "out", say_nothing)
    return pl.read_parquet(folder / "out" / "ali_ccp" / "samples.parquet")


KNOWN = [f"u1,{features(USER)}", f"u2,{features([('101', 12, 1.0)])}"]


def test_a_sample_has_its_features_those_of_its_user_and_0_for_others(tmp_path: Path) -> None:
    rows = table(tmp_path, [sample(1, "u1", SAMPLE, click=1)], [sample(2, "u2", SAMPLE)], KNOWN)
    row = rows.row(0, named=True)
    given = {name: value for name, value in row.items() if value != 0}
    assert given == {
        "click": 1,
        "301": 2,
        "101": 11,
        "109_14": 6,  # the last of several
        "205": 7,
        "508": 8,
        "D109_14": 2.5,
        "D508": 0.25,
        "split": "train",
    }
    assert rows["101"].to_list() == [11, 12]
    assert rows["109_14"].to_list() == [6, 0]


def test_a_purchase_without_a_click_is_left_out(tmp_path: Path) -> None:
    train = [
        sample(1, "u1", SAMPLE, click=0, purchase=1),
        sample(2, "u2", SAMPLE, click=1, purchase=1),
        sample(3, "u1", SAMPLE),
    ]
    rows = table(tmp_path, train, train, KNOWN)
    assert rows.select("click", "purchase", "101").rows() == [(1, 1, 12), (0, 0, 11)] * 2


def test_the_published_test_part_is_halved(tmp_path: Path) -> None:
    test = [sample(number, "u1", SAMPLE) for number in range(1000)]
    rows = table(tmp_path, [sample(1, "u1", SAMPLE)], test, KNOWN)
    counts = dict(rows["split"].value_counts().rows())
    assert counts["train"] == 1
    assert 430 < counts["valid"] < 570
    assert counts["valid"] + counts["test"] == 1000


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (sample(2, "u9", SAMPLE), "key must be one of common_features_train.csv, got 'u9'"),
        ("2,0,0,u1,3,205\x027\x031.0", "must have 3 features, got 1"),
        ("2,0,0,u1,1,205\x027", "must have entries of field, feature and value, got '205\\x027'"),
        (
            sample(2, "u1", [("205", "x", 1.0)]),
            "205 must be a whole number that Int64 holds, got 'x'",
        ),
        (sample(2, "u1", [("508", 1, "x")]), "D508 must be a finite number, got 'x'"),
    ],
)
def test_a_broken_sample_is_refused_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path, [sample(1, "u1", SAMPLE), row], [], KNOWN)
    assert caught.value.problems == (f"{tmp_path}/raw/sample_skeleton_train.csv:2: {message}",)


def test_the_written_study_encodes_the_written_table(tmp_path: Path) -> None:
    draw = random.Random(0)
    users = [
        f"u{number},{features([(field, draw.randrange(3), 1.0) for field in OF_USER])}"
        for number in range(20)
    ]
    samples = []
    for number in range(900):
        entries: Entries = [(field, draw.randrange(3), 1.0) for field in OF_SAMPLE[:-1]]
        entries.append(("301", 1 + number % 3, 1.0))
        click = draw.randrange(2)
        samples.append(sample(number, f"u{number % 20}", entries, click, click * draw.randrange(2)))
    raw = write(tmp_path / "raw", samples, samples, users)
    converted = get("ali-ccp", raw, tmp_path / "out", say_nothing)
    dataset = dataset_of(load_study(str(converted.study)), tmp_path / "cache", say_nothing)
    assert dataset.schema().scenarios == ("scenario 1", "scenario 2", "scenario 3")
