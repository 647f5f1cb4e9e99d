"""Text format: parse protobuf text, without its message types, to plain values and their places.

A field is a key of a mapping. A field that is repeated, or has a list, has a list. As `yaml_text`
does, the parser limits depth and number of values, and its time is linear in the length.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

from hinet_search.common.errors import ConfigurationError, shortened
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_text import (
    LARGEST,
    MAX_DEPTH,
    MAX_NODES,
    SMALLEST,
    TOO_MUCH,
    Entries,
    Items,
    Mark,
    Node,
    Scalar,
    Where,
    plain_values,
)

TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F]{1,16}|(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})
        (?:[eE][-+]?[0-9]{1,4})?[fF]?)(?![\w.]))
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>[-{}<>\[\]:;,])""",
    re.VERBOSE | re.ASCII,
)
ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))"
)
LETTERS = {**dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)), **dict.fromkeys("\\'\"?")}
CLOSING = {"{": "}", "<": ">"}
END = "the end of the file"


@dataclass(frozen=True)
class Token:
    """A piece of the text: its kind, a group of TOKEN, or `end`."""

    kind: str
    text: str
    mark: Mark


def parsed_text_format(text: str, where: Where) -> tuple[Any, dict[Location, Mark]]:
    """Parse a text; return its fields as a mapping, and the mark of every one.

    ConfigurationError if it is not in the text format, or holds too much.
    """
    parser = _Parser(text, where)
    return plain_values(parser.message(END, 0), where)


class _Parser:
    """Read messages from the tokens of a text, always one token ahead."""

    def __init__(self, text: str, where: Where) -> None:
        self._where = where
        self._tokens = self._scan(text)
        self._next = next(self._tokens)
        self._count = 0

    def message(self, closing: str, depth: int) -> Entries:
        """Read fields up to the sign that closes the message."""
        fields: dict[str, list[tuple[Mark, Node]]] = {}
        listed: set[str] = set()
        while self._next.text != closing:
            name = self._take("a field's name", "word")
            is_value = self._skip(":")
            values = self._values(name.mark, depth + 1, is_value=is_value)
            if values is None:
                listed.add(name.text)
            fields.setdefault(name.text, []).extend(values or self._list(depth + 1))
            if not self._skip(","):
                self._skip(";")
        self._advance()
        return Entries({name: _field(of, name in listed) for name, of in fields.items()})

    def _values(self, mark: Mark, depth: int, *, is_value: bool) -> list[tuple[Mark, Node]] | None:
        """Read the value of a field; None if a list begins."""
        if self._next.text == "[" and self._next.kind == "sign":
            return None
        return [(mark, self._value(mark, depth, is_value=is_value))]

    def _list(self, depth: int) -> list[tuple[Mark, Node]]:
        """Read a list of values."""
        self._advance()
        items: list[tuple[Mark, Node]] = []
        while not self._skip("]"):
            items.append((self._next.mark, self._value(self._next.mark, depth, is_value=True)))
            if self._next.text != "]" and not self._skip(","):
                raise self._refused("a comma or ']'")
        return items

    def _value(self, mark: Mark, depth: int, *, is_value: bool) -> Node:
        """Read a message, or, after a colon, a value."""
        self._count += 1
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            raise ConfigurationError(f"{self._where(mark)}: {TOO_MUCH}")
        if self._next.kind == "sign" and self._next.text in CLOSING:
            return self.message(CLOSING[self._advance().text], depth)
        if not is_value:
            raise self._refused("':' or '{'")
        if self._next.kind == "text":
            return Scalar(self._text())
        sign = "-" if self._skip("-") else ""
        if sign and self._next.text.startswith(("-", "+")):
            raise self._refused("a value after '-'")
        token = self._take("a value", "word", "number")
        signed = f"{sign}{token.text}"
        return Scalar(_word(signed) if token.kind == "word" else self._number(signed, token.mark))

    def _text(self) -> str:
        """Read a text; several in a row are one."""
        raw = bytearray()
        mark = self._next.mark
        while self._next.kind == "text":
            raw += _unescaped(self._advance().text[1:-1])
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                f"{self._where(mark)}: a text must be in UTF-8, got {shortened(repr(bytes(raw)))}"
            ) from error

    def _number(self, text: str, mark: Mark) -> int | float:
        try:
            return _number(text.lower())
        except ValueError as error:
            raise ConfigurationError(f"{self._where(mark)}: {error}, got {text}") from error

    def _scan(self, text: str) -> Iterator[Token]:
        """Yield the tokens of the text, then its end."""
        line = 1
        line_start = 0
        at = 0
        while at < len(text):
            match = TOKEN.match(text, at)
            mark = (line, at - line_start + 1)
            if match is None:
                got = shortened(repr(text[at : at + 20]))
                raise ConfigurationError(
                    f"{self._where(mark)}: must be protobuf text (names, numbers, texts in quotes, "
                    f"{{ }}), got {got}"
                )
            piece = match[0]
            if match.lastgroup != "skip":
                yield Token(str(match.lastgroup), piece, mark)
            elif "\n" in piece:
                line += piece.count("\n")
                line_start = at + piece.rindex("\n") + 1
            at = match.end()
        yield Token("end", END, (line, max(1, at - line_start)))

    def _advance(self) -> Token:
        token = self._next
        self._next = next(self._tokens, token)
        return token

    def _skip(self, sign: str) -> bool:
        """Whether a sign was next; it is read."""
        is_next = self._next.kind == "sign" and self._next.text == sign
        if is_next:
            self._advance()
        return is_next

    def _take(self, wanted: str, *kinds: str) -> Token:
        if self._next.kind not in kinds:
            raise self._refused(wanted)
        return self._advance()

    def _refused(self, wanted: str) -> ConfigurationError:
        got = self._next.text if self._next.kind == "end" else shortened(repr(self._next.text))
        return ConfigurationError(
            f"{self._where(self._next.mark)}: {wanted} must follow, got {got}"
        )


