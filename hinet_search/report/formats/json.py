"""The document that is inside the page too; docs/report_data.md describes it."""

from collections.abc import Mapping

from hinet_search.records import StudyRecord
from hinet_search.report.embedded import json_text


def files(record: StudyRecord) -> Mapping[str, str]:
    """One document on one line."""
    return {".json": json_text(record) + "\n"}
