"""MovieLens-1M: ratings of films (Harper and Konstan, 2015).

Scenarios are three ages of users, as in our results. Films are numbered by their line in
movies.dat.
"""

from collections.abc import Iterator

import polars as pl

from hinet_search.data.get import Files, PublishedDataSet, part_of
from hinet_search.data.raw_text import (
    Field,
    Layout,
    Tell,
    columns_of,
    joined,
    lookup_of,
    read_lines,
)

AGES = {1: 0, 18: 0, 25: 1, 35: 2, 45: 2, 50: 2, 56: 2}  # scenario by code of the age
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
TABLE = (
    *("user_id", "movie_id", "scenario", "click", "like", "rating", "timestamp", "gender", "age"),
    *("occupation", "zip", "zip3", "genre_first", "year", "orig_row", "split", "split_time"),
)


def _rows(files: Files, _: Tell) -> Iterator[pl.DataFrame]:
    """Ratings with user, film, labels, and two splits: at random, and in every user's time."""
    ratings = files[RATINGS]
    users = read_lines(files[USERS], USER, USER_FIELDS, "latin-1").with_columns(
        scenario=pl.col("age").replace_strict(AGES, return_dtype=pl.Int8),
        zip3=pl.col("zip").str.slice(0, 3),
    )
    movies = read_lines(files[MOVIES], MOVIE, MOVIE_FIELDS, "latin-1").select(
        "movie_id",
        line=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32),
        genre_first=pl.col("genres").str.split("|").list.first(),
        year=pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int16),
    )
    rows = read_lines(ratings, RATING, RATING_FIELDS).with_row_index("orig_row")
    lines = rows["orig_row"] + 1
    with_users = joined(rows, lookup_of(users, "user_id", files[USERS], 1), ratings, lines)
    known_movies = lookup_of(movies, "movie_id", files[MOVIES], 1)
    row_hash = pl.col("orig_row").cast(pl.UInt64) * HASH % 2**32 % 1000 / 1000
    rank = pl.col("timestamp").rank("ordinal").over("user_id") - 1
    described = joined(with_users, known_movies, ratings, lines).with_columns(
        pl.col("user_id").cast(pl.Int16),
        movie_id=pl.col("line").cast(pl.Int16),
        click=(pl.col("rating") > 3).cast(pl.Int8),
        like=(pl.col("rating") > 4).cast(pl.Int8),
        split=part_of(row_hash, RANDOM_PARTS),
        split_time=part_of(rank / pl.len().over("user_id"), PARTS_IN_TIME),
    )
    yield described.select(TABLE)


DATA_SETS = (
    PublishedDataSet(
        name="movielens-1m",
        published_at="https://grouplens.org/datasets/movielens/1m/ (research use)",
        folders=("", "ml-1m"),
        files=(RATINGS, USERS, MOVIES),
        tables={"movielens_1m/ratings.parquet": _rows},
        study="movielens_1m",
        definition="movielens_1m",
    ),
)
