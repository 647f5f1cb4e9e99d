"""Figures of a record: a lazy mapping to plotly figures, each of which follows plotly's schema."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from hinet_search.common.plugins import load, names
from hinet_search.report import page
from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import plots
from hinet_search.report.drawing.plots import Cloud, PlotPoint
from hinet_search.report.figures.size_trade_off import front_of
from hinet_search.results.figures import FIGURES, UnknownFigure
from hinet_search.results.records import EvaluationRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from tests.report.arms import Shape
from tests.report.nine_arms import nine_arms
from tests.report.studies import INJECTION, empty, hostile, small, study
from tests.report.test_report_explore import timed
from tests.report.traded import traded

RECORDS = {
    "nine arms": timed(nine_arms()),
    "one seed": small(),
    "bins": timed(study(Shape(arms=("ple", "hinet"), trials=1_600))),
    "log loss": timed(study(Shape(arms=("ple", "hinet"), objective="logloss"))),
    "several objectives": traded(("latency_ms", "flops_per_row")),
    "hostile": hostile(),
    "empty": empty(),
}
SEVERAL = ("pareto_front",)  # needs several objectives


def figure_or_reason(record: StudyRecord, name: str) -> Any:
    try:
        return record.figures[name]
    except NotApplicable as reason:
        return reason


def trace(figure: Any, name: str) -> Any:
    (found,) = [trace for trace in figure.data if trace.name == name]
    return found


@pytest.fixture(scope="module")
def record() -> StudyRecord:
    return RECORDS["nine arms"]


@pytest.mark.parametrize("study_record", RECORDS.values(), ids=RECORDS.keys())
def test_every_figure_is_of_plotlys_schema_or_says_what_it_needs(study_record: StudyRecord) -> None:
    for name in study_record.figures:
        figure = figure_or_reason(study_record, name)
        if isinstance(figure, NotApplicable):
            assert str(figure).startswith("needs ")
        else:
            assert isinstance(figure, go.Figure)  # which validates every attribute
            assert len(figure.layout.meta["caption"]) > 20
            json.dumps(figure.to_plotly_json(), allow_nan=False)


def test_an_attribute_that_plotly_does_not_know_would_be_found() -> None:
    with pytest.raises(ValueError, match="colour"):
        plots.figure([{"type": "scatter", "marker": {"colour": "red"}}], "", {}, {})


def test_a_study_with_trials_and_finalists_has_every_figure_of_one_objective(
    record: StudyRecord,
) -> None:
    applicable = {name for name in record.figures if name not in SEVERAL}
    assert {name for name in applicable if record.figures[name].data} == applicable
    assert RECORDS["several objectives"].figures["pareto_front"].data


def test_the_mapping_lists_names_without_drawing_and_refuses_others(record: StudyRecord) -> None:
    figures = record.figures
    assert (set(figures), len(figures)) == (set(names(FIGURES)), len(names(FIGURES)))
    assert "pareto_front" in figures
    assert repr(figures).startswith(f"<figures of {record.name}: budget_curves, gains, ")
    with pytest.raises(UnknownFigure, match="did you mean 'slice'") as error:
        figures["slise"]
    assert "must be one of budget_curves, " in str(error.value)
    assert figures.get("slise") is None


def test_every_figure_is_on_the_page_of_python() -> None:
    text = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text.split("## Figures")[1], re.MULTILINE)) == set(
        names(FIGURES)
    )


def test_every_figure_has_a_title_of_its_own() -> None:
    titles = [load(FIGURES, name).TITLE for name in names(FIGURES)]
    assert len(set(titles)) == len(titles)


def test_hostile_names_hold_no_tag_that_plotly_would_read() -> None:
    figures = [figure_or_reason(hostile(), name) for name in hostile().figures]
    for figure in figures:
        if isinstance(figure, NotApplicable):
            continue
        text = json.dumps(figure.to_plotly_json()["data"])
        assert INJECTION[:9] not in text
        assert "<img" not in text


def test_the_history_has_every_complete_trial_and_the_best_so_far(record: StudyRecord) -> None:
    figure = record.figures["optimization_history"]
    (arm,) = [arm for arm in record.arms if arm.name == "hinet"]
    complete = [trial for trial in arm.trials if trial.state == "complete"]
    points = trace(figure, "HiNet")
    assert list(points.x) == [trial.number for trial in complete]
    assert list(points.y) == [plots.rounded(trial.value or 0) for trial in complete]
    line = trace(figure, "HiNet, best so far")
    assert line.y[-1] == max(points.y)
    assert list(line.y) == sorted(line.y)
    assert trace(figure, "PLE").marker.color != points.marker.color


def test_the_first_view_leaves_the_worst_tenth_out() -> None:
    cloud = Cloud({"a": [PlotPoint(at, float(at), at) for at in range(100)]}, maximize=True)
    low, high = cloud.value_range
    assert 9 > low > 3
    assert high > 99
    turned = replace(cloud, maximize=False).value_range
    assert turned[0] < 0
    assert 90 < turned[1] < 96


def test_more_than_two_thousand_trials_are_counted_in_bins() -> None:
    binned = RECORDS["bins"]
    complete = sum(trial.state == "complete" for arm in binned.arms for trial in arm.trials)
    for name in ("optimization_history", "size_trade_off"):
        bins, *others = binned.figures[name].data
        assert bins.type == "heatmap"
        counted = np.nansum(bins.z)
        assert 0.89 * complete <= counted <= complete
        points = [other for other in others if other.mode == "markers"]
        assert {other.visible for other in points} == {"legendonly"}
        assert sum(len(other.x) for other in points) <= plots.MOST_POINTS


def test_the_slice_of_many_trials_draws_an_even_part_with_the_best_of_each_arm() -> None:
    binned = RECORDS["bins"]
    figure = binned.figures["slice"]
    assert sum(len(points.x) for points in figure.data) <= plots.MOST_POINTS
    assert "1,041 of 2,082 complete trials by " in figure.layout.meta["caption"]
    for arm, points in zip(binned.arms, figure.data, strict=True):
        complete = [trial for trial in arm.trials if trial.state == "complete"]
        best = max(complete, key=lambda trial: trial.value or 0)
        assert str(best.number) in points.text


def test_a_thinned_arm_keeps_its_best_trial() -> None:
    points = [PlotPoint(at, 0.9 if at == 7 else 0.5, at) for at in range(5_000)]
    shown = Cloud({"a": points}, maximize=True).thinned("a")
    assert points[7] in shown
    assert len(shown) <= plots.MOST_POINTS


def test_a_button_of_the_slice_moves_every_point(record: StudyRecord) -> None:
    figure = record.figures["slice"]
    sizes = [len(points.y) for points in figure.data]
    for button in figure.layout.updatemenus[0].buttons:
        values, layout = button.args
        assert [len(x) for x in values["x"]] == sizes
        assert layout["xaxis"]["title"]["text"] == button.label


def test_the_slice_leaves_trials_without_the_setting_out(record: StudyRecord) -> None:
    figure = record.figures["slice"]
    (button,) = [
        button
        for button in figure.layout.updatemenus[0].buttons
        if button.label == "model.san.top_k"
    ]
    by_arm = dict(zip([points.name for points in figure.data], button.args[0]["x"], strict=True))
    assert set(by_arm["PLE"]) == {None}
    (arm,) = [arm for arm in record.arms if arm.name == "hinet"]
    drawn = [trial.parameters.get("model.san.top_k") for trial in arm.trials]
    assert set(by_arm["HiNet"]) <= set(drawn)
    assert any(by_arm["HiNet"])


def test_the_front_holds_the_points_that_no_smaller_one_reaches() -> None:
    places = [(3, 0.7), (1, 0.5), (2, 0.5), (2, 0.6), (4, 0.65), (3, 0.71)]
    points = [PlotPoint(x, y, 0) for x, y in places]
    front = [(point.x, point.y) for point in front_of(points, maximize=True)]
    assert front == [(1, 0.5), (2, 0.6), (3, 0.71)]
    turned = front_of([PlotPoint(x, -y, 0) for x, y in places], maximize=False)
    assert [(point.x, -point.y) for point in turned] == front


def test_the_timeline_counts_every_trial_that_ended(record: StudyRecord) -> None:
    counts = {bars.name: sum(bars.y) for bars in record.figures["timeline"].data}
    ended = [
        trial.state if trial.counts else "outside" for arm in record.arms for trial in arm.trials
    ]
    assert counts == {state: ended.count(state) for state in counts}
    assert sum(counts.values()) == len(ended)


def test_importances_are_of_the_focus_until_the_legend_is_clicked(record: StudyRecord) -> None:
    first, *others = record.figures["param_importances"].data
    (arm,) = [arm for arm in record.arms if arm.name == "hinet"]
    assert first.name == "HiNet"
    assert first.y[-1] == max(arm.importances, key=lambda name: arm.importances[name])
    assert {other.visible for other in others} == {"legendonly"}


def test_gains_are_those_of_the_verdict_with_their_intervals(record: StudyRecord) -> None:
    (dots,) = record.figures["gains"].data
    differences = {
        contrast.arm: contrast.difference
        for contrast in verdict(record).contrasts
        if contrast.difference is not None
    }
    assert len(dots.x) == len(differences)
    assert list(dots.x) == sorted(dots.x, reverse=True)
    best = max(differences.values(), key=lambda difference: difference.mean)
    assert dots.error_x.array[0] == pytest.approx((best.high or 0) - best.mean)


def test_budget_curves_end_when_their_arm_ended(record: StudyRecord) -> None:
    for line in record.figures["budget_curves"].data:
        assert line.line.shape == "hv"
        assert line.x[-1] == max(line.x)
        assert line.y[-1] == line.y[-2]


def test_parallel_coordinates_begin_with_the_objective_and_number_texts(
    record: StudyRecord,
) -> None:
    (lines,) = record.figures["parallel_coordinate"].data
    assert lines.dimensions[0].label == "mean AUC"
    texts = {each.label: each.ticktext for each in lines.dimensions if each.ticktext is not None}
    assert texts["model.san.enabled"] == ("false", "true")


def test_intermediate_values_draw_an_even_part_of_many_trials() -> None:
    point = EvaluationRecord(1, 1.0, 0.7, 0.1, 1.0, ())
    trials = tuple(
        TrialRecord(number, "complete", 0.7, {}, False, "", (point,), None) for number in range(500)
    )
    many = replace(small(), arms=(replace(small().arms[0], trials=trials),))
    figure = many.figures["intermediate_values"]
    assert len(figure.data) == 100
    assert "100 of 500 trials" in figure.layout.meta["caption"]
    assert [line.showlegend for line in figure.data].count(True) == 1


def test_the_colours_of_figures_are_the_light_ones_of_the_page() -> None:
    style = (Path(page.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"(--[a-z]+):(#[0-9a-f]+)", style.splitlines()[0]))
    light["--bg"] = "#ffffff" if light["--bg"] == "#fff" else light["--bg"]
    assert {name: light[name] for name in plots.STYLE_NAMES.values()} == {
        name: color for color, name in plots.STYLE_NAMES.items()
    }
