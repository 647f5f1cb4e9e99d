"""Write pictures of a report's first screen, light and dark.

`python docs/pictures.py reports/kuairand.html` writes to docs/pictures, or to the folder named
after the page. It needs playwright and Debian's chromium (`make dev`).
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SCREEN = {"width": 1280, "height": 900}
NAMES = {"light": "report.png", "dark": "report-dark.png"}
MOST_BYTES = 150_000
SHADES = (64, 32, 16)  # of each colour: fewer make a smaller picture
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
)  # containers run as root

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
    """One picture for each way that a reader may prefer."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for scheme, name in NAMES.items():
            seen = browser.new_page(viewport=SCREEN, color_scheme=scheme)
            seen.goto(page.resolve().as_uri())
            (folder / name).write_bytes(picture(seen))
            print(f"wrote {folder / name}")
        browser.close()


def picture(seen: Page) -> bytes:
    """The screen with as many shades as a small picture has room for."""
    for count in SHADES:
        seen.evaluate(FEWER_SHADES, count)
        image = seen.screenshot()
        if len(image) < MOST_BYTES:
            break
    return image


if __name__ == "__main__":
    report, *elsewhere = sys.argv[1:]
    write(Path(report), Path(elsewhere[0]) if elsewhere else Path(__file__).with_name("pictures"))
