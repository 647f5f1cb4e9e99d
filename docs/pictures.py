"""Write pictures of a report: its first screen, light and dark, or each of its cards.

`python docs/pictures.py reports/kuairand.html` writes to docs/pictures, or to the folder named
after the page. `python docs/pictures.py example` writes reports/example.html, the report of the
study that is stored with the tests, and its cards to reports/example-cards, for the site of the
documentation. Both need playwright and Debian's chromium (`make dev`).
"""

import lzma
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

import hinet_search as hs
from hinet_search.report.formats import write_report

ROOT = Path(__file__).parents[1]
STORED = ROOT / "tests" / "stored_1_0" / "studies.sqlite3.xz"

SCREEN = {"width": 1280, "height": 900}
NAMES = {"light": "report.png", "dark": "report-dark.png"}
MOST_BYTES = 150_000
SHADES = (64, 32, 16)  # of each colour: fewer make a smaller picture
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
# Containers run as root.
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")

FEWER_SHADES = """
count => {
  const shade = (_, k) => (k == count - 1 ? 1 : (k + 0.5) / count);
  const shades = Array.from({length: count}, shade).join(" ");
  const channels = ["R", "G", "B"]
    .map(channel => `<feFunc${channel} type="discrete" tableValues="${shades}"/>`)
    .join("");
  document.getElementById("fewer")?.remove();
  document.body.insertAdjacentHTML("beforeend", `
    <svg id="fewer" width="0" height="0" style="position:absolute">
    <filter id="shades" color-interpolation-filters="sRGB">
    <feComponentTransfer>${channels}</feComponentTransfer></filter></svg>`);
  document.documentElement.style.filter = "url(#shades)";
}
"""


def write(page: Path, folder: Path) -> None:
    """Write one picture for each way that a reader may prefer."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for scheme, name in NAMES.items():
            seen = browser.new_page(viewport=SCREEN, color_scheme=scheme)
            seen.goto(page.resolve().as_uri())
            (folder / name).write_bytes(picture(seen))
            print(f"wrote {folder / name}")
        browser.close()


def picture(seen: Page) -> bytes:
    """Return the screen with as many shades as a small picture has room for."""
    for count in SHADES:
        seen.evaluate(FEWER_SHADES, count)
        image = seen.screenshot()
        if len(image) < MOST_BYTES:
            break
    return image


def write_example(folder: Path) -> None:
    """Write the report, and each card as a picture named by place and id (`03-cells.png`)."""
    page, cards = folder / "example.html", folder / "example-cards"
    with TemporaryDirectory() as unpacked:
        database = Path(unpacked) / "studies.sqlite3"
        database.write_bytes(lzma.decompress(STORED.read_bytes()))
        write_report(hs.load("shop", storage=str(database), trial_cells=True), page, "html")
    cards.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        seen = browser.new_page(viewport=SCREEN)
        seen.goto(page.resolve().as_uri())
        for place, card in enumerate(seen.locator("section[id]").all()):
            if card.is_visible():
                card.screenshot(path=cards / f"{place:02}-{card.get_attribute('id')}.png")
        browser.close()
    print(f"wrote {page} and {cards}")


if __name__ == "__main__":
    report, *elsewhere = sys.argv[1:]
    if report == "example":
        write_example(Path(*elsewhere) if elsewhere else ROOT / "reports")
    else:
        write(Path(report), Path(*elsewhere) if elsewhere else ROOT / "docs" / "pictures")
