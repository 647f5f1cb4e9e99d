"""Excerpt: the line of a file that a problem is about, with carets under the word in question."""

import re
from pathlib import Path

PLACE = re.compile(r"(?P<file>[^\s:][^:\n]*\.ya?ml):(?P<line>\d+):(?P<column>\d+): ")
WORD = re.compile(r"""'(?:[^']|'')*'|"(?:\\.|[^"\\])*"|[^\s:,\[\]{}]+|.""")
SECRET = re.compile(r"(?<=:)[^\s/@]+(?=@)|(?<=password=)[^\s&\"']+")  # in a URL: ann:SECRET@host, ?password=SECRET
WIDTH = 100


def excerpt(problem: str) -> tuple[str, str] | None:
    """The line and its carets, `  7 |   epohcs: 10` and `    |   ^^^^^^`; None where a problem names no line that is there.

    A place is what a problem begins with: `studies/a.yaml:7:3: `. Passwords are not shown.
    """
    place = PLACE.match(problem)
    if place is None:
        return None
    number, column = int(place["line"]), int(place["column"])
    try:
        line = Path(place["file"]).read_text(encoding="utf-8-sig").splitlines()[number - 1]
    except (OSError, UnicodeDecodeError, IndexError):
        return None
    column = len(SECRET.sub("***", line[: column - 1])) + 1
    line = SECRET.sub("***", line)
    word = WORD.match(line, column - 1)
    start = max(0, column - 1 - WIDTH // 2)  # of a long line the part around the word
    shown = line[start : start + WIDTH].replace("\t", " ")
    carets = " " * (column - 1 - start) + "^" * (len(word[0]) if word else 1)
    return f"  {number} | {shown}".rstrip(), f"  {' ' * len(str(number))} | {carets[:WIDTH]}"
