"""KuaiRand: impressions of a short-video app (Gao et al., CIKM 2022) in its sizes Pure, 1K and 27K.

Rows are the standard log of 25 April to 6 May 2022, split by date. What a user watched before the
first day is a table of its own. Rows of Pure are in order of time, as in our results; those of the
other sizes stay in the order of the files. `kuairand-techjam` has all rows of Pure, split by the
days of TechJam 2026.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl

from hinet_search.data.get import Files, MakeTable, PublishedDataSet, StudyTexts, shipped_study
from hinet_search.data.key_lookup import KeyLookup, joined, lookup_of
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
)

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
LISTS: Mapping[str, pl.Expr] = {
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

    @property
    def split(self) -> pl.Expr:
        """The part of a row by its date."""
        first = {"train": self.train, "valid": self.valid, "test": self.test}
        return part_of(pl.col("date"), first)


OURS = Days(train=20220425, valid=20220503, test=20220504, last=20220506)
TECHJAM = Days(train=20220408, valid=20220422, test=20220429, last=20220508)
LAST_OF_EARLIER_LOG = 20220421


@dataclass(frozen=True)
class Size:
    """One size of KuaiRand: the suffix of its files, and whether its rows are sorted by time."""

    suffix: str
    folder: str
    published_folder: str
    is_sorted: bool = False

    @property
    def logs(self) -> tuple[str, str]:
        """The earlier and the later standard log; 27K has several files of each."""
        parts = "*" if self.suffix == "27k" else ""
        return (
            f"log_standard_4_08_to_4_21_{self.suffix}{parts}.csv",
            f"log_standard_4_22_to_5_08_{self.suffix}{parts}.csv",
        )

    @property
    def users(self) -> str:
        """The file of users."""
        return f"user_features_{self.suffix}.csv"

    @property
    def videos(self) -> str:
        """The file of videos."""
        return f"video_features_basic_{self.suffix}.csv"


def _log(size: Size, days: Days) -> MakeTable:
    logs = size.logs if days.train <= LAST_OF_EARLIER_LOG else size.logs[1:]

    def rows(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
        (user_file,), (video_file,) = files[size.users], files[size.videos]
        raw = all_rows(read_csv(user_file, USER, USER_FIELDS), user_file)
        coded = raw.with_columns(pl.col(ONEHOT).fill_null(-1))
        users = lookup_of(coded, "user_id", user_file, first_line=2)
        videos = _videos(video_file)
        frames = []
        for file, batch in _batches(_files(files, logs), tell):
            chosen = batch.filter(pl.col("date").is_between(days.train, days.last))
            with_users = joined(chosen, users, file, chosen["line"])
            rows = _described(joined(with_users, videos, file, chosen["line"]), days)
            if size.is_sorted:
                frames.append(rows)
            else:
                yield rows
        if frames:
            yield pl.concat(frames).sort(ORDER)

    return rows


def _files(files: Files, names: Sequence[str]) -> tuple[Path, ...]:
    return tuple(chain.from_iterable(files[name] for name in names))


def _batches(files: tuple[Path, ...], tell: Tell) -> Iterator[tuple[Path, pl.DataFrame]]:
    """Yield the rows of the logs, each batch with its file; `line` is a row's line there."""
    for file in files:
        first_line = 2
        for batch in counted(read_csv(file, LOG, LOG_FIELDS), file, tell):
            yield file, batch.with_row_index("line", offset=first_line)
            first_line += len(batch)


