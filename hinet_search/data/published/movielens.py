"""MovieLens: ratings of films (Harper and Konstan, 2015) in its sizes 1M, 20M and 25M.

The scenarios of 1M are three ages of users, as in our results. 20M and 25M have no ages: theirs are
the first genres of films. Films of 1M are numbered by their line in movies.dat.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import polars as pl

from hinet_search.data.get import (
    Files,
    PublishedDataSet,
    new_study,
    shipped_study,
)
from hinet_search.data.key_lookup import joined, lookup_of
from hinet_search.data.parts import part_of
from hinet_search.data.raw_text import (
    Field,
    Layout,
    Tell,
    all_rows,
    broken,
    columns_of,
    counted,
    read_csv,
    read_lines,
)

AGES = {1: 0, 18: 0, 25: 1, 35: 2, 45: 2, 50: 2, 56: 2}  # scenario by code of the age
GENRES = {"Action": 0, "Adventure": 1, "Comedy": 2, "Drama": 3}  # scenario by first genre
HASH = 2_654_435_761  # multiplicative hash of the row number (Knuth)
RANDOM_PARTS = {"train": 0.0, "valid": 0.7, "test": 0.8}  # where each begins
PARTS_IN_TIME = {"train": 0.0, "valid": 0.8, "test": 0.9}  # the same in every user's ratings
RATINGS = "ratings.dat"
USERS = "users.dat"
MOVIES = "movies.dat"
RATING = Layout(("user_id", "movie_id", "rating", "timestamp"), has_header=False, separator="::")
RATING_FIELDS = {
    **columns_of(("user_id", "movie_id"), pl.Int32),
    "rating": Field(pl.Int8, values=(1, 2, 3, 4, 5)),
    "timestamp": Field(pl.Int64),
}
USER = Layout(("user_id", "gender", "age", "occupation", "zip"), has_header=False, separator="::")
USER_FIELDS = {
    "user_id": Field(pl.Int32),
    **columns_of(("gender", "zip"), pl.String),
    "age": Field(pl.Int16, values=tuple(AGES)),
    "occupation": Field(pl.Int16),
}
MOVIE = Layout(("movie_id", "title", "genres"), has_header=False, separator="::")
MOVIE_FIELDS = {"movie_id": Field(pl.Int32), **columns_of(("title", "genres"), pl.String)}
TABLE_1M = (
    *("user_id", "movie_id", "scenario", "click", "like", "rating", "timestamp", "gender", "age"),
    *("occupation", "zip", "zip3", "genre_first", "year", "orig_row", "split", "split_time"),
)

LATER_RATINGS = "ratings.csv"
LATER_MOVIES = "movies.csv"
LATER_RATING = Layout(("userId", "movieId", "rating", "timestamp"))
LATER_RATING_FIELDS = {
    **columns_of(("userId", "movieId"), pl.Int32),
    "rating": Field(pl.Float32),
    "timestamp": Field(pl.Int64),
}
LATER_MOVIE = Layout(("movieId", "title", "genres"))
LATER_MOVIE_FIELDS = {"movieId": Field(pl.Int32), **columns_of(("title", "genres"), pl.String)}
LATER_TABLE = (
    *("user_id", "movie_id", "scenario", "click", "like", "rating", "timestamp"),
    *("genre_first", "year", "orig_row", "split", "split_time"),
)
LATER_DEFINITION = """\
# MovieLens-{size} as one table: scenarios are the first genres of films, split at random
# (70/10/20 by a hash of the row). Research use only.
source: {{kind: table, path: {folder}/ratings.parquet}}
scenario:
  column: scenario
  values: {{0: Action, 1: Adventure, 2: Comedy, 3: Drama}}  # other films are left out
tasks:
  click: {{column: rating, above: 3}}
  like: {{column: rating, above: 4}}
user: user_id
item: movie_id
time: timestamp
features:
  categorical: [user_id, movie_id]
  numeric: [year]
