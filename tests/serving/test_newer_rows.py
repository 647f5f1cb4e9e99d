"""refit: an export learns from newer rows, is better on the newest, and is a whole export again."""

import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import hinet_search as hs
from hinet_search.common.errors import DataError
from hinet_search.serving import write_folder
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.newer.rows import judging_rows, read_newer_rows
from hinet_search.serving.sealed import manifest_hash
from hinet_search.training.device import choose_device
from tests.serving.newer_shop import (
    FIRST,
    NEW_ITEM,
    NEW_USERS,
    newer_rows,
    parts,
    probabilities,
    written,
)
from tests.serving.shop import Shop, edited, rows

RATE = 1e-2
CPU = choose_device("cpu").device
LEARNED = 1280  # of 1,600 rows; the newest fifth is held out


@pytest.fixture(scope="module")
def shipped(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The HiNet of the shop, exported; its configuration allows more passes, of smaller batches."""
    folder = shop.export("hinet", tmp_path_factory.mktemp("shipped") / "model").folder
    edited(folder, {"passes: 1.0": "passes: 6.0", "batch_size: 128": "batch_size: 64"})
    return folder


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What is said while `made` is made."""
    return []


@pytest.fixture(scope="module")
def made(shipped: Path, said: list[str], tmp_path_factory: pytest.TempPathFactory) -> hs.NewerModel:
    """The shipped model, fit again on newer rows."""
    folder = tmp_path_factory.mktemp("made")
    path = written(newer_rows(), folder)
    return hs.refit(shipped, path, folder / "model", learning_rate=RATE, say=said.append)


def judging() -> pl.DataFrame:
    return parts(newer_rows(), LEARNED)[1]


def test_where_tastes_have_changed_it_is_better_on_the_newest_rows(
    shipped: Path, made: hs.NewerModel, tmp_path: Path
) -> None:
    assert (made.rows, made.held_out) == (1600, 320)
    assert made.is_written
    assert not made.is_worse
    assert made.after > made.before + 0.1
    assert (made.mark, made.judging) == ("better", len(judging()))
    assert made.gain == pytest.approx(made.after - made.before)
    assert made.gain_low is not None
    assert 0 < made.gain_low < made.gain
    assert made.units == f"{judging()['user'].n_unique()} users"
    home = (judging()["place"] == 1).to_numpy()
    labels = judging()["clicked"].to_numpy()[home]
    cell = next(each for each in made.cells if (each.scenario, each.task) == ("Home", "click"))
    assert (cell.rows, cell.positives) == (home.sum(), labels.sum())
    for folder, auc, loss in (
        (shipped, cell.auc_before, cell.logloss_before),
        (made.folder, cell.auc, None),
    ):
        click = probabilities(folder, judging(), tmp_path)[home, 0]
        assert auc == pytest.approx(roc_auc_score(labels, click), abs=1e-6)
        assert loss is None or loss == pytest.approx(log_loss(labels, click), rel=1e-5)


def test_it_has_the_weights_of_the_evaluation_that_was_best_on_the_rows_that_choose(
    made: hs.NewerModel, said: list[str], tmp_path: Path
) -> None:
    evaluation = re.compile(
        r"hinet, seed \d+: after (\S+) passes mean_auc (\S+) on the rows that choose"
    )
    found = [match.groups() for match in map(evaluation.fullmatch, said) if match]
    passes, value = max(found, key=lambda pair: float(pair[1]))
    assert len(found) > 3
    assert f"{made.passes[0]:.2f}" == passes
    choosing = parts(newer_rows(), LEARNED)[0]
    assert f"{mean_auc(made.folder, choosing, tmp_path):.4f}" == value
    assert said[1] == (
        f"learning from 1,280 rows, 320 are held out: {len(choosing)} choose when to stop, "
        f"{len(judging())} judge"
    )


def mean_auc(folder: Path, frame: pl.DataFrame, at: Path) -> float:
    """The objective of the shop's study on some rows, of probabilities without a calibrator."""
    assert not open_folder(folder, CPU).file.calibration
    scores_RT = probabilities(folder, frame, at)
    aucs, rows_C = [], []
    for place in (1, 2, 3):
        for task, name in enumerate(("clicked", "bought")):
            of_cell = (frame["place"] == place).to_numpy()
            aucs.append(roc_auc_score(frame[name].to_numpy()[of_cell], scores_RT[of_cell, task]))
            rows_C.append(of_cell.sum())
    return float(np.mean(aucs) + np.average(aucs, weights=rows_C)) / 2


def test_no_user_chooses_and_judges() -> None:
    choosing, judges = parts(newer_rows(), LEARNED)
    assert len(choosing) + len(judges) == 320
    assert not set(choosing["user"]) & set(judges["user"])
    assert abs(len(choosing) - len(judges)) < 30, "else one part is short of rows"


@pytest.mark.parametrize("rows_of_users", [[1, 1], [1, 99], [99, 1], [1, 1, 98], [5] * 40])
def test_both_parts_have_rows_however_unlike_users_are(rows_of_users: list[int]) -> None:
    user_R = np.repeat(np.arange(len(rows_of_users), dtype=np.int32), rows_of_users)
    judges = judging_rows(user_R)
    assert 0 < judges.sum() < len(judges)
    assert all(len(set(judges[user_R == user])) == 1 for user in set(user_R))


def test_rows_without_a_user_choose_or_judge_one_by_one() -> None:
    judges = judging_rows(np.full(1000, -1, dtype=np.int32))
    assert judges.sum() == 500
    assert judges[:500].any()
    assert not judges[:500].all()


def test_new_users_and_items_get_an_embedding_and_are_better_for_it(
    shipped: Path, made: hs.NewerModel, tmp_path: Path
) -> None:
    learned = newer_rows()[:LEARNED]
    seen = learned.filter(pl.col("user").is_in(list(NEW_USERS)))["user"].value_counts()
    assert made.new_ids == {"user": (seen["count"] >= 2).sum(), "item": 1}
    encoder = open_folder(made.folder, CPU).encoder
    known = encoder.encoding.vocabularies[1].table["value"].to_list()
    assert NEW_ITEM in known
    of_new = newer_rows()[LEARNED:].filter(pl.col("user").is_in(list(NEW_USERS)))
    before, after = (
        roc_auc_score(of_new["clicked"], probabilities(folder, of_new, tmp_path)[:, 0])
        for folder in (shipped, made.folder)
    )
    assert after > before + 0.1


def test_counts_of_ids_add_up_and_keep_the_ids_in_their_order(
    shipped: Path, made: hs.NewerModel
) -> None:
    before = open_folder(shipped, CPU).encoder.encoding.vocabularies[0].table
    after = open_folder(made.folder, CPU).encoder.encoding.vocabularies[0].table
    newer = newer_rows()[:LEARNED]["user"].to_list()
    counts_before = dict(before.iter_rows())
    for user, count in after.iter_rows():
        assert count == counts_before.get(user, 0) + newer.count(user)
    assert after["count"].to_list() == sorted(after["count"], reverse=True)
    assert set(before["value"]) <= set(after["value"])


def test_a_user_of_one_new_row_gets_no_id_where_the_study_asked_for_two(
    shipped: Path, tmp_path: Path
) -> None:
    one = newer_rows().with_columns(
        user=pl.when(pl.col("minute") == FIRST).then(9999).otherwise("user")
    )
    once = hs.refit(shipped, written(one, tmp_path), tmp_path / "m", learning_rate=0.0)
    known = open_folder(once.folder, CPU).encoder.encoding.vocabularies[0].table["value"]
    assert 9999 not in known.to_list()


def test_a_learning_rate_of_zero_gives_the_shipped_probabilities(
    shipped: Path, tmp_path: Path
) -> None:
    still = hs.refit(shipped, written(newer_rows(), tmp_path), tmp_path / "m", learning_rate=0.0)
    assert still.after == still.before
    assert (still.mark, still.gain_low, still.gain_high) == ("unclear", 0.0, 0.0)
    assert still.verdict.startswith("no difference shown: mean_auc")
    assert still.new_ids
    cells = open_folder(still.folder, CPU).file.calibration
    assert not cells, "else probabilities differ by their calibration"
    for frame in (rows().filter(pl.col("place") != 4), newer_rows()):
        actual = probabilities(still.folder, frame, tmp_path)
        np.testing.assert_array_equal(actual, probabilities(shipped, frame, tmp_path))


def test_the_newest_are_held_out_whatever_the_order_of_the_rows(
    shipped: Path, made: hs.NewerModel, tmp_path: Path
) -> None:
    shuffled = newer_rows().sample(fraction=1.0, shuffle=True, seed=5)
    other = hs.refit(shipped, written(shuffled, tmp_path), tmp_path / "m", learning_rate=0.0)
    assert other.held_out == made.held_out
    assert other.before == pytest.approx(made.before, abs=1e-9)


def test_of_rows_of_one_day_a_fifth_of_the_users_is_held_out(shipped: Path, tmp_path: Path) -> None:
    frame = newer_rows().with_columns(minute=pl.lit(FIRST))
    made = hs.refit(shipped, written(frame, tmp_path), tmp_path / "m", learning_rate=0.0)
    users = frame["user"].n_unique()
    assert 0.1 * 1600 < made.held_out < 0.3 * 1600
    rows = read_newer_rows(
        open_folder(shipped, CPU), str(tmp_path / "newer.parquet"), 0.2, tmp_path
    )
    held_out = set(rows.user_R[rows.is_held_out_R])
    assert held_out.isdisjoint(rows.user_R[~rows.is_held_out_R])
    assert 0.1 * users < len(held_out) < 0.3 * users


def test_of_two_days_the_second_is_held_out_however_few_rows_it_has(
    shipped: Path, tmp_path: Path
) -> None:
    few = newer_rows().with_columns(minute=FIRST + (pl.int_range(pl.len()) >= 1500).cast(pl.Int64))
    made = hs.refit(shipped, written(few, tmp_path), tmp_path / "m", learning_rate=0.0)
    assert made.held_out == 100


def test_times_that_are_categories_are_in_the_order_of_their_texts(
    shipped: Path, tmp_path: Path
) -> None:
    """Categories are numbered as they come, and here the newest comes first."""
    day = pl.lit("2026-02-0") + (10 - pl.int_range(100) // 10).clip(1, 9).cast(pl.String)
    days = newer_rows(100).with_columns(minute=day.cast(pl.Categorical))
    made = hs.refit(shipped, written(days, tmp_path), tmp_path / "m", learning_rate=0.0)
    fit = open_folder(made.folder, CPU).file.newer[-1]
    assert (fit.first, fit.last, made.held_out) == ("2026-02-01", "2026-02-09", 20)


def test_equal_rows_give_equal_weights(shipped: Path, made: hs.NewerModel, tmp_path: Path) -> None:
    path = written(newer_rows(), tmp_path)
    again = hs.refit(shipped, path, tmp_path / "m", learning_rate=RATE)
    weights = [each.folder / "weights.safetensors" for each in (made, again)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert manifest_hash(made.folder) == manifest_hash(again.folder)


def test_lineage_says_which_folder_it_came_from_and_on_which_rows(
    shipped: Path, made: hs.NewerModel
) -> None:
    fit = open_folder(made.folder, CPU).file.newer[-1]
    assert fit.parent == made.parent == manifest_hash(shipped)
    assert (fit.num_rows, fit.num_held_out) == (1600, 320)
    assert (fit.first, fit.last) == (str(FIRST), str(FIRST + 1599))
    assert (fit.learning_rate, fit.passes) == (RATE, made.passes)
    assert (fit.objective_before, fit.objective_after) == (made.before, made.after)
    assert (fit.gain_low, fit.gain_high) == (made.gain_low, made.gain_high)


def test_the_card_has_the_lineage_and_both_models_by_cell(made: hs.NewerModel) -> None:
    card = (made.folder / "card.md").read_text()
    assert made.parent in card
    assert "1,280 of 1,600 labelled rows, from 1400 to 2999; the newest (320) held out" in card
    assert len(re.findall(r"^\| (Home|Push|Cart) · (click|buy) \|", card, re.MULTILINE)) == 6
    assert f"On {made.judging} held-out rows: better than before: mean" in card
    assert "\u2212" not in made.verdict.partition("interval")[2], "both ends are above 0"
    assert f"over {made.units}" in made.verdict


def test_monitor_compares_with_the_newer_rows(made: hs.NewerModel, tmp_path: Path) -> None:
    told = hs.monitor(made.folder, written(newer_rows()[:LEARNED], tmp_path))
    assert told.training_rows == LEARNED
    assert all(share.now == pytest.approx(share.before) for share in told.scenarios)
    assert not any(share.is_notable for share in told.without_id)


def test_it_can_be_fit_again_on_rows_that_are_newer_still(
    shipped: Path, made: hs.NewerModel, tmp_path: Path
) -> None:
    path = written(newer_rows(600, seed=2, first=3000), tmp_path)
    later = hs.refit(made.folder, path, tmp_path / "later", even_if_worse=True)
    fits = open_folder(later.folder, CPU).file.newer
    assert [fit.parent for fit in fits] == [manifest_hash(shipped), manifest_hash(made.folder)]
    assert "All fits on newer rows" in (later.folder / "card.md").read_text()


def test_rows_that_it_has_learned_from_are_refused(made: hs.NewerModel, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be rows that .* has not learned from, but it has"):
        hs.refit(made.folder, written(newer_rows(), tmp_path), tmp_path / "later")


def test_a_worse_model_is_not_written_unless_asked_for(shipped: Path, tmp_path: Path) -> None:
    """Labels of what is learned from are turned, those of the held-out rows are not."""
    misleading = newer_rows().with_columns(
        pl.when(pl.col("minute") < FIRST + LEARNED)
        .then(1 - pl.col(name))
        .otherwise(name)
        .alias(name)
        for name in ("clicked", "bought")
    )
    path = written(misleading, tmp_path)
    good = hs.refit(shipped, written(newer_rows(), tmp_path), tmp_path / "g", learning_rate=RATE)
    misleading.write_parquet(path)
    worse = hs.refit(good.folder, path, tmp_path / "m", learning_rate=RATE)
    assert worse.is_worse
    assert worse.after < worse.before
    assert not worse.is_written
    assert not (tmp_path / "m").exists()
    assert worse.verdict.startswith("worse than before: mean_auc")
    forced = hs.refit(good.folder, path, tmp_path / "m", learning_rate=RATE, even_if_worse=True)
    assert forced.is_worse
    assert open_folder(tmp_path / "m", CPU).file.newer[-1].objective_after == forced.after


def test_an_interrupted_writing_leaves_no_folder(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_folder: Path, _profile: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write_folder, "write_profile", interrupted)
    path = written(newer_rows(), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        hs.refit(shipped, path, tmp_path / "m", learning_rate=0.0)
    assert [each.name for each in tmp_path.iterdir()] == ["newer.parquet"]


def test_rows_without_a_label_are_left_out_and_counted(shipped: Path, tmp_path: Path) -> None:
    late = newer_rows().with_columns(bought=pl.when(pl.col("minute") < FIRST + 1000).then("bought"))
    made = hs.refit(shipped, written(late, tmp_path), tmp_path / "m", learning_rate=0.0)
    assert (made.rows, made.unlabelled, made.held_out) == (1000, 600, 200)


def test_all_seeds_of_a_model_are_fit_each_from_its_own_weights(shop: Shop, tmp_path: Path) -> None:
    folder = shop.export("shared_bottom", tmp_path / "both", seeds="all").folder
    made = hs.refit(folder, written(newer_rows(), tmp_path), tmp_path / "m", learning_rate=RATE)
    assert len(made.passes) == 2
    one, other = open_folder(made.folder, CPU).members
    frame = newer_rows()[:50]
    columns = open_folder(made.folder, CPU).encoder.columns(
        frame.with_columns(pl.col("age").cast(pl.Float64))
    )
    assert not np.allclose(one.model.scores(columns), other.model.scores(columns))
    assert made.after > made.before


def test_calibration_is_fitted_again_on_the_held_out_rows(shipped: Path, tmp_path: Path) -> None:
    """Only every fourth click of before is one now, so that the shipped probabilities are too high."""
    fewer = newer_rows(4000).with_columns(
        pl.when(pl.col("minute") % 4 == 0).then(name).otherwise(0).alias(name)
        for name in ("clicked", "bought")
    )
    path = written(fewer, tmp_path)
    made = hs.refit(shipped, path, tmp_path / "m", learning_rate=0.0, held_out=0.5)
    calibrated = open_folder(made.folder, CPU).file.calibration
    assert ("Home", "click") in [(cell.scenario, cell.task) for cell in calibrated]
    home = parts(fewer, 2000)[0].filter(pl.col("place") == 1)
    before, after = (
        probabilities(folder, home, tmp_path)[:, 0].mean() for folder in (shipped, made.folder)
    )
    assert before > 1.5 * home["clicked"].mean()
    assert after == pytest.approx(home["clicked"].mean(), rel=0.05)
    cell = next(each for each in made.cells if (each.scenario, each.task) == ("Home", "click"))
    assert cell.logloss < cell.logloss_before
    assert cell.auc == pytest.approx(cell.auc_before, abs=1e-4), "of rows that float32 ties"


def test_a_cell_with_too_few_held_out_rows_keeps_its_calibrator(
    shipped: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "calibrated"
    shutil.copytree(shipped, folder)
    line = "- {scenario: Home, task: buy, kind: platt, slope: 0.5, knots: [0.0], values: [-0.5]}"
    edited(folder, {"calibration: []": f"calibration:\n{line}"})
    path = written(newer_rows().tail(120), tmp_path)
    made = hs.refit(folder, path, tmp_path / "new", learning_rate=0, even_if_worse=True)
    kept = open_folder(made.folder, CPU).file.calibration
    assert kept == open_folder(folder, CPU).file.calibration
    card = (made.folder / "card.md").read_text()
    assert "and as before in 1, where no other was shown to be better" in card
