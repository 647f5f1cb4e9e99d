"""Inputs: what a user, a tool or an attacker may write, as Hypothesis strategies: valid texts with a few changes."""

import re
from collections.abc import Sequence

from hypothesis import strategies as st

TOKEN = re.compile(r"[^\s:,\[\]{}#]+")
VALUES = (
    "",
    "~",
    "null",
    "no",
    "true",
    "0",
    "1",
    "2",
    "-1",
    "-0.0",
    "1e400",
    "1e-400",
    ".inf",
    "-.inf",
    ".nan",
    "1e160",
    "1_000",
    "0o17",
    "1:30",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1e308",
    "0x" + "f" * 5000,
    "9" * 5000,
    "0.1",
    "1.5",
    "3",
    "64",
    "100000000",
    "2026-01-01",
    "2026-13-45",
    "0000-00-00",
    '""',
    "''",
    '"\\ud800"',
    '"\\e[31mred\\e[0m"',
    '"\\0"',
    '"\\u202e"',
    '"a\\nb"',
    "|\n  a\n  b",
    ">",
    "'",
    '"',
    "*",
    "*a",
    "&a",
    "&a b",
    "&a [*a]",
    "!x y",
    "!!python/object/apply:os.system [id]",
    "!!binary aGk=",
    "!!set {a}",
    "!!float 1",
    "[]",
    "{}",
    "[[]]",
    "{a: 1}",
    "[1, 2, 3]",
    "[" * 60,
    "[" * 20000,
    "[" * 40 + "]" * 40,
    "{a: " * 40 + "1" + "}" * 40,
    "? a",
    "<<",
    "- a",
    "%",
    "@a",
    "`a`",
    "a" * 5000,
    "é",
    "推送",
    "\U0001f600",
    "a b",
    "../../etc/passwd",
    "/dev/full",
    "/dev/zero",
    "/dev/null",
    ".",
    "..",
    "/",
    "a**b[",
    "[",
    "*.csv",
    "**",
    "~/x",
    "nul\\x",
    "hinet",
    "mmoe",
    "trees",
    "ray",
    "local",
    "tpe",
    "gp",
    "asha",
    "hyperband",
    "cuda",
    "random",
    "user",
    "time",
    "column",
    "gauc",
    "logloss",
    "postgresql://a:b@127.0.0.1:1/x",
    "sqlite:////tmp",
    "sqlite://",
    ":memory:",
    "s3://a/b",
    "train",
    "test",
)
HEADS = (
    "%YAML 1.1\n---\n",
    "%YAML 1.2\n---\n",
    "%YAML 9.9\n---\n",
    "%TAG ! tag:x,2000:\n---\n",
    "%X\n---\n",
    "---\n",
    "--- !x\n",
    "\ufeff",
    "\x00",
    "\x1b[31m",
    "# \u2028\n",
    "#\n" * 4000,
    "a: &a {<<: *a}\n",
    "x: &x [*x]\n",
    "x: &x {y: *x}\n",
    "'\n",
    "? a\n",
    "- a\n",
    "\t",
    "[\n",
    "...\n",
    "x: !!python/x 1\n",
)
LINES = (
    "<<: *a",
    "<<: {a: 1}",
    "<<: [{a: 1}, {b: 2}]",
    "<<: 3",
    "a: &a {<<: *a}",
    "a: &a\n  b: *a",
    "? [a, b]\n: c",
    "? {a: b}\n: c",
    "null: 1",
    "true: 2",
    "1: 3",
    "1.5: x",
    ".nan: 1",
    "2026-01-01: x",
    "'': x",
    "---",
    "...",
    "---\na: b",
    "%YAML 1.1",
    "\tx: y",
    "x:\ty",
    "\x00",
    "\x07: \x1b",
    "\x85",
    "\u2028",
    "- a",
    "seed: 9223372036854775808",
    "name: a\x1b[31mb",
    "trials: 0x" + "f" * 5000,
    "storage: postgresql://a:secret@127.0.0.1:1/x",
    "executor: ray",
    "executor: {kind: ray, address: 10.0.0.1:10001}",
    "sizes: {a: {trials: 1}, b: }",
    "sizes: {..: {}}",
    "fixed: {model.protocol: x}",
    "fixed: {train.batch_size: 1e9}",
    "cost_limit: 1e-300",
    "wall_clock_minutes: 1e300",
    "silence_minutes: 1e308",
    "slots: 1000000000",
    "passes: 1e300",
    "trials: 1000000000000",
    "objective: auc(home, click)",
    "reference: '\x1b[2J'",
    "description: '\x1b]0;x\x07'",
)
CHARACTERS = "\x00\x01\x07\x08\t\n\r\x0b\x1b\x7f\x85\xa0\u200b\u202e\u2028\ufeff\ud800\uffff\U0001f600:,-?[]{}#&*!|>'\"%@`\\/ a0é"