def _field(values: list[tuple[Mark, Node]], is_list: bool) -> tuple[Mark, Node]:  # noqa: FBT001
    if len(values) == 1 and not is_list:
        return values[0]
    mark = values[0][0] if values else (1, 1)
    return mark, Items(values)


def _word(text: str) -> bool | str:
    """Convert a word: true, false, or a name, such as that of an enumeration."""
    return text == "true" if text in ("true", "false") else text


def _number(text: str) -> int | float:
    """Convert a number in lower case; ValueError says what must hold."""
    digits = text.lstrip("+-")
    if not digits.isdigit() and not digits.startswith("0x"):
        number = float(text.rstrip("f"))
        if not isfinite(number):
            raise ValueError("numbers must be finite")
        return number
    is_octal = len(digits) > 1 and digits.startswith("0") and digits.isdigit()
    if is_octal and re.search("[89]", digits):
        raise ValueError("a number that begins with 0 is octal, with digits of 0 to 7")
    decimal_or_hexadecimal = 10 if digits.isdigit() else 16
    whole = int(text, 8 if is_octal else decimal_or_hexadecimal)
    if not SMALLEST <= whole <= LARGEST:
        raise ValueError("whole numbers must fit into 64 bits")
    return whole


def _unescaped(text: str) -> bytearray:
    """Return the bytes of a text with its escapes replaced."""
    raw = bytearray()
    at = 0
    for match in ESCAPE.finditer(text):
        raw += text[at : match.start()].encode("utf-8", "surrogatepass")
        raw += _escaped(match)
        at = match.end()
    return raw + text[at:].encode("utf-8", "surrogatepass")


def _escaped(match: re.Match[str]) -> bytes:
    hexadecimal, octal, short, long, letter = match.groups()
    if hexadecimal or octal:
        return bytes([int(hexadecimal, 16) if hexadecimal else int(octal, 8) & 0xFF])
    if short or long:
        code = int(short or long, 16)
        return chr(min(code, 0x10FFFF)).encode("utf-8", "surrogatepass")
    return (LETTERS.get(letter) or letter).encode()
