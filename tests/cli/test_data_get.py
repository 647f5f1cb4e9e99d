"""From published files to a study that can be launched: `data get`."""

import random
from pathlib import Path

import pytest

from hinet_search import api
from hinet_search.study.launch_options import LaunchOptions
from tests.cli.conftest import Run
from tests.data.published_kuairand import FIRST_MOMENT, impression, small, user, video, write


def test_an_unknown_data_set_is_answered_with_the_nearest_and_all_known(run: Run) -> None:
    said = run("data", "get", "kuairand-pur", "--from", "raw", "-o", "out")
    assert said.code == 2
    assert "there is no data set 'kuairand-pur'; did you mean 'kuairand-pure'?" in said.err
    assert "known: ali-ccp, frappe, " in said.err
    assert "movielens-1m" in said.err


def test_every_written_file_is_named_with_its_rows_and_what_to_do_next(
    run: Run, tmp_path: Path
) -> None:
    write(tmp_path / "raw", small())
    said = run("data", "get", "kuairand-pure", "--from", "raw", "-o", "out")
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "wrote out/kuairand_pure/log.parquet: 3 rows",
        "wrote out/kuairand_pure/user_history.parquet: 1 rows",
        "wrote out/data/kuairand.yaml",
        "wrote out/kuairand.yaml",
    ]
    assert said.err.splitlines()[-1] == "Next: hinet-search check out/kuairand.yaml"


def test_missing_files_are_data_errors_that_say_where_they_are_published(run: Run) -> None:
    said = run("data", "get", "movielens-1m", "--from", "raw", "-o", "out")
    assert said.code == 3
    assert "--from: raw/users.dat must be a file of movielens-1m" in said.err
    assert "download movielens-1m from https://grouplens.org" in said.err


def test_a_folder_that_cannot_be_written_is_an_error_of_the_environment(
    run: Run, tmp_path: Path
) -> None:
    write(tmp_path / "raw", small())
    (tmp_path / "out").write_text("a file")
    said = run("data", "get", "kuairand-pure", "--from", "raw", "-o", "out")
    assert said.code == 4
    assert "out/kuairand_pure/log.parquet cannot be written" in said.err


@pytest.mark.slow
def test_the_study_of_a_converted_data_set_is_ready_to_launch(run: Run, tmp_path: Path) -> None:
    draw = random.Random(0)
    later = [
        impression(
            date=20220425 + draw.randrange(6) if part == "train" else part,
            time_ms=FIRST_MOMENT + number,
            user_id=draw.randrange(30),
            video_id=draw.randrange(20),
            tab=tab,
            is_click=draw.randrange(2),
            long_view=draw.randrange(2),
        )
        for part in ("train", 20220503, 20220504)
        for tab in (0, 1, 2, 4, 6)
        for number in range(120)
    ]
    earlier = [
        impression(date=20220410, time_ms=number, user_id=number % 30, video_id=number % 20)
        for number in range(300)
    ]
    users = [user(user_id=number) for number in range(30)]
    videos = [video(video_id=number) for number in range(20)]
    write(tmp_path / "raw", small(earlier=earlier, later=later, users=users, videos=videos))
    converted = run("data", "get", "kuairand-pure", "--from", "raw", "-o", "out")
    assert converted.code == 0, converted.err
    ready = api.ready(str(tmp_path / "out" / "kuairand.yaml"), LaunchOptions(output=tmp_path))
    assert (len(ready.dataset.record.scenarios), len(ready.dataset.record.tasks)) == (5, 2)
