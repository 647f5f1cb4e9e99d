"""Write a picture of every card of a report, for the gallery of the documentation's site.

`python docs/cards.py reports/quickstart.html` writes to `reports/quickstart-cards`. It needs
playwright and Debian's chromium (`make dev`).
"""

import sys
from pathlib import Path

from pictures import CHROMIUM, QUIET, SCREEN
from playwright.sync_api import sync_playwright


def write(report: Path) -> None:
    """One picture for each card, named after its place on the page and its id (`03-cells.png`)."""
    folder = report.with_name(f"{report.stem}-cards")
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        seen = browser.new_page(viewport=SCREEN)
        seen.goto(report.resolve().as_uri())
        for place, card in enumerate(seen.locator("section[id]").all()):
            if card.is_visible():
                card.screenshot(path=folder / f"{place:02}-{card.get_attribute('id')}.png")
        browser.close()
    print(f"wrote {folder}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
