"""Fixture: browser pages, as in the report's tests."""

from tests.report.conftest import open_page

__all__ = ["open_page"]
