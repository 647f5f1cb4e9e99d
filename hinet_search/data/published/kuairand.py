"""KuaiRand-Pure: impressions of a short-video app (Gao et al., CIKM 2022).

Rows are the standard log of 25 April to 6 May 2022 in order of time, split by date. What a user
watched before the first day is a table of its own. `kuairand-techjam` has all rows in the order of
the files, split by the days of TechJam 2026.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from hinet_search.data.get import Files, PublishedDataSet, part_of
from hinet_search.data.raw_text import (
    Field,
    KeyLookup,
    Layout,
    Tell,
    all_rows,
    broken,
    columns_of,
    counted,
    first_of,
    joined,
    lookup_of,
    read_csv,
)

LOGS = ("log_standard_4_08_to_4_21_pure.csv", "log_standard_4_22_to_5_08_pure.csv")
USERS = "user_features_pure.csv"
VIDEOS = "video_features_basic_pure.csv"
MAX_HISTORY = 50  # latest videos of every list of a user
ORDER = ("time_ms", "user_id", "video_id")
LABELS = (
    *("is_click", "is_like", "is_follow", "is_comment", "is_forward", "is_hate", "long_view"),
    "is_profile_enter",
)
LOG = Layout(
    (
        *("user_id", "video_id", "date", "hourmin", "time_ms", "is_click", "is_like"),
        *("is_follow", "is_comment", "is_forward", "is_hate", "long_view", "play_time_ms"),
        *("duration_ms", "profile_stay_time", "comment_stay_time", "is_profile_enter"),
        *("is_rand", "tab"),
    )
)
LOG_FIELDS = {
    **columns_of(("user_id", "video_id", "date", "play_time_ms", "duration_ms"), pl.Int32),
    **{label: Field(pl.Int8, values=(0, 1)) for label in LABELS},
    "hourmin": Field(pl.Int16),
    "time_ms": Field(pl.Int64),
    "tab": Field(pl.Int8, values=tuple(range(15))),
}
NUMBERS_AND_RANGES = (
    *("follow_user_num", "follow_user_num_range", "fans_user_num", "fans_user_num_range"),
    *("friend_user_num", "friend_user_num_range", "register_days", "register_days_range"),
)
FLAGS = ("is_lowactive_period", "is_live_streamer", "is_video_author")
ONEHOT = tuple(f"onehot_feat{number}" for number in range(18))
USER = Layout(("user_id", "user_active_degree", *FLAGS, *NUMBERS_AND_RANGES, *ONEHOT))
USER_FIELDS = {
    "user_id": Field(pl.Int32),
    "user_active_degree": Field(pl.String),
    **columns_of(FLAGS, pl.Int8),
    **{
        name: Field(pl.String if name.endswith("_range") else pl.Int32)
        for name in NUMBERS_AND_RANGES
    },
    **columns_of(ONEHOT, pl.Int16, optional=True),
}
VIDEO = Layout(
    (
        *("video_id", "author_id", "video_type", "upload_dt", "upload_type", "visible_status"),
        *("video_duration", "server_width", "server_height", "music_id", "music_type", "tag"),
    )
)
VIDEO_FIELDS = {
    **columns_of(("video_id", "author_id"), pl.Int32),
    **columns_of(("video_type", "upload_dt", "upload_type"), pl.String),
    **columns_of(("server_width", "server_height"), pl.Int16, optional=True),
    "music_id": Field(pl.Int64, optional=True),
    "music_type": Field(pl.Int8, optional=True),
    "tag": Field(pl.String, optional=True),
}
FEATURES_OF_VIDEOS = ("author_id", "tag_first", "music_id", "music_type", "video_type")
TABLE = (
    *("user_id", "video_id", "tab", "is_click", "long_view", "is_like", "is_follow"),
    *("is_comment", "is_forward", "is_hate", "is_profile_enter", "play_time_ms", "date", "hour"),
    *("weekday", "time_ms", *FEATURES_OF_VIDEOS, "upload_type", "server_width", "server_height"),
    *("duration_ms", "freshness_days", *USER.columns[1:], "tag", "split"),
)
LISTS = {
    "watch_seq": pl.lit(value=True),
    "like_seq": pl.col("is_like") == 1,
    "long_watch_seq": pl.col("long_view") == 1,
}


@dataclass(frozen=True)
class Days:
    """The days of a table: the first one of every part, and the last one of all."""

    train: int
    valid: int
    test: int
    last: int


OURS = Days(train=20220425, valid=20220503, test=20220504, last=20220506)
TECHJAM = Days(train=20220408, valid=20220422, test=20220429, last=20220508)


def _log(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
    """The rows of our days in order of time."""
    yield all_rows(_rows(files, LOGS[1:], OURS, tell), files[LOGS[1]]).sort(ORDER)


def _log_of_techjam(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
    return _rows(files, LOGS, TECHJAM, tell)


def _rows(files: Files, logs: tuple[str, ...], days: Days, tell: Tell) -> Iterator[pl.DataFrame]:
    """Rows of some days with user, video, and what follows from the date."""
    raw = all_rows(read_csv(files[USERS], USER, USER_FIELDS), files[USERS])
    coded = raw.with_columns(pl.col(ONEHOT).fill_null(-1))
    users = lookup_of(coded, "user_id", files[USERS], first_line=2)
    videos = _videos(files[VIDEOS])
    date = pl.col("date")
    day = date.cast(pl.String).str.to_date("%Y%m%d")
    first_days = {"train": days.train, "valid": days.valid, "test": days.test}
    for file, batch in _batches(files, logs, tell):
        chosen = batch.filter(date.is_between(days.train, days.last))
        with_users = joined(chosen, users, file, chosen["line"])
        rows = joined(with_users, videos, file, chosen["line"])
        described = rows.with_columns(
            hour=(pl.col("hourmin") // 100).cast(pl.Int8),
            weekday=day.dt.weekday(),
            freshness_days=(day - pl.col("upload_day")).dt.total_days().cast(pl.Int32),
            split=part_of(date, first_days),
        )
        yield described.select(TABLE)


def _batches(
    files: Files, logs: tuple[str, ...], tell: Tell
) -> Iterator[tuple[Path, pl.DataFrame]]:
    """Yield the rows of the logs, each batch with its file; `line` is a row's line there."""
    for name in logs:
        first_line = 2
        for batch in counted(read_csv(files[name], LOG, LOG_FIELDS), files[name], tell):
            yield files[name], batch.with_row_index("line", offset=first_line)
            first_line += len(batch)


