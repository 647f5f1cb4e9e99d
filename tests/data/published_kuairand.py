"""Small files in the layout of KuaiRand-Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hinet_search.data.published.kuairand import LOG, ONEHOT, USER, VIDEO

NAMES = (
    "log_standard_4_08_to_4_21_pure.csv",
    "log_standard_4_22_to_5_08_pure.csv",
    "user_features_pure.csv",
    "video_features_basic_pure.csv",
)
FIRST_MOMENT = 1_650_816_000_000  # 25 April, midnight in Beijing
RANGES = {
    "follow_user_num_range": '"(0,10]"',
    "fans_user_num_range": '"[10,100)"',
    "friend_user_num_range": '"[1,5)"',
    "register_days_range": "730+",
}


def impression(**values: Any) -> dict[str, Any]:
    """A row of a log."""
    row = dict.fromkeys(LOG.columns, 0)
    usual = {"date": 20220425, "hourmin": 1300, "time_ms": FIRST_MOMENT, "duration_ms": 9000}
    return {**row, **usual, "tab": 1, **values}


def user(**values: Any) -> dict[str, Any]:
    """A row of the users; one-hot features with missing values are written as floats."""
    row = dict.fromkeys(USER.columns, 0) | dict.fromkeys(ONEHOT[12:], "1.0")
    return {
        **row,
        "user_active_degree": "full_active",
        "is_live_streamer": -124,
        **RANGES,
        **values,
    }


def video(**values: Any) -> dict[str, Any]:
    """A row of the videos."""
    row = dict.fromkeys(VIDEO.columns, 0)
    texts = {"video_type": "NORMAL", "upload_dt": "2022-04-10", "upload_type": "Web"}
    usual = {"video_duration": "9000.0", "server_width": "720.0", "server_height": "1280.0"}
    return {**row, **texts, **usual, "music_type": "9.0", "tag": '"39,43"', **values}


def write(folder: Path, files: Mapping[str, list[dict[str, Any]]]) -> Path:
    """Write the files of NAMES that are given, with their headers."""
    folder.mkdir(parents=True, exist_ok=True)
    layouts = dict(zip(NAMES, (LOG, LOG, USER, VIDEO), strict=True))
    for name, rows in files.items():
        lines = [",".join(layouts[name].columns)]
        lines += [",".join(str(row[column]) for column in layouts[name].columns) for row in rows]
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def small(**more: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Two users, two videos, one earlier row and three rows of the days that count."""
    earlier = [impression(date=20220409, time_ms=FIRST_MOMENT - 10**9, video_id=1, long_view=1)]
    later = [
        impression(date=20220504, time_ms=FIRST_MOMENT + 30, user_id=1, hourmin=2359),
        impression(date=20220503, time_ms=FIRST_MOMENT + 20, video_id=1),
        impression(is_click=1, play_time_ms=8000),
        impression(date=20220424, time_ms=FIRST_MOMENT - 5, is_like=1),
        impression(date=20220507, time_ms=FIRST_MOMENT + 40),
    ]
    files = dict(
        zip(
            NAMES,
            (
                earlier,
                later,
                [user(), user(user_id=1, onehot_feat4="", onehot_feat17="")],
                [video(), video(video_id=1, tag="", music_id="", music_type="")],
            ),
            strict=True,
        )
    )
    keys = dict(zip(("earlier", "later", "users", "videos"), NAMES, strict=True))
    return files | {keys[name]: rows for name, rows in more.items()}
