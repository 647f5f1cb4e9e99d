"""Ways to a model: their values, costs and gains are those of the records that they are from."""

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import Any

import pytest

from hinet_search.results.contrasts import arm_values, judged
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.taught_contrasts import ensemble_contrast
from tests.report.nine_arms import nine_arms
from tests.report.taught import taught

RESULTS = Path(__file__).parent.parent / "docs" / "results"


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Iterator[None]:
    """The scripts of results pages can be imported."""
    sys.path.insert(0, str(RESULTS))
    yield
    sys.path.remove(str(RESULTS))


@pytest.fixture(scope="module")
def both() -> tuple[StudyRecord, StudyRecord]:
    """A study with students and an ensemble, HiNet first, and one of trees alone."""
    record = taught(nine_arms())
    arms = {arm.name: arm for arm in record.arms}
    networks = tuple(arms[name] for name in ("hinet", "star", "trees"))
    return replace(record, arms=networks), replace(record, arms=(arms["trees"],), students=())


@pytest.fixture(scope="module")
def ways(both: tuple[StudyRecord, StudyRecord]) -> dict[str, Any]:
    # The scripts are imported here, since the fixture above has put them on the path.
    return {way.name: way for way in importlib.import_module("ways").ways(*both)}


def test_a_default_costs_one_training_and_a_search_all_of_its_arm(
    both: tuple[StudyRecord, StudyRecord], ways: dict[str, Any]
) -> None:
    hinet = both[0].arms[0]
    runs = [run.cost.seconds for finalist in hinet.finalists for run in finalist.runs]
    trials = sum(trial.cost.seconds for trial in hinet.trials if trial.cost)
    assert ways["HiNet, default"].seconds == pytest.approx(fmean(runs[:5]))
    assert ways["HiNet, searched"].seconds == pytest.approx(trials + sum(runs))


def test_a_student_costs_what_all_arms_cost_and_an_ensemble_all_there_is(
    both: tuple[StudyRecord, StudyRecord], ways: dict[str, Any]
) -> None:
    def seconds(arms: Any) -> float:
        runs = [run for arm in arms for finalist in arm.finalists for run in finalist.runs]
        trials = [trial for arm in arms for trial in arm.trials if trial.cost]
        return sum(each.cost.seconds for each in (*runs, *trials))

    networks = both[0]
    student = next(arm for arm in networks.students if arm.name == "taught_star")
    assert ways["Taught STAR"].seconds == pytest.approx(seconds([*networks.arms, student]))
    ensemble = next(way for name, way in ways.items() if name.startswith("ensemble"))
    assert ensemble.seconds == pytest.approx(seconds(networks.arms_and_students))


def test_a_default_that_was_not_chosen_has_no_value_on_test(ways: dict[str, Any]) -> None:
    assert ways["HiNet, default"].test == ways["LightGBM, default"].test == ()
    assert len(ways["HiNet, searched"].test) == 5


def test_a_default_that_was_chosen_is_compared_once(
    both: tuple[StudyRecord, StudyRecord],
) -> None:
    networks, trees = both
    (arm,) = trees.arms
    tested = next(finalist for finalist in arm.finalists if finalist.chosen)
    alone = replace(arm, finalists=(replace(tested, is_default=True),))
    pair = networks, replace(trees, arms=(alone,))
    by_name = {way.name: way for way in importlib.import_module("ways").ways(*pair)}
    assert by_name["LightGBM, default"].test == by_name["LightGBM, tuned"].test != ()
    assert by_name["LightGBM, default"].gain is None
    assert by_name["LightGBM, tuned"].gain is not None


def test_gains_are_over_the_searched_hinet(
    both: tuple[StudyRecord, StudyRecord], ways: dict[str, Any]
) -> None:
    hinet = fmean(ways["HiNet, searched"].test)
    for name in ("Taught STAR", "LightGBM, tuned"):
        assert ways[name].gain == pytest.approx(fmean(ways[name].test) - hinet, abs=2e-5)
        assert ways[name].low < ways[name].gain < ways[name].high
    networks = both[0]
    expected = ensemble_contrast(networks, networks.ensembles[-1], networks.arms[0])
    ensemble = next(way for name, way in ways.items() if name.startswith("ensemble"))
    assert expected is not None
    assert expected.difference is not None
    assert (ensemble.gain, ensemble.low, ensemble.p_holm) == (
        pytest.approx(expected.difference.mean, abs=1e-5),
        pytest.approx(expected.difference.low, abs=1e-5),
        None,
    )


def test_holms_procedure_covers_the_gains_of_a_data_set(
    both: tuple[StudyRecord, StudyRecord], ways: dict[str, Any]
) -> None:
    networks, trees = both
    pair = arm_values(trees, trees.arms[0]), arm_values(networks, networks.arms[0])
    (alone,) = judged([("LightGBM", *pair)], "users")
    judged_ways = [way for way in ways.values() if way.p_holm is not None]
    assert len(judged_ways) > 1
    tuned = ways["LightGBM, tuned"]
    assert alone.p_holm is not None
    assert tuned.p_holm > alone.p_holm or tuned.p_holm == 1


def test_a_file_keeps_the_ways_of_other_data_sets(ways: dict[str, Any], tmp_path: Path) -> None:
    script = importlib.import_module("ways")
    path, every = tmp_path / "pipeline.json", tuple(ways.values())
    assert list(script._others(path, {"a"})) == []
    other = [way.model_copy(update={"study": "other"}) for way in every]
    path.write_text(script.ResultFile(ways=(*every, *other)).text)
    assert list(script._others(path, {every[0].study})) == other


def test_a_study_without_finalists_is_refused(both: tuple[StudyRecord, StudyRecord]) -> None:
    networks, trees = both
    arms = (networks.arms[0], *(replace(arm, finalists=()) for arm in networks.arms[1:]))
    unfinished = replace(networks, arms=arms, students=())
    with pytest.raises(SystemExit, match="lacks finalists or its ensemble"):
        list(importlib.import_module("ways").ways(unfinished, trees))


def test_the_table_tells_which_ways_were_not_opened_on_test(ways: dict[str, Any]) -> None:
    pages: ModuleType = importlib.import_module("write_pages")
    file = pages.ResultFile(ways=tuple(ways.values()))
    rows = pages.KINDS["ways"](file)[2:]
    assert len(rows) == len(ways)
    assert "not opened" in rows[0]
    assert "not opened" not in rows[1]
    assert pages.ResultFile.model_validate_json(file.text) == file


def test_the_figure_has_a_point_for_every_way_and_cost(ways: dict[str, Any]) -> None:
    figure = importlib.import_module("ways_figure")
    values = list(ways.values())
    drawn = figure.drawing(values, {values[0].study: "made up"})
    listed = len({figure._role(way.name) for way in values})
    assert len(re.findall("<circle", drawn)) == 2 * len(values) + listed
    assert "made up" in drawn


def test_a_better_way_is_drawn_higher_and_a_dearer_one_further_right() -> None:
    panel = importlib.import_module("ways_figure")._Panel(60, 40, (0, 3), (0.7, 0.75))
    assert panel.y(0.75) == 40 < panel.y(0.72) < panel.y(0.7)
    assert panel.x(1) == 60 < panel.x(10) < panel.x(1000)
    assert panel.x(100) - panel.x(10) == pytest.approx(panel.x(10) - panel.x(1))
