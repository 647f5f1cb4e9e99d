"""Draw the regret of searching on a sample, over its share of the users.

`python docs/results/sample_figure.py docs/results/sample.md docs/pictures/sample_regret.svg` reads
the rows of the table that `benchmarks/sample_regret.py` wrote into the page. A regret below 0,
where the choice of a sample was better, is drawn as 0.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from line_chart import Axis, line_chart

TITLE = "AUC on test lost by choosing on a sample, over its share of the users"
MOST_SHARE, MOST_REGRET = 0.2, 0.004


def points(page: str) -> Iterator[tuple[str, float, float]]:
    """Yield study, share and regret of every row of a sample."""
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 8 and cells[1].endswith("%"):
            yield cells[0], float(cells[1].rstrip(" %")) / 100, float(cells[5].replace("−", "-"))


def drawing(page: str) -> str:
    """The curves as SVG."""
    lines = defaultdict(list)
    for study, share, regret in points(page):
        lines[study].append((share, max(0.0, regret)))
    shares = {share: f"{share:.0%}" for share in (0.02, 0.05, 0.1, 0.2)}
    regrets = {thousandths / 1000: f".{thousandths:03}" for thousandths in range(5)}
    x_axis = Axis("users of the sample", MOST_SHARE, shares)
    return line_chart(TITLE, x_axis, Axis("regret", MOST_REGRET, regrets), lines)


if __name__ == "__main__":
    source, figure = map(Path, sys.argv[1:])
    figure.write_text(drawing(source.read_text(encoding="utf-8")), encoding="utf-8")
