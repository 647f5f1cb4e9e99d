"""MovieLens: its published files become the table and the study of our results."""

from pathlib import Path

import polars as pl

from hinet_search.common.quiet import say_nothing
from hinet_search.data.get import get

RATINGS = ("1::30::5::50", "1::10::3::40", "2::30::4::7", "3::20::1::9")
USERS = ("1::F::1::10::48067", "2::M::25::0::02460-1234", "3::M::56::16::70072")
MOVIES = (
    "10::Toy Story (1995)::Animation|Children's|Comedy",
    "20::Cité: a film, or two (1919)::Drama",
    "30::2010 (1984)::Mystery|Sci-Fi",
)


def write(
    folder: Path,
    ratings: tuple[str, ...] = RATINGS,
    users: tuple[str, ...] = USERS,
    movies: tuple[str, ...] = MOVIES,
) -> Path:
    """Files in the layout of MovieLens-1M."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("ratings", ratings), ("users", users), ("movies", movies)):
        (folder / f"{name}.dat").write_text("".join(f"{line}\n" for line in lines), "latin-1")
    return folder


def table(folder: Path, **files: tuple[str, ...]) -> pl.DataFrame:
    get("movielens-1m", write(folder / "raw", **files), folder / "out", say_nothing)
    return pl.read_parquet(folder / "out" / "movielens_1m" / "ratings.parquet")


def test_a_rating_has_its_user_its_film_and_its_labels(tmp_path: Path) -> None:
    assert table(tmp_path).drop("split", "split_time").row(0, named=True) == {
        "user_id": 1,
        "movie_id": 3,
        "scenario": 0,
        "click": 1,
        "like": 1,
        "rating": 5,
        "timestamp": 50,
        "gender": "F",
        "age": 1,
        "occupation": 10,
        "zip": "48067",
        "zip3": "480",
        "genre_first": "Mystery",
        "year": 1984,
        "orig_row": 0,
    }


def test_the_scenario_is_the_age_in_three_classes(tmp_path: Path) -> None:
    ages = (1, 18, 25, 35, 45, 50, 56)
    users = tuple(f"{number}::M::{age}::0::0" for number, age in enumerate(ages))
    ratings = tuple(f"{number}::10::3::40" for number in range(7))
    scenarios = table(tmp_path, users=users, ratings=ratings)["scenario"]
    assert scenarios.to_list() == [0, 0, 1, 2, 2, 2, 2]


def test_a_click_is_above_three_stars_and_a_like_above_four(tmp_path: Path) -> None:
    ratings = tuple(f"1::10::{stars}::40" for stars in range(1, 6))
    rows = table(tmp_path, ratings=ratings)
    assert rows["click"].to_list() == [0, 0, 0, 1, 1]
    assert rows["like"].to_list() == [0, 0, 0, 0, 1]


def test_the_random_split_is_the_hash_of_the_row_number_of_our_table(tmp_path: Path) -> None:
    ratings = tuple(f"1::10::3::{number}" for number in range(12))
    assert table(tmp_path, ratings=ratings)["split"].to_list() == [
        *("train", "valid", "train", "test", "train", "test"),
        *("train", "train", "test", "train", "test", "train"),
    ]


def test_the_split_by_time_is_of_every_user_with_ties_in_order_of_the_file(tmp_path: Path) -> None:
    times = (9, 8, 7, 6, 5, 5, 5, 2, 1, 0)
    ratings = tuple(f"{user}::10::3::{time}" for user in (1, 2) for time in times)
    parts = table(tmp_path, ratings=ratings)["split_time"].to_list()
    assert parts[:10] == parts[10:] == ["test", "valid", *["train"] * 8]
    ties = tuple("1::10::3::5" for _ in range(10))
    assert table(tmp_path / "ties", ratings=ties)["split_time"].to_list() == [
        *["train"] * 8,
        "valid",
        "test",
    ]
