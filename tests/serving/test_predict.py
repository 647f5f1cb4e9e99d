"""Predict: new rows of any file format get the probabilities of training, or a clear error."""

import errno
import gzip
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.data.columns import Columns
from hinet_search.data.hashing import keys_of, uniform
from hinet_search.serving import model_folder
from hinet_search.serving.model_folder import LoadedModel, open_folder
from hinet_search.serving.predict import newer_inputs
from hinet_search.serving.sealed import seal
from tests.serving.shop import ONE_ARM, Shop, edited, one_export, prediction_of, rows, test_part

CPU = torch.device("cpu")
TASKS = ["click", "buy"]


@pytest.fixture(scope="session")
def folder(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The HiNet of the shop, exported."""
    return shop.export("hinet", tmp_path_factory.mktemp("exported") / "hinet").folder


def scored(folder: Path, frame: pl.DataFrame, at: Path) -> tuple[pl.DataFrame, hs.Prediction]:
    """Return the scores of a table, and the messages about them."""
    prediction = prediction_of(folder, frame, at)
    return pl.read_parquet(at / "scores.parquet"), prediction


def asked() -> pl.DataFrame:
    """Rows without labels, as users have them who ask for scores."""
    return test_part(rows()).drop("clicked", "bought")


@pytest.mark.parametrize("arm", ["hinet", "trees"])
def test_rows_of_the_test_split_get_the_probabilities_of_training(
    arm: str, shop: Shop, tmp_path: Path
) -> None:
    exported = shop.export(arm, tmp_path / arm)
    scores, _ = scored(exported.folder, asked(), tmp_path)
    expected = expit(shop.test_logits(arm, exported.seeds[0]).astype(np.float64))
    assert_allclose(scores.select(TASKS).to_numpy(), expected, atol=1e-6)


def test_rows_of_an_object_store_get_the_scores_of_the_local_rows(
    bucket: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINET_SEARCH_CACHE", str(tmp_path / "cache"))
    expected, _ = scored(folder, asked(), tmp_path)
    (tmp_path / "rows.parquet").rename(bucket / "rows.parquet")
    hs.predict(folder, "s3://bucket/rows.parquet", tmp_path / "remote.parquet")
    assert pl.read_parquet(tmp_path / "remote.parquet").equals(expected)


def test_keys_stand_beside_the_scores_in_the_order_of_the_rows(
    folder: Path, tmp_path: Path
) -> None:
    mixed = asked().sample(fraction=1, shuffle=True, seed=1)
    scores, prediction = scored(folder, mixed, tmp_path)
    assert scores.columns == ["place", "user", "item", "minute", *TASKS]
    assert scores.select("place", "user", "item", "minute").equals(
        mixed.select("place", "user", "item", "minute")
    )
    assert prediction.rows == len(mixed)


def test_a_key_that_the_rows_do_not_have_is_not_asked_for(folder: Path, tmp_path: Path) -> None:
    scores, _ = scored(folder, asked().drop("minute"), tmp_path)
    assert scores.columns == ["place", "user", "item", *TASKS]


def test_rows_in_runs_get_the_scores_that_they_get_together(
    folder: Path, tmp_path: Path, monkeypatch
) -> None:
    together, all_prediction = scored(folder, asked(), tmp_path)
    held: list[int] = []
    score = LoadedModel.predictions

    def counted(model: LoadedModel, columns: Columns) -> np.ndarray:
        held.append(columns.num_rows)
        return score(model, columns)

    monkeypatch.setattr(model_folder, "RUN_ROWS", 50)
    monkeypatch.setattr(LoadedModel, "predictions", counted)
    in_runs, prediction = scored(folder, asked(), tmp_path)
    assert_allclose(in_runs.select(TASKS).to_numpy(), together.select(TASKS).to_numpy(), atol=1e-6)
    assert replace(prediction, seconds=0) == replace(all_prediction, seconds=0)
    assert max(held) == 50


def test_every_format_a_glob_a_folder_and_other_types_of_one_kind_give_the_same_scores(
    folder: Path, tmp_path: Path
) -> None:
    expected, _ = scored(folder, asked(), tmp_path)
    asked().write_csv(tmp_path / "rows.csv")
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress((tmp_path / "rows.csv").read_bytes()))
    asked().write_ndjson(tmp_path / "rows.jsonl")
    asked().write_ipc(tmp_path / "rows.arrow")
    for number in range(2):
        half = asked()[number::2]
        types = {
            "place": pl.Int8,
            "user": pl.UInt16,
            "item": pl.Categorical,
            "colour": pl.String,
            "age": pl.Float32,
        }
        half.cast(types).write_parquet(tmp_path / f"half-{number}.parquet")
    for colour, of_colour in asked().group_by("colour"):
        part = tmp_path / "rows" / f"colour={colour[0] or '__HIVE_DEFAULT_PARTITION__'}"
        part.mkdir(parents=True)
        of_colour.drop("colour").write_parquet(part / "part-0.parquet")
    others = ("packed.csv.gz", "rows.jsonl", "rows.arrow")
    for path in ("rows.csv", *others, "half-*.parquet", "rows"):
        hs.predict(folder, tmp_path / path, tmp_path / "again.parquet")
        again = pl.read_parquet(tmp_path / "again.parquet").sort("minute")
        assert_allclose(
            again.select(TASKS).to_numpy(), expected.select(TASKS).to_numpy(), atol=1e-6
        )


def test_a_csv_file_is_read_in_the_types_of_training(folder: Path, tmp_path: Path) -> None:
    odd = asked().with_columns(
        user=pl.lit(None, pl.Int64),
        item=pl.lit("007"),
        colour=pl.lit("2022-05-03"),
        price=pl.lit(None, pl.Float64),
    )
    expected, prediction = scored(folder, odd, tmp_path)
    odd.write_csv(tmp_path / "rows.csv")
    from_csv = hs.predict(folder, tmp_path / "rows.csv", tmp_path / "again.parquet")
    assert pl.read_parquet(tmp_path / "again.parquet").equals(expected)
    assert from_csv.unseen == prediction.unseen


def test_a_csv_column_that_is_there_twice_is_refused_if_the_model_reads_it(
    folder: Path, tmp_path: Path
) -> None:
    header, *rows = asked().write_csv().splitlines()
    lines = [f"place,note,{header},note", *(f"1,a,{row},b" for row in rows)]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    with pytest.raises(
        DataError, match=r"rows\.csv: column 'place' is in the rows twice; leave one$"
    ):
        hs.predict(folder, tmp_path / "rows.csv", tmp_path / "scores.parquet")


def test_a_csv_value_of_another_type_is_reported_with_its_column(
    folder: Path, tmp_path: Path
) -> None:
    asked().with_columns(user=pl.lit("ann")).write_csv(tmp_path / "rows.csv")
    with pytest.raises(
        DataError, match=r"rows\.csv: cannot be read: .*`ann` .*column 'user'"
    ) as caught:
        hs.predict(folder, tmp_path / "rows.csv", tmp_path / "scores.parquet")
    assert "has that type in training" in caught.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_an_unseen_value_scores_as_a_missing_one_and_is_counted(
    folder: Path, tmp_path: Path
) -> None:
    unseen, prediction = scored(folder, asked().with_columns(item=pl.lit("new")), tmp_path)
    missing = asked().with_columns(item=pl.lit(None, pl.String))
    nothing, told_of_nothing = scored(folder, missing, tmp_path)
    assert_array_equal(unseen.select(TASKS).to_numpy(), nothing.select(TASKS).to_numpy())
    assert prediction.unseen["item"] == 1
    assert told_of_nothing.unseen["item"] == 0
    assert prediction.unseen["user"] < 0.1


def test_an_export_knows_the_share_of_validation_rows_whose_value_has_no_id(
    shop: Shop, tmp_path: Path
) -> None:
    exported = shop.export("seldom", tmp_path / "seldom").folder
    known = rows().filter((pl.col("minute") < 1000) & (pl.col("place") != 4))["user"].value_counts()
    frequent = known.filter(pl.col("count") >= 9)["user"]
    validation = rows().filter(pl.col("minute").is_between(1000, 1199) & (pl.col("place") != 4))
    share = 1 - validation["user"].is_in(frequent.implode()).mean()
    assert 0 < open_folder(exported, CPU).file.unseen["user"] == pytest.approx(share)


@pytest.mark.parametrize("expected", [0.0, 0.03, 0.2, 0.6])
def test_rows_as_those_of_validation_do_not_ask_whether_the_model_is_old(expected: float) -> None:
    for drift in (1.0, 2.0):  # in odds: also the last rows of the study are newer than validation
        share = drift * expected / (1 + (drift - 1) * expected)
        assert newer_inputs({"item": round(share * 2000)}, 2000, {"item": expected}) == {}


@pytest.mark.parametrize("expected", [0.0, 0.03, 0.2, 0.6])
def test_rows_with_far_more_new_values_than_validation_ask_whether_the_model_is_old(
    expected: float,
) -> None:
    odds = max(5 * expected / (1 - expected), 0.15)
    count = round(2000 * odds / (1 + odds))
    shares = {"item": expected, "user": 0.5}
    assert newer_inputs({"item": count, "user": 0}, 2000, shares) == {"item": expected}


def test_a_new_value_in_few_rows_may_be_chance() -> None:
    assert newer_inputs({"item": 1}, 8, {}) == {}
    assert newer_inputs({"item": 8}, 8, {}) == {"item": 0.0}


def test_a_studys_own_rows_do_not_ask_whether_the_model_is_old_and_new_items_do(
    tmp_path: Path,
) -> None:
    """The split keeps users whole, so no user of its validation or test is known."""
    text = ONE_ARM.replace("{by: time, valid_from: 1000, test_from: 1200}", "{by: user}")
    model = one_export(tmp_path / "study", rows(), text)
    table = rows().filter(pl.col("place") != 4).drop("clicked", "bought")
    is_test = pl.Series(uniform(keys_of(table["user"]), 0) < 0.2)
    for own in (table, table.filter(is_test), table.tail(100)):
        assert scored(model, own, tmp_path)[1].newer == {}
    assert scored(model, table.filter(is_test), tmp_path)[1].unseen["user"] == 1
    _, newer = scored(model, table.with_columns(item=pl.lit("new")), tmp_path)
    assert newer.newer == {"item": 0.0}


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_is_reported_with_the_rows_and_the_remedy(
    error: Exception, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: object) -> None:
        raise error

    monkeypatch.setattr(LoadedModel, "predictions", run_out)
    with pytest.raises(
        EnvironmentFault, match=r"rows\.parquet: .*ran out: 131,072 rows at once on cpu"
    ) as caught:
        scored(folder, asked(), tmp_path)
    assert "--device cpu" in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["rows.parquet"]


def test_no_rows_give_no_scores(folder: Path, tmp_path: Path) -> None:
    scores, prediction = scored(folder, asked().clear(), tmp_path)
    assert scores.columns[-2:] == TASKS
    assert (len(scores), prediction.rows) == (0, 0)


def test_every_problem_of_the_columns_is_reported_at_once(folder: Path, tmp_path: Path) -> None:
    wrong = (
        asked()
        .rename({"item": "items"})
        .with_columns(user=pl.col("user").cast(pl.String), price=pl.lit(date(2026, 5, 1)))
    )
    with pytest.raises(DataError) as caught:
        scored(folder, wrong, tmp_path)
    at = tmp_path / "rows.parquet"
    assert caught.value.problems == (
        f"{at}: column 'item' is not in the rows; did you mean 'items'?",
        f"{at}: column 'user' must hold whole numbers as in training, got String; cast it",
        f"{at}: column 'price' must hold numbers, got Date; cast it",
    )
    assert not (tmp_path / "scores.parquet").exists()


def test_every_problem_of_the_values_is_reported_at_once(folder: Path, tmp_path: Path) -> None:
    late = pl.col("minute") >= 1397
    wrong = asked().with_columns(
        place=pl.when(late).then(9).otherwise("place"),
        price=pl.when(pl.int_range(pl.len()) < 2).then(float("nan")).otherwise("price"),
    )
    with pytest.raises(DataError) as caught:
        scored(folder, wrong, tmp_path)
    at = tmp_path / "rows.parquet"
    count, first = wrong.filter(late).height, int(wrong.select(late.arg_max()).item())
    assert caught.value.problems == (
        (
            f"{at}: column 'place' must hold scenarios of the model, '1', '2', '3', got '9' "
            f"({count} rows, first in row {first}); leave other rows out"
        ),
        (
            f"{at}: column 'price' must be finite, got NaN or infinity in 2 rows "
            "(first in row 0, 1); write null for what is missing"
        ),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_scores_are_written_as_parquet_alone(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"scores\.csv: scores must go to a \.parquet file, got '\.csv'"
    ):
        hs.predict(folder, tmp_path / "rows.parquet", tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("place", "what"), [("", r"it has no manifest\.json"), ("none", "there is no such folder")]
)
def test_a_folder_that_is_no_export_is_reported(place: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"that hinet-search export wrote, but {what}"):
        open_folder(tmp_path / place, CPU)


def test_a_file_that_has_changed_or_is_missing_is_reported(shop: Shop, tmp_path: Path) -> None:
    folder = shop.export("mmoe", tmp_path / "mmoe").folder
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    (folder / "encoding" / "columns.parquet").unlink()
    with pytest.raises(DataError) as caught:
        open_folder(folder, CPU)
    assert caught.value.problems == (
        f"{folder / 'encoding' / 'columns.parquet'}: is missing",
        f"{weights}: has changed",
    )


def test_a_file_that_holds_no_weights_is_reported_and_not_run(shop: Shop, tmp_path: Path) -> None:
    folder = shop.export("mmoe", tmp_path / "mmoe").folder
    torch.save({"weights": torch.zeros(1)}, folder / "weights.safetensors")
    seal(folder)
    with pytest.raises(DataError, match=r"must be a safetensors file, but is not"):
        open_folder(folder, CPU)


def test_a_model_of_another_package_is_imported_where_it_is_allowed_alone(
    shop: Shop, tmp_path: Path
) -> None:
    folder = shop.export("mmoe", tmp_path / "mmoe").folder
    edited(folder, {"\n  model: mmoe\n": "\n  model: antigravity.models\n"})
    with pytest.raises(
        ConfigurationError,
        match=r"config\.yaml:9:3: arm 'mmoe', trial 0: model 'antigravity\.models' is not known, "
        r".* allowed: --plugin antigravity",
    ):
        open_folder(folder, CPU)
    assert "antigravity" not in sys.modules


def test_a_setting_that_this_version_does_not_know_is_reported_with_its_line(
    shop: Shop, tmp_path: Path
) -> None:
    folder = shop.export("mmoe", tmp_path / "mmoe").folder
    edited(folder, {"    patience:": "    patiense:"})
    with pytest.raises(
        ConfigurationError, match=r"config\.yaml:\d+:7: .*'patiense'.*; did you mean 'patience'\?"
    ):
        open_folder(folder, CPU)


def test_a_row_without_a_finite_score_is_reported_with_its_number(
    folder: Path, tmp_path: Path, monkeypatch
) -> None:
    score = LoadedModel.predictions

    def without_one(exported: object, columns: Columns) -> np.ndarray:
        found_RT = score(exported, columns)
        return np.where(columns.numeric_RN[:, :1] > 1e6, np.nan, found_RT)

    monkeypatch.setattr(model_folder, "RUN_ROWS", 50)
    monkeypatch.setattr(LoadedModel, "predictions", without_one)
    far = asked().with_columns(
        price=pl.when(pl.int_range(pl.len()) == 77).then(1e12).otherwise("price")
    )
    with pytest.raises(
        DataError, match=r"every row must get a finite score, but 1 row cannot \(first in row 77\)"
    ):
        scored(folder, far, tmp_path)
    assert not (tmp_path / "scores.parquet").exists()


def test_rows_of_which_nothing_is_known_are_scored(folder: Path, tmp_path: Path) -> None:
    missing = asked().with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in asked().schema.items() if name != "place"
    )
    scores, prediction = scored(folder, missing, tmp_path)
    assert scores.select(pl.col(TASKS).is_between(0, 1).all()).row(0) == (True, True)
    assert set(prediction.unseen.values()) == {0}


@pytest.mark.parametrize("column", ["place", "item", "price"])
def test_a_list_in_place_of_a_value_is_reported(column: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"column '{column}' must hold .*, got List"):
        scored(folder, asked().with_columns(pl.concat_list(column)), tmp_path)