def _described(rows: pl.DataFrame, days: Days) -> pl.DataFrame:
    """The rows with the columns that follow from the date."""
    day = pl.col("date").cast(pl.String).str.to_date("%Y%m%d")
    return rows.with_columns(
        hour=(pl.col("hourmin") // 100).cast(pl.Int8),
        weekday=day.dt.weekday(),
        freshness_days=(day - pl.col("upload_day")).dt.total_days().cast(pl.Int32),
        split=days.split,
    ).select(TABLE)


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
    wrong = videos[text].is_not_null() & videos[value].is_null()
    if wrong.any():
        row = wrong.arg_true()[0]
        raise broken(file, row + 2, f"{text} must be {wanted}, got {videos[text][row]!r}")


def _history(size: Size) -> MakeTable:
    def rows(files: Files, tell: Tell) -> Iterator[pl.DataFrame]:
        """Per user: rows before the first day, the latest time, and the latest videos of LISTS."""
        totals = pl.DataFrame()
        latest: dict[str, list[pl.DataFrame]] = {name: [] for name in LISTS}
        for _, batch in _batches(_files(files, size.logs), tell):
            earlier = batch.filter(pl.col("date") < OURS.train)
            found = earlier.group_by("user_id").agg(
                history_len=pl.len().cast(pl.Int32), last_time_ms=pl.col("time_ms").max()
            )
            totals = pl.concat([totals, found]) if len(totals) else found
            totals = totals.group_by("user_id").agg(
                pl.col("history_len").sum(), pl.col("last_time_ms").max()
            )
            for name, kept in LISTS.items():
                chosen = earlier.filter(kept).select(ORDER)
                latest[name] = [_latest(pl.concat([*latest[name], chosen]))]
        history = totals.sort("user_id")
        for name, (videos,) in latest.items():
            lists = videos.group_by("user_id", maintain_order=True).agg(
                pl.col("video_id").alias(name)
            )
            history = history.join(lists, on="user_id", how="left", maintain_order="left")
        yield history.with_columns(pl.col(list(LISTS)).fill_null([]))

    return rows


def _latest(rows: pl.DataFrame) -> pl.DataFrame:
    """The latest rows of every user, in order of time."""
    ordered = rows.sort("user_id", "time_ms", "video_id")
    latest = ordered.group_by("user_id", maintain_order=True).tail(MAX_HISTORY)
    return latest.select(ORDER)


def _techjam(size: Size) -> PublishedDataSet:
    """All rows of the size with TechJam's split, and the study of its protocol."""
    return replace(
        _data_set("kuairand-techjam", size),
        tables={"kuairand_techjam/log.parquet": _log(size, TECHJAM)},
        study=partial(shipped_study, "public/kuairand_techjam", "kuairand_techjam"),
    )


def _data_set(name: str, size: Size) -> PublishedDataSet:
    return PublishedDataSet(
        name=name,
        published_at="https://github.com/chongminggao/KuaiRand (CC BY-SA 4.0)",
        folders=("", "data", f"{size.published_folder}/data"),
        files=(*size.logs, size.users, size.videos),
        tables={
            f"{size.folder}/log.parquet": _log(size, OURS),
            f"{size.folder}/user_history.parquet": _history(size),
        },
        study=lambda: _study(size.folder),
    )


def _study(folder: str) -> StudyTexts:
    """The shipped study of KuaiRand-Pure; for another size with its tables."""
    shipped = shipped_study("kuairand", "kuairand")
    if folder == "kuairand_pure":
        return shipped
    return StudyTexts(
        folder,
        _of_size(shipped.text, folder).replace("data/kuairand.yaml", f"data/{folder}.yaml"),
        f"data/{folder}.yaml",
        _of_size(shipped.definition, folder),
    )


def _of_size(text: str, folder: str) -> str:
    size = folder.rpartition("_")[2].upper()
    return text.replace("kuairand_pure/", f"{folder}/").replace("KuaiRand-Pure", f"KuaiRand-{size}")


DATA_SETS = (
    _data_set("kuairand-pure", Size("pure", "kuairand_pure", "KuaiRand-Pure", is_sorted=True)),
    _data_set("kuairand-1k", Size("1k", "kuairand_1k", "KuaiRand-1K")),
    _data_set("kuairand-27k", Size("27k", "kuairand_27k", "KuaiRand-27K")),
    _techjam(Size("pure", "kuairand_pure", "KuaiRand-Pure")),
)
