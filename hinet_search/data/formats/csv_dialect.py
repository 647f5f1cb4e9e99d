"""CSV dialect: what is between values, the encoding, and decimal commas; the file decides on them.

Between semicolons, which spreadsheets write where the comma is decimal, numbers may be written
1.234,5. A file that is no UTF-8 is Windows-1252.
"""

import re
from io import TextIOWrapper
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pyarrow as pa

from hinet_search.common.errors import DataError
from hinet_search.data.formats.known_formats import CSV, TSV, format_of

SEMICOLON = ";"
WINDOWS = "cp1252"
BLOCK = 2**22  # bytes, more than a header has
QUOTED = re.compile(rb'"[^"]*"')
NUMBER = r"^[+-]?((\d*|[1-9]\d{0,2}(\.\d{3})+),\d+([eE][+-]?\d+)?|[1-9]\d{0,2}(\.\d{3})+)$"
LETTER_OF_UTF_8 = re.compile(rb"[\xc2\xc3\xd0\xd1][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")


def first_block(file: Path) -> bytes:
    """The beginning of a file, unpacked: its header and more."""
    with pa.input_stream(file) as stream:
        return bytes(stream.read(BLOCK))


def separator_of(file: Path) -> str:
    """What stands most often between the names, in doubt a comma; a tab if a .tsv has one."""
    header, *_ = QUOTED.sub(b"", first_block(file)).lstrip().splitlines() or [b""]
    if format_of(file) == TSV and b"\t" in header:
        return "\t"
    return max(",;\t|", key=lambda separator: header.count(separator.encode()))


def scan_texts(*files: Path, separator: str | None = None) -> pl.LazyFrame:
    """All values of files, as texts."""
    separator = separator or separator_of(files[0])
    return pl.scan_csv(list(files), glob=False, infer_schema=False, separator=separator)


def in_utf8(file: Path, copy: Path) -> Path:
    """The file, or its copy if it is Windows-1252; DataError where it is neither."""
    if _is_utf8(file):
        return file
    with pa.input_stream(file) as stream, copy.open("w", encoding="utf-8", newline="") as to:
        while block := stream.read(BLOCK):
            text = block.decode(WINDOWS, errors="replace")
            if "\ufffd" in text or LETTER_OF_UTF_8.search(block):
                raise DataError(
                    f"{file}: must be text in UTF-8, or in Windows-1252 as a whole",
                    remedy="save the table as CSV in UTF-8",
                )
            to.write(text)
    return copy


def _is_utf8(file: Path) -> bool:
    with TextIOWrapper(pa.input_stream(file), encoding="utf-8", newline="") as text:
        try:
            while text.read(BLOCK):
                pass
        except UnicodeDecodeError:
            return False
    return True


def with_point(name: str) -> pl.Expr:
    """The texts of a column, with points in place of decimal commas and none between thousands."""
    text = cs.by_name(name)
    number = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.when(text.str.contains(NUMBER)).then(number).otherwise(text)


def in_words(file: Path) -> str:
    """What differs in a text file from commas or tabs in UTF-8, as far as it matters."""
    differs = []
    if format_of(file) in (CSV, TSV):
        if separator_of(file) == SEMICOLON:
            differs.append("';' between values, decimal commas")
        if not _is_utf8(file):
            differs.append("letters of Windows-1252")
    return ", ".join(differs)
