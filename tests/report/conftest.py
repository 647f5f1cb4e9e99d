"""Fixture: a fresh browser page for each of the report's tests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser, Page


@dataclass
class OpenPage:
    """A page opened from a file, with its requests and its console errors."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


class Open(Protocol):
    """Write HTML to a file and open it."""

    def __call__(self, html: str, *, width: int = 1280, dark: bool = False) -> OpenPage: ...


@pytest.fixture
def open_page(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open pages by `open_page(html, width=390, dark=True)`; they are closed after the test."""
    pages: list[Page] = []

    def open_page(html: str, *, width: int = 1280, dark: bool = False) -> OpenPage:
        path = tmp_path / f"report{len(pages)}.html"
        path.write_text(html, encoding="utf-8")
        page = chromium.new_page(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        pages.append(page)
        opened = OpenPage(page)
        page.on("request", lambda request: opened.requests.append(request.url))
        page.on("console", lambda message: opened.complaints.append(message.text))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.goto(path.as_uri())
        return opened

    yield open_page
    for page in pages:
        page.close()
