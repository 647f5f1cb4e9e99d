"""HTML: the page."""

from collections.abc import Mapping

from hinet_search.report.page import render
from hinet_search.results.study_record import StudyRecord


def files(record: StudyRecord) -> Mapping[str, str]:
    """Return one page."""
    return {".html": render(record)}