Edit = tuple[str, int, str]
_PLACE = st.integers(0, 4000)
_VALUE = (
    st.sampled_from(VALUES) | st.text(max_size=8) | st.integers().map(str) | st.floats().map(str)
)
_SOUND = st.sampled_from(
    [
        value
        for value in VALUES
        if re.fullmatch(r"[\w.+-]{1,20}|\[[^\[]*\]|\{\w: 1\}|\"[^\"]*\"", value)
    ]
)
_EDITS = st.one_of(
    st.tuples(st.just("value"), _PLACE, _SOUND),  # most often, for it is still YAML
    st.tuples(st.just("value"), _PLACE, _SOUND),
    st.tuples(
        st.just("value"),
        _PLACE,
        _SOUND | st.integers().map(str) | st.floats(allow_nan=False).map(str),
    ),
    st.tuples(st.just("token"), _PLACE, _VALUE),
    st.tuples(st.just("value"), _PLACE, _VALUE),
    st.tuples(st.just("line"), _PLACE, st.sampled_from(LINES)),
    st.tuples(st.just("head"), st.just(0), st.sampled_from(HEADS)),
    st.tuples(st.just("insert"), _PLACE, st.text(CHARACTERS, min_size=1, max_size=3)),
    st.tuples(
        st.sampled_from(
            ["drop line", "double line", "drop character", "drop token", "indent line"]
        ),
        _PLACE,
        st.just(""),
    ),
)


def edited_texts(bases: Sequence[str], most: int = 3) -> st.SearchStrategy[str]:
    """A valid text with a few edits, fewest first."""
    return st.builds(
        edited, st.sampled_from(list(bases)), st.lists(_EDITS, min_size=1, max_size=most)
    )


def values() -> st.SearchStrategy[str]:
    """A value as it is written."""
    return _VALUE | st.text(CHARACTERS, max_size=20)


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text after the edits; a place is counted around its end."""
    for edit in edits:
        text = _EDITORS[edit[0]](text, edit[1], edit[2])
    return text


def as_bytes(text: str) -> bytes:
    """The text as a file holds it; half characters are bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def edited_bytes(base: bytes, edits: Sequence[tuple[int, bytes]]) -> bytes:
    """The bytes with others written over them, or cut off there where nothing is written."""
    content = bytearray(base)
    for place, written in edits:
        at = place % max(len(content), 1)
        if written:
            content[at : at + len(written)] = written
        else:
            del content[at:]
    return bytes(content)


def byte_edits(length: int, most: int = 4) -> st.SearchStrategy[list[tuple[int, bytes]]]:
    """Edits of a file of that length."""
    edit = st.tuples(st.integers(0, max(length - 1, 0)), st.binary(max_size=4))
    return st.lists(edit, min_size=1, max_size=most)


def _over(text: str, place: int, value: str, pattern: re.Pattern[str]) -> str:
    matches = list(pattern.finditer(text))
    if not matches:
        return text + value
    match = matches[place % len(matches)]
    return text[: match.start()] + value + text[match.end() :]


def _lines(text: str, place: int, change: str) -> str:
    lines = text.split("\n")
    at = place % len(lines)
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    new = {
        "drop line": [],
        "double line": [lines[at], lines[at]],
        "indent line": [f" {lines[at]}"],
    }.get(change, [lines[at], *(indent + new_line for new_line in change.split("\n"))])
    return "\n".join([*lines[:at], *new, *lines[at + 1 :]])


_EDITORS = {
    "token": lambda text, place, value: _over(text, place, value, TOKEN),
    "value": lambda text, place, value: _over(
        text, place, value, re.compile(r"(?<=: )[^,{}\[\]\n#]+")
    ),
    "drop token": lambda text, place, _: _over(text, place, "", TOKEN),
    "line": _lines,
    "drop line": lambda text, place, _: _lines(text, place, "drop line"),
    "double line": lambda text, place, _: _lines(text, place, "double line"),
    "indent line": lambda text, place, _: _lines(text, place, "indent line"),
    "head": lambda text, _, value: value + text,
    "insert": lambda text, place, value: (
        text[: place % (len(text) + 1)] + value + text[place % (len(text) + 1) :]
    ),
    "drop character": lambda text, place, _: (
        text[: place % (len(text) + 1)] + text[place % (len(text) + 1) + 1 :]
    ),
}
