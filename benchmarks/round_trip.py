"""Round trip: write our tables back as published files, convert these, and compare row for row.

    python benchmarks/round_trip.py FOLDER [KEPT]

The files stay in KEPT, an empty folder, where it is given.

FOLDER holds kuairand_pure/, movielens_1m/ and frappe/, which may not be passed on. Published files
are written with the columns that the tables have. Placeholders are:

- log: the rest of the hour, profile_stay_time, comment_stay_time and is_rand are 0. Rows before the
  first day are made so that they give user_history.parquet: all on one day, a millisecond apart,
  with video 0 where the table does not know one.
- users and videos that only histories name: all fields; of all videos: visible_status and duration
- MovieLens: MovieID is twice the line; titles but for the year; genres but the first; films without
  a rating
- Frappe: every app of the log was used once; numbers of values are those of its order
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import polars as pl

from hinet_search.data.get import get
from hinet_search.data.published.frappe import COLUMNS, LOG_ROW, PARTS
from hinet_search.data.published.frappe import LOG as FRAPPE_LOG
from hinet_search.data.published.kuairand import LOG, ONEHOT, USER, VIDEO

EARLIER_DAY = 20220408
FLOATS = (ONEHOT[4], *ONEHOT[12:])  # written as 1.0, since values are missing
Row = tuple[int, int, int, int, int]  # user, video, time, like, long view


def main(tables: Path, scratch: Path) -> bool:
    """Print rows and equality of every table, and return whether all are equal."""
    results = []
    for name, write in WRITERS.items():
        folder = scratch / name
        folder.mkdir()
        write(tables, folder)
        began = perf_counter()
        converted = get(name, folder, scratch / "out", print)
        seconds = perf_counter() - began
        print(f"{name}: {sum(converted.tables.values()) / seconds:,.0f} rows/s written")
        for path in converted.tables:
            inner = path.relative_to(scratch / "out")
            results.append(compare(inner, pl.read_parquet(path), pl.read_parquet(tables / inner)))
    return all(results)


def compare(name: Path, converted: pl.DataFrame, ours: pl.DataFrame) -> bool:
    """Print and return whether columns, types and all rows in their order are equal."""
    is_equal = converted.schema == ours.schema and converted.equals(ours)
    print(f"{name}: {len(converted):,} rows, ours {len(ours):,}; equal row for row: {is_equal}")
    if not is_equal:
        for column, dtype in ours.schema.items():
            if converted.schema.get(column) != dtype:
                print(f"  {column}: {converted.schema.get(column)}, ours {dtype}")
            elif len(converted) == len(ours):
                num_rows = converted[column].ne_missing(ours[column]).sum()
                if num_rows:
                    print(f"  {column}: {num_rows:,} rows differ")
    return is_equal


def write_kuairand(tables: Path, folder: Path) -> None:
    """The files of KuaiRand-Pure; rows of the log are in order of users."""
    log = pl.read_parquet(tables / "kuairand_pure" / "log.parquet")
    history = pl.read_parquet(tables / "kuairand_pure" / "user_history.parquet")
    zeros = [pl.lit(0).alias(name) for name in LOG.columns if name not in log.columns]
    later = log.with_columns(zeros).with_columns(hourmin=pl.col("hour").cast(pl.Int32) * 100)
    later = later.sort("user_id", maintain_order=True).select(LOG.columns)
    later.write_csv(folder / "log_standard_4_22_to_5_08_pure.csv")
    rows = [row for user in history.iter_rows() for row in earlier_rows(*user)]
    columns = ["user_id", "video_id", "time_ms", "is_like", "long_view"]
    earlier = pl.DataFrame(rows, columns, orient="row").with_columns(date=EARLIER_DAY)
    rest = [pl.lit(0).alias(name) for name in LOG.columns if name not in earlier.columns]
    earlier = earlier.with_columns(rest).select(LOG.columns)
    earlier.write_csv(folder / "log_standard_4_08_to_4_21_pure.csv")
    print(f"kuairand-pure: {len(later):,} and {len(earlier):,} rows of logs")
    users_of(log, history).write_csv(folder / "user_features_pure.csv")
    videos_of(log, earlier).write_csv(folder / "video_features_basic_pure.csv")


def earlier_rows(
    user: int, num_rows: int, last_time: int, watched: list[int], liked: list[int], long: list[int]
) -> list[Row]:
    """Rows of a user whose latest videos of every kind are those of the history.

    The latest likes and long views are rows of `watched`, as far as possible; others are earlier.
    """
    likes, earlier_likes = matched(watched, liked)
    longs, earlier_longs = matched(watched, long)
    before = [(video, 1, 0) for video in earlier_likes] + [(video, 0, 1) for video in earlier_longs]
    num_fillers = num_rows - len(watched) - len(before)
    if num_fillers < 0:
        before = shared(earlier_likes, earlier_longs)
        num_fillers = num_rows - len(watched) - len(before)
        assert num_fillers >= 0, f"user {user}: too few rows for the lists"
    inside = [(video, int(row in likes), int(row in longs)) for row, video in enumerate(watched)]
    rows = [(0, 0, 0)] * num_fillers + before + inside
    first_time = last_time - len(rows) + 1
    return [(user, video, first_time + n, like, long) for n, (video, like, long) in enumerate(rows)]


def matched(watched: Sequence[int], chosen: list[int]) -> tuple[set[int], list[int]]:
    """Rows of `watched` that are the last of `chosen`, and those of `chosen` that are earlier."""
    rest = list(chosen)
    rows = set()
    for row in reversed(range(len(watched))):
        if rest and watched[row] == rest[-1]:
            rows.add(row)
            rest.pop()
    return rows, rest


def shared(likes: list[int], longs: list[int]) -> list[tuple[int, int, int]]:
    """Both lists in order, with a row for both where a like is also a long view."""
    rows, rest = [], list(longs)
    for video in likes:
        if video in rest:
            at = rest.index(video)
            rows += [(each, 0, 1) for each in rest[:at]] + [(video, 1, 1)]
            rest = rest[at + 1 :]
        else:
            rows.append((video, 1, 0))
    return rows + [(each, 0, 1) for each in rest]


def users_of(log: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """The file of users; a code of -1 was a missing value."""
    known = log.unique("user_id", maintain_order=True).select(USER.columns)
    others = history.join(known, on="user_id", how="anti").select("user_id")
    missing = pl.col(ONEHOT).replace(-1, None)
    users = pl.concat([known, others], how="diagonal").sort("user_id").with_columns(missing)
    users = users.with_columns(pl.col(FLOATS).cast(pl.Float64))
    numbers = pl.col([name for name, kind in users.schema.items() if kind.is_integer()])
    is_known = pl.col("user_active_degree").is_not_null()
    return users.with_columns(
        pl.when(is_known).then(numbers).otherwise(numbers.fill_null(0))
    ).with_columns(pl.col(pl.String).fill_null("UNKNOWN"))


def videos_of(log: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """The file of videos; codes of missing values become missing again."""
    day = pl.col("date").cast(pl.String).str.to_date("%Y%m%d")
    uploaded = (day - pl.duration(days=pl.col("freshness_days"))).dt.strftime("%Y-%m-%d")
    has_music = pl.col("music_type") != -1
    known = log.unique("video_id", maintain_order=True).with_columns(
        upload_dt=uploaded,
        tag=pl.col("tag").replace("unknown", None),
        music_id=pl.when(has_music).then("music_id"),
        music_type=pl.when(has_music).then("music_type").cast(pl.Float64),
    )
    others = (
        earlier.unique("video_id")
        .join(known, on="video_id", how="anti")
        .select(
            "video_id",
            author_id=pl.lit(0, pl.Int32),
            video_type=pl.lit("UNKNOWN"),
            upload_dt=pl.lit("2022-04-09"),
            upload_type=pl.lit("UNKNOWN"),
        )
    )
    others = others.with_columns(pl.col("video_id").cast(pl.Int32))
    return (
        pl.concat([known, others], how="diagonal")
        .with_columns(visible_status=1, video_duration=0.0)
        .sort("video_id")
        .select(VIDEO.columns)
    )


def write_movielens(tables: Path, folder: Path) -> None:
    """The files of MovieLens-1M."""
    rows = pl.read_parquet(tables / "movielens_1m" / "ratings.parquet")
    write_lines(
        folder / "ratings.dat",
        rows.select("user_id", pl.col("movie_id").cast(pl.Int32) * 2, "rating", "timestamp"),
    )
    users = rows.unique("user_id", maintain_order=True)
    write_lines(folder / "users.dat", users.select("user_id", "gender", "age", "occupation", "zip"))
    num_movies = rows.select(pl.col("movie_id").max()).item()
    numbers = pl.DataFrame({"movie_id": range(1, num_movies + 1)})
    known = rows.unique("movie_id").select(pl.col("movie_id").cast(pl.Int64), "year", "genre_first")
    movies = numbers.join(known, on="movie_id", how="left", maintain_order="left").select(
        pl.col("movie_id") * 2,
        title=pl.format("Film: n° {} ({})", "movie_id", pl.col("year").fill_null(1900)),
        genres=pl.col("genre_first").fill_null("Drama") + "|War",
    )
    write_lines(folder / "movies.dat", movies)
    print(f"movielens-1m: {len(rows):,} ratings, {len(users):,} users, {len(movies):,} films")


def write_frappe(tables: Path, folder: Path) -> None:
    """The log of Frappe, and its rows by split, of which the first is the label."""
    rows = pl.read_parquet(tables / "frappe" / "frappe_x1.parquet")
    log = rows.filter(pl.col("used") == 1).with_columns(cnt=1).select(LOG_ROW.columns)
    log.write_csv(folder / FRAPPE_LOG, separator=LOG_ROW.separator)
    num_values = 0
    numbered = rows.select("split", label=pl.col("used").cast(pl.Int64) * 2 - 1)
    for column in COLUMNS:
        values = log[column].unique(maintain_order=True).to_list()
        numbers = range(num_values, num_values + len(values))
        code = rows[column].replace_strict(values, list(numbers))
        numbered = numbered.with_columns(pl.format("{}:1", code).alias(column))
        num_values += len(values)
    for split, name in PARTS.items():
        part = numbered.filter(pl.col("split") == split).drop("split")
        part.write_csv(folder / name, include_header=False, separator=" ")
    print(f"frappe: {len(log):,} rows of the log, {len(rows):,} with negatives")


def write_lines(file: Path, rows: pl.DataFrame) -> None:
    """Rows with `::` between values, in Latin-1."""
    lines = rows.select(pl.concat_str(pl.all(), separator="::")).to_series()
    file.write_text("".join(f"{line}\n" for line in lines), encoding="latin-1")


WRITERS = {
    "kuairand-pure": write_kuairand,
    "movielens-1m": write_movielens,
    "frappe": write_frappe,
}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(sys.argv[2] if len(sys.argv) > 2 else made)
        sys.exit(0 if main(Path(sys.argv[1]), scratch) else 1)
