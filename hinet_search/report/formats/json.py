"""JSON: the same document as inside the page, described in docs/report_data.md."""

from collections.abc import Mapping

from hinet_search.report.json_document import json_text
from hinet_search.results.study_record import StudyRecord


def files(record: StudyRecord) -> Mapping[str, str]:
    """Return one document on one line."""
    return {".json": json_text(record) + "\n"}
