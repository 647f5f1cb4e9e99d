"""Inputs: what a user, a tool or an attacker may write: valid texts with a few changes."""

import re
from collections.abc import Sequence

from hypothesis import strategies as st

WORDS = """
~ null no true 0 1 2 -1 -0.0 1e400 1e-400 .inf -.inf .nan 1e160 1_000 0o17 1:30 2147483648
9223372036854775807 9223372036854775808 -9223372036854775809 18446744073709551616 1e308 0.1 1.5 3
64 100000000 2026-01-01 2026-13-45 0000-00-00 "" '' "\\ud800" "\\e[31mred\\e[0m" "\\0" "\\u202e"
"a\\nb" > ' " * *a &a !x [] {} [[]] << % @a `a` é 推送 🙂 ../../etc/passwd /dev/full /dev/zero
/dev/null . .. / a**b[ [ *.csv ** ~/x nul\\x hinet mmoe trees ray local tpe gp median cuda
random user time column gauc logloss sqlite:////tmp sqlite:// :memory: s3://a/b train test
postgresql://a:b@127.0.0.1:1/x
"""
VALUES = (
    *WORDS.split(),
    *("", "0x" + "f" * 5000, "9" * 5000, "|\n  a\n  b", "&a b", "&a [*a]", "!x y", "!!set {a}"),
    *("!!python/object/apply:os.system [id]", "!!binary aGk=", "!!float 1", "{a: 1}", "[1, 2, 3]"),
    *("[" * 60, "[" * 20000, "[" * 40 + "]" * 40, "{a: " * 40 + "1" + "}" * 40, "a" * 5000),
    *("? a", "- a", "a b"),
)
LINES = (
    *("%YAML 1.1\n---", "%YAML 9.9\n---", "%TAG ! tag:x,2000:\n---", "%X\n---", "---", "--- !x"),
    *("\ufeff", "\x00", "\x1b[31m", "# \u2028", "#\n" * 4000, "x: &x [*x]", "x: &x {y: *x}"),
    *("'", "? a", "- a", "\t", "[", "...", "x: !!python/x 1", "<<: *a", "<<: {a: 1}", "<<: 3"),
    *("<<: [{a: 1}, {b: 2}]", "a: &a {<<: *a}", "? [a, b]\n: c", "? {a: b}\n: c", "null: 1"),
    *("true: 2", "1: 3", "1.5: x", ".nan: 1", "2026-01-01: x", "'': x", "---\na: b", "\tx: y"),
    *("x:\ty", "\x07: \x1b", "\x85", "seed: 9223372036854775808", "name: a\x1b[31mb"),
    *("trials: 0x" + "f" * 5000, "storage: postgresql://a:secret@127.0.0.1:1/x", "executor: ray"),
    *("executor: {kind: ray, address: 10.0.0.1:10001}", "sizes: {a: {trials: 1}, b: }"),
    *("sizes: {..: {}}", "fixed: {model.protocol: x}", "fixed: {train.batch_size: 1e9}"),
    *("cost_limit: 1e-300", "silence_minutes: 1e308"),
    *("slots: 1000000000", "epochs: 1e300", "trials: 1000000000000", "objective: auc(home, click)"),
    *("reference: '\x1b[2J'", "description: '\x1b]0;x\x07'"),
)
CHARACTERS = (
    "\x00\x01\x07\x08\t\n\r\x0b\x1b\x7f\x85\xa0\u200b\u202e\u2028\ufeff\ud800\uffff\U0001f600"
    ":,-?[]{}#&*!|>'\"%@`\\/ a0é"
)
VALUE = re.compile(r"(?<=: )[^,{}\[\]\n#]+")  # of a key
TOKEN = re.compile(r"[^\s:,\[\]{}#]+")
PLAIN = [value for value in VALUES if re.fullmatch(r"[\w.+-]{1,20}|\[[^\[]*\]", value)]


def values() -> st.SearchStrategy[str]:
    """A value as it is written."""
    numbers = st.integers().map(str) | st.floats().map(str)
    return st.sampled_from(VALUES) | numbers | st.text(CHARACTERS, max_size=20)


@st.composite
def edited_texts(draw: st.DrawFn, bases: Sequence[str]) -> str:
    """A valid text with one to three edits, most often one after which it is still YAML."""
    text = draw(st.sampled_from(bases))
    edits = ("value", "value", "plain", "plain", "plain", "token", "line", "characters", "drop")
    for edit in draw(st.lists(st.sampled_from(edits), min_size=1, max_size=3)):
        lines = text.split("\n")
        at = draw(st.integers(0, len(lines) - 1))
        pattern = TOKEN if edit == "token" else VALUE
        if edit == "line":
            lines.insert(at, draw(st.sampled_from(LINES)))
        elif edit == "drop":
            del lines[at]
        elif edit == "characters":
            lines[at] += draw(st.text(CHARACTERS, min_size=1, max_size=3))
        elif places := list(pattern.finditer(lines[at])):
            place = draw(st.sampled_from(places))
            value = draw(st.sampled_from(PLAIN) if edit == "plain" else values())
            lines[at] = lines[at][: place.start()] + value + lines[at][place.end() :]
        text = "\n".join(lines)
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
