"""Tables of results pages are those of their result files, and every result file has a page."""

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from hinet_search.results.contrasts import contrasts
from hinet_search.study.search_space import load_space
from tests.report.nine_arms import nine_arms

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "docs" / "results"


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Iterator[None]:
    """The scripts of results pages can be imported."""
    sys.path.insert(0, str(RESULTS))
    yield
    sys.path.remove(str(RESULTS))


@pytest.fixture
def pages() -> ModuleType:
    return importlib.import_module("write_pages")


def test_every_table_of_a_page_is_what_its_result_file_gives(pages: ModuleType) -> None:
    others = [
        path.name
        for path in pages.PAGES
        if pages.written(path.read_text(encoding="utf-8")) != path.read_text(encoding="utf-8")
    ]
    assert not others, "run python docs/results/write_pages.py"


def test_every_result_file_has_a_table_in_a_page(pages: ModuleType) -> None:
    shown = {
        name for path in pages.PAGES for name in pages.names_of(path.read_text(encoding="utf-8"))
    }
    assert {path.stem for path in (RESULTS / "data").glob("*.json")} == shown


def test_a_changed_number_of_a_page_is_written_anew(pages: ModuleType) -> None:
    page = next(path for path in pages.PAGES if "<!-- table" in path.read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    start = text.index("-->", text.index("<!-- table"))
    wrong = text[:start] + text[start:].replace(".", ",", 1)
    assert wrong != text
    assert pages.written(wrong) == text


def test_a_kind_of_table_that_nothing_makes_is_an_error(pages: ModuleType) -> None:
    with pytest.raises(KeyError, match="nonsense"):
        pages.written("<!-- table nonsense of rivals_kuairand -->\n<!-- end of table -->")


def test_gains_of_a_saved_study_are_those_of_its_report() -> None:
    record = nine_arms()
    reported = {each.arm: each for each in contrasts(record)}
    focus = next(arm.name for arm in record.arms if arm.name not in reported)
    saved = importlib.import_module("result_files").result_file([record], focus)
    assert saved.studies[0].name == record.name
    assert {gain.against for gain in saved.gains} == set(reported)
    for gain in saved.gains:
        difference = reported[gain.against].difference
        assert difference is not None
        assert gain.focus == focus
        assert gain.gain == pytest.approx(difference.mean, abs=1e-5)
        assert (gain.low, gain.high) == pytest.approx((difference.low, difference.high), abs=1e-5)
        means = {arm.name: fmean(arm.valid_headline) for arm in saved.studies[0].arms}
        assert gain.valid_gain == pytest.approx(means[focus] - means[gain.against], abs=2e-5)
        assert gain.p_holm == pytest.approx(reported[gain.against].p_holm, abs=1e-4)


def test_what_is_no_claim_and_an_unknown_arm_are_not_saved() -> None:
    save, record = importlib.import_module("result_files").result_file, nine_arms()
    with pytest.raises(SystemExit, match="and no hinett"):
        save([record], "hinett")
    with pytest.raises(SystemExit, match="order of rows"):
        save([replace(record, shared_batches=True)])


def arm(name: str, valid: float, test: float, **cells: float) -> dict[str, Any]:
    named = {cell.replace("_", " ") + " · click": auc for cell, auc in cells.items()}
    values = {
        f"{split}_{what}": (auc - 0.01, auc + 0.01)
        for split, auc in (("valid", valid), ("test", test))
        for what in ("headline", "macro", "weighted")
    }
    sizes = {"parameters": 3000, "dense_parameters": 2000, "flops_per_row": 1000, "seconds": 4.4}
    return {"name": name, "test_cells": named, **values, **sizes}


def gain(study: str, mean: float) -> dict[str, Any]:
    errors = {"seed_error": 0.001, "user_error": 0.002, "p_holm": 0.04}
    measured = {"valid_gain": mean / 2, "gain": mean, "low": mean - 0.01, "high": mean + 0.01}
    return {"study": study, "focus": "hinet", "against": "star", **measured, **errors}


def study(name: str, test: float) -> dict[str, Any]:
    cells = {"large_1": 0.8, "large_2": 0.7, "small_1": test}
    arms = [arm("hinet", 0.71, test, **cells), arm("star", 0.70, 0.69, **cells)]
    return {
        "name": name,
        "headline": "macro_auc",
        "arms": arms,
        "reachable": {"large 1 · click": 0.9},
    }


@pytest.mark.parametrize(
    ("kind", "last_row"),
    [
        ("leaderboard", "| star | .7000 ± .0141 | .6900 ± .0141 | 2,000 | 1,000 | 4 |"),
        ("gains", "| star | −.0200 | −.0300 to −.0100 | 0.040 |"),
        ("power", "| star | .0040 | .0060 |"),
        ("values", "| far off | .7100 / .6600 | .7000 / .6900 | .9000 |"),
        ("gains_by_variant", "| far off | −.0200 (−.0300 to −.0100) |"),
    ],
)
def test_the_last_row_of_every_kind_of_table(pages: ModuleType, kind: str, last_row: str) -> None:
    studies = [study("shop-near-full", 0.70), study("shop-far_off-full", 0.66)]
    gains = [gain("shop-near-full", 0.01), gain("shop-far_off-full", -0.02)]
    found = {"focus": "hinet", "against": "star", "alone": 0.004, "first_of_all": 0.006}
    powers = [{**found, "low": -0.03, "high": -0.01}]
    file = pages.ResultFile.model_validate({"studies": studies, "gains": gains, "powers": powers})
    assert pages.KINDS[kind](file)[-1] == last_row
    assert pages.ResultFile.model_validate_json(file.text) == file


def test_a_comparison_finds_its_smallest_difference_in_four_of_five_studies() -> None:
    """Counted as the verdict counts: by the p-value of every simulated study."""
    power = importlib.import_module("power")
    saved = importlib.import_module("result_files").result_file([nine_arms()])
    compared = next(power.comparisons(saved))
    (smallest,) = compared.smallest_found((0.01,), studies=200, seed=0)
    draw = np.random.default_rng(1)
    studies = [compared.simulated(draw) for _ in range(400)]
    found = [errors.tail(smallest + noise) < 0.01 for noise, errors in studies]
    assert np.mean(found) == pytest.approx(0.8, abs=0.1)


@pytest.mark.parametrize(
    "name", ["pepnet", "m3oe", "m2m", "hamur", "adasparse", "dcn_v2", "final_mlp"]
)
def test_the_page_of_rivals_says_what_is_searched_of_every_newer_model(name: str) -> None:
    page = (RESULTS / "rivals.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    said = set(re.findall(r"`([\w.]+)`", row)) - {name}
    own = {
        setting.removeprefix("model.")
        for setting in load_space(name).parameters
        if setting.startswith("model.")
    }
    assert said == own - {"embedding_dim"}


def test_the_readme_shows_the_first_sentence_of_an_answer(pages: ModuleType) -> None:
    assert (
        pages.first_sentence("It gains .0135 (.0097 to .0173). No more")
        == "It gains .0135 (.0097 to .0173)"
    )
    assert (
        pages.first_sentence("Only one with .7233 vs. .7 of SAN")
        == "Only one with .7233 vs. .7 of SAN"
    )


def test_a_new_scenario_and_unseen_users_and_items_are_not_in_training() -> None:
    cold = importlib.import_module("cold_start_table")
    table = cold.synthetic.load(cold.OPTIONS, Path(), Path()).collect()
    table = table.with_columns(**cold.split_columns(table))
    push = table.filter(table["scenario"] == "push")
    trained = {
        name: (push[name] == "train").sum() for name in ("new_0", "new_1", "new_10", "new_100")
    }
    assert trained["new_0"] == 0
    assert trained["new_1"] / trained["new_100"] == pytest.approx(0.01, abs=0.003)
    assert trained["new_10"] / trained["new_100"] == pytest.approx(0.1, abs=0.01)
    assert set(table.filter(table["scenario"] == "home")["new_0"]) == {"train", "none"}
    for kind, column in (("users", "user_id"), ("items", "item_id")):
        seen, unseen = f"{kind}_seen", f"{kind}_unseen"
        scored = set(push.filter(push[unseen].is_in(["valid", "test"]))[column])
        trained_seen = set(push.filter(push[seen] == "train")[column])
        trained_unseen = set(push.filter(push[unseen] == "train")[column])
        assert scored == set(push.filter(push[seen].is_in(["valid", "test"]))[column])
        assert not scored & trained_unseen
        assert len(scored & trained_seen) > 0.8 * len(scored)
        elsewhere = set(table.filter(table[unseen] == "train")[column])
        assert len(scored & elsewhere) > 0.95 * len(scored)
