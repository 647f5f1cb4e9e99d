"""Every figure of Explore follows plotly's schema: an unknown attribute raises."""

import json
from typing import Any

import pytest
from plotly.graph_objects import Figure

from hinet_search.report.page import render
from hinet_search.results.study_record import StudyRecord
from tests.report.arms import Shape
from tests.report.conftest import Open
from tests.report.nine_arms import nine_arms
from tests.report.studies import hostile, small, study
from tests.report.test_report_explore import FIGURES, drawn, timed

pytestmark = pytest.mark.browser

STUDIES = {
    "nine arms": timed(nine_arms()),
    "no times": small(),
    "bins": timed(study(Shape(arms=("ple", "hinet"), trials=3_000))),
    "log loss": timed(study(Shape(arms=("ple", "hinet"), objective="logloss"))),
    "hostile": hostile(),
}

# plotly's own copies of traces and layout, to which drawing adds no unknown attribute.
SPECIFICATION = "name => { const box = document.getElementById(name); return JSON.stringify({data: box.data, layout: box.layout}) }"


@pytest.mark.parametrize("record", STUDIES.values(), ids=STUDIES.keys())
@pytest.mark.parametrize("arm", ["focus", "All arms"])
def test_every_figure_is_of_plotlys_schema(open_page: Open, record: StudyRecord, arm: str) -> None:
    page = drawn(open_page(render(record, explore=True)).page)
    if arm != "focus":
        page.select_option("#explore-arm", label=arm)
    for setting in page.locator("#explore-setting option").evaluate_all(
        "options => options.map(one => one.value)"
    ):
        page.select_option("#explore-setting", setting)
        for name in FIGURES:
            specification: dict[str, Any] = json.loads(
                page.evaluate(SPECIFICATION, f"explore-{name}")
            )
            assert len(Figure(specification).data) == len(specification["data"])


def test_an_attribute_that_plotly_does_not_know_would_be_found() -> None:
    with pytest.raises(ValueError, match="colour"):
        Figure({"data": [{"type": "scatter", "marker": {"colour": "red"}}], "layout": {}})