never_features: [rating, timestamp, genre_first, orig_row, click, like, split, split_time]
split: {{by: column, column: split}}
"""


def _rows_1m(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
    (ratings,) = files[RATINGS]
    (user_file,) = files[USERS]
    (movie_file,) = files[MOVIES]
    raw_users = all_rows(read_lines(user_file, USER, USER_FIELDS, "latin-1"), user_file)
    users = raw_users.with_columns(
        scenario=pl.col("age").replace_strict(AGES, return_dtype=pl.Int8),
        zip3=pl.col("zip").str.slice(0, 3),
    )
    raw = all_rows(read_lines(movie_file, MOVIE, MOVIE_FIELDS, "latin-1"), movie_file)
    movies = _described(raw).with_row_index("line", offset=1)
    known_users = lookup_of(users, "user_id", user_file, first_line=1)
    known_movies = lookup_of(movies, "movie_id", movie_file, first_line=1)
    batches = counted(read_lines(ratings, RATING, RATING_FIELDS), ratings, tell)
    for rows in _with_splits(batches, ratings):
        lines = rows["orig_row"] + 1
        with_users = joined(rows, known_users, ratings, lines)
        yield (
            joined(with_users, known_movies, ratings, lines)
            .with_columns(pl.col("line").alias("movie_id"))
            .with_columns(pl.col("user_id", "movie_id").cast(pl.Int16))
            .select(TABLE_1M)
        )


def _later_rows(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
    (ratings,) = files[LATER_RATINGS]
    (movie_file,) = files[LATER_MOVIES]
    raw = all_rows(read_csv(movie_file, LATER_MOVIE, LATER_MOVIE_FIELDS), movie_file)
    scenario = pl.col("genre_first").replace_strict(GENRES, default=-1, return_dtype=pl.Int8)
    movies = _described(raw.rename({"movieId": "movie_id"})).with_columns(scenario=scenario)
    known_movies = lookup_of(movies, "movie_id", movie_file, first_line=2)
    batches = counted(read_csv(ratings, LATER_RATING, LATER_RATING_FIELDS), ratings, tell)
    named = (batch.rename({"userId": "user_id", "movieId": "movie_id"}) for batch in batches)
    for rows in _with_splits(named, ratings, first_line=2):
        with_movies = joined(rows, known_movies, ratings, rows["orig_row"] + 2)
        yield with_movies.select(LATER_TABLE)


def _described(movies: pl.DataFrame) -> pl.DataFrame:
    """Year and first genre of every film."""
    return movies.select(
        "movie_id",
        genre_first=pl.col("genres").str.split("|").list.first(),
        year=pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int16),
    )


def _with_splits(
    batches: Iterable[pl.DataFrame], file: Path, first_line: int = 1
) -> Iterator[pl.DataFrame]:
    """Rows of whole users, with labels, row number and both splits.

    DataError when the rows are not in order of users, as they are published.
    """
    num_rows = 0
    rest = pl.DataFrame()
    for batch in batches:
        whole = batch.with_row_index("orig_row", offset=num_rows)
        num_rows += len(whole)
        rows = pl.concat([rest, whole]) if len(rest) else whole
        falls = rows["user_id"].diff().lt(0)
        if falls.any():
            row = falls.arg_true()[0]
            line = rows["orig_row"][row] + first_line
            raise broken(file, line, f"rows must be in order of users, got {rows['user_id'][row]}")
        is_last = pl.col("user_id") == rows["user_id"][-1]
        rest = rows.filter(is_last)
        yield _split(rows.filter(~is_last))
    if len(rest):
        yield _split(rest)


def _split(rows: pl.DataFrame) -> pl.DataFrame:
    """Both splits: at random by a hash of the row number, and every user's in order of time."""
    row_hash = pl.col("orig_row").cast(pl.UInt64) * HASH % 2**32 % 1000 / 1000
    rank = pl.col("timestamp").rank("ordinal").over("user_id") - 1
    return rows.with_columns(
        click=(pl.col("rating") > 3).cast(pl.Int8),
        like=(pl.col("rating") > 4).cast(pl.Int8),
        split=part_of(row_hash, RANDOM_PARTS),
        split_time=part_of(rank / pl.len().over("user_id"), PARTS_IN_TIME),
    )


def _later(size: str) -> PublishedDataSet:
    folder = f"movielens_{size.lower()}"
    return PublishedDataSet(
        name=folder.replace("_", "-"),
        published_at=f"https://grouplens.org/datasets/movielens/{size.lower()}/ (research use)",
        folders=("", f"ml-{size.lower()}"),
        files=(LATER_RATINGS, LATER_MOVIES),
        tables={f"{folder}/ratings.parquet": _later_rows},
        study=partial(
            new_study,
            folder,
            f"MovieLens-{size} (four first genres, click and like), random split",
            LATER_DEFINITION.format(size=size, folder=folder),
            passes=4,
        ),
    )


DATA_SETS = (
    PublishedDataSet(
        name="movielens-1m",
        published_at="https://grouplens.org/datasets/movielens/1m/ (research use)",
        folders=("", "ml-1m"),
        files=(RATINGS, USERS, MOVIES),
        tables={"movielens_1m/ratings.parquet": _rows_1m},
        study=partial(shipped_study, "movielens_1m", "movielens_1m"),
    ),
    _later("20M"),
    _later("25M"),
)
