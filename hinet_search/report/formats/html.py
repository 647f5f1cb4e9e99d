"""The page, with its Explore card."""

from collections.abc import Mapping

from hinet_search.records import StudyRecord
from hinet_search.report.page import render


def files(record: StudyRecord) -> Mapping[str, str]:
    """One page."""
    return {".html": render(record, explore=True)}