def _videos(file: Path) -> KeyLookup:
    """The videos; what is missing has a value of its own, as in our results."""
    raw = all_rows(read_csv(file, VIDEO, VIDEO_FIELDS), file)
    videos = raw.with_columns(
        upload_day=pl.col("upload_dt").str.to_date("%Y-%m-%d", strict=False),
        tag_first=pl.col("tag").str.split(",").list.first().cast(pl.Int16, strict=False),
    )
    _check_parsed(videos, "upload_dt", "upload_day", "a date such as 2022-04-09", file)
    _check_parsed(videos, "tag", "tag_first", "whole numbers separated by commas", file)
    coded = videos.with_columns(
        pl.col("tag").fill_null("unknown"),
        pl.col("tag_first", "music_type").fill_null(-1),
        pl.col("music_id").fill_null(0),
    )
    return lookup_of(coded.drop("upload_dt"), "video_id", file, first_line=2)


def _check_parsed(videos: pl.DataFrame, text: str, value: str, wanted: str, file: Path) -> None:
    row = first_of(videos[text].is_not_null() & videos[value].is_null())
    if row is not None:
        raise broken(file, row + 2, f"{text} must be {wanted}, got {videos[text][row]!r}")


def _history(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
    """Per user: rows before the first day, the latest time, and the latest videos of LISTS."""
    batches = _batches(files, LOGS, tell)
    filtered = (batch.filter(pl.col("date") < OURS.train) for _, batch in batches)
    earlier = all_rows(filtered, files[LOGS[0]])
    lists = {}
    for name, kept in LISTS.items():
        lists[name] = pl.col("video_id").filter(kept).tail(MAX_HISTORY)
    yield (
        earlier.sort("user_id", "time_ms", "video_id")
        .group_by("user_id", maintain_order=True)
        .agg(history_len=pl.len().cast(pl.Int32), last_time_ms=pl.col("time_ms").max(), **lists)
    )


PURE = PublishedDataSet(
    name="kuairand-pure",
    published_at="https://github.com/chongminggao/KuaiRand (CC BY-SA 4.0)",
    folders=("", "data", "KuaiRand-Pure/data"),
    files=(*LOGS, USERS, VIDEOS),
    tables={"kuairand_pure/log.parquet": _log, "kuairand_pure/user_history.parquet": _history},
    study="kuairand",
    definition="kuairand",
)
DATA_SETS = (
    PURE,
    replace(
        PURE,
        name="kuairand-techjam",
        tables={"kuairand_techjam/log.parquet": _log_of_techjam},
        study="public/kuairand_techjam",
        definition="kuairand_techjam",
    ),
)
