"""Exports with hashed fields: the same scores at every door, and ids that go on with newer rows."""

from pathlib import Path

import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import hinet_search as hs
from hinet_search.serving.compiled.layout import COMPILED, read_layout
from hinet_search.serving.compiled.run import open_compiled
from hinet_search.serving.compiled.score import Scorer, bucket_of
from hinet_search.serving.predict import predictions
from hinet_search.serving.requests.document import RequestColumns
from hinet_search.serving.requests.served_model import open_served
from hinet_search.serving.write_folder import TOLERANCE
from tests.serving import churn_shop, compiled_shop
from tests.serving.churn_shop import STUDY_DAYS, day, days, opened, refitted, values
from tests.serving.compiled_shop import columns_of, export_shop
from tests.serving.shop import SHORT, Shop, launch_shop, scores_of

BUCKETS = {"user": 90, "item": 13, "user x item": 300}
HASHED = f"    hashed: {{user: {BUCKETS['user']}, item: {BUCKETS['item']}, user x item: 300}}\n"
BEFORE = "    statistics: {by"


def with_hashed(study: str, before: str, hashed: str) -> str:
    assert before in study
    return study.replace(before, hashed + before)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study of all kinds of ids, whose users, items and pairs are hashed."""
    text = with_hashed(churn_shop.STUDY, BEFORE, HASHED) + SHORT
    return launch_shop(tmp_path_factory.mktemp("hashed"), days(0, STUDY_DAYS - 1), text)


@pytest.fixture(scope="module")
def shipped(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop.export("all", tmp_path_factory.mktemp("shipped") / "model").folder


@pytest.mark.parametrize("arm", ["all", "trees", "ensemble"])
def test_test_rows_score_as_in_training(arm: str, shop: Shop, tmp_path: Path) -> None:
    written = shop.export(arm, tmp_path / "folder")
    assert written.checked_rows > 300
    assert written.max_difference <= TOLERANCE


def test_no_value_of_a_hashed_field_is_in_the_folder(shipped: Path) -> None:
    known = values(shipped)
    for name, num_buckets in BUCKETS.items():
        assert known[name] <= set(range(num_buckets))
    assert {"t0", "t1"} & known["tags"], "a list of its own has its values"


def test_a_value_scores_as_another_of_its_bucket_that_no_row_ever_had(
    shipped: Path, tmp_path: Path
) -> None:
    known = values(shipped)["user"]
    bucket = {user: bucket_of(user, BUCKETS["user"]) for user in range(10_000, 11_000)}
    strangers = [user for user in bucket if bucket[user] in known]
    first, alike, *_ = (user for user in strangers if bucket[user] == bucket[strangers[0]])
    other = next(user for user in strangers if bucket[user] != bucket[first])
    frame = pl.concat([day(STUDY_DAYS).head(1)] * 3)
    no_item = pl.lit(None, dtype=pl.Int64)
    frame = frame.with_columns(user=pl.Series([first, alike, other]), item=no_item)
    scores = scores_of(shipped, frame, tmp_path)
    assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).all()


def test_a_request_scores_as_a_table(shipped: Path, tmp_path: Path) -> None:
    frame = day(STUDY_DAYS).with_columns(user=pl.when(pl.col("price") > 80).then("user"))
    expected_RT = scores_of(shipped, frame, tmp_path)
    served = open_served(shipped)
    columns = {name: frame[name].to_list() for name in served.columns}
    scores = served.score(RequestColumns(columns, len(frame)))
    assert_allclose(scores.predicted_RT, expected_RT, rtol=0, atol=1e-6)


def test_a_night_gives_ids_to_new_buckets_and_none_to_new_values_of_known_ones(
    shipped: Path, tmp_path: Path
) -> None:
    newer = day(STUDY_DAYS + 12)
    refitted(shipped, newer, tmp_path / "newer")
    before, after = values(shipped), values(tmp_path / "newer")
    assert before["user"] < after["user"] <= set(range(90))
    learned = {bucket_of(user, 90) for user in newer["user"]}
    assert after["user"] <= before["user"] | learned
    assert len(after["user"] - before["user"]) < len(set(newer["user"])) / 2
    counts = [
        int(opened(folder).encoder.encoding.vocabularies[0].table["count"].sum())
        for folder in (shipped, tmp_path / "newer")
    ]
    assert counts[0] < counts[1]


def test_a_hashed_field_forgets_no_id_and_other_fields_do(shipped: Path, tmp_path: Path) -> None:
    refitted(shipped, day(STUDY_DAYS), tmp_path / "kept")
    refitted(shipped, day(STUDY_DAYS), tmp_path / "forgot", forget_after=3)
    kept, forgot = values(tmp_path / "kept"), values(tmp_path / "forgot")
    assert {name for name in kept if kept[name] != forgot[name]} == {"tags"}
    table = pl.read_parquet(tmp_path / "forgot" / "encoding" / "vocabulary.0.parquet")
    assert table.columns == ["value", "count"]
    kept_size, size = (
        sum(path.stat().st_size for path in (tmp_path / name / "encoding").glob("*.parquet"))
        for name in ("kept", "forgot")
    )
    assert size < kept_size, "label counts and the log of users who left are forgotten"


def test_nights_and_their_deltas_go_on(shipped: Path, tmp_path: Path) -> None:
    for night in range(2):
        path = tmp_path / f"{night}.parquet"
        day(STUDY_DAYS + night).write_parquet(path)
        options = {"forget_after": 3, "learning_rate": 1e-5 if night else None}
        assert hs.nightly(shipped, path, tmp_path / "served", **options).outcome == "promoted"
    models = tmp_path / "served" / "models"
    made = hs.apply_delta(models / "0001", models / "0002.delta", tmp_path / "made")
    for path in models.glob("0002/encoding/*.parquet"):
        assert path.read_bytes() == (made / "encoding" / path.name).read_bytes()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> compiled_shop.Written:
    """A shop whose texts, numbers, ids of scenarios, pairs and items of lists are hashed."""
    hashed = "    hashed: {user: 30, item: 5, shelf: 6, user x shelf: 40, item x colour: 9}\n"
    text = with_hashed(compiled_shop.STUDY, "    crosses:", hashed)
    return export_shop(tmp_path_factory.mktemp("compiled"), text)


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_graphs_score_as_predict_does(kind: str, compiled: compiled_shop.Written) -> None:
    expected_RT = predictions(compiled.exported, compiled.columns)
    got_RT = open_compiled(compiled.folder, kind).score(compiled.columns)
    assert_allclose(got_RT, expected_RT, rtol=0, atol=1e-5)


ODD = {
    "as it is": {},
    "of no row": {"item": pl.col("item") + "?", "user": pl.col("user") + 1000},
    "large and negative": {"shelf": pl.col("shelf") - 2**62},
    "missing": {"liked": None, "seen": None, "item": None, "shelf": None},
}


@pytest.mark.parametrize("changed", ODD.values(), ids=ODD)
def test_the_reader_of_graphs_hashes_as_the_model_does(
    changed: dict[str, object], compiled: compiled_shop.Written
) -> None:
    assert read_layout(compiled.folder / COMPILED).reads_tables
    scorer = Scorer(compiled.folder / COMPILED)
    raw = compiled.raw.with_columns(**changed)
    expected, table = columns_of(compiled.exported, raw), raw.to_arrow()
    assert_array_equal(scorer.ids(table, scorer.scenarios(table)), expected.ids_RF)
    assert_array_equal(scorer.lists(table), expected.lists_RS)
    assert (expected.ids_RF > 0).any(axis=0).any()
