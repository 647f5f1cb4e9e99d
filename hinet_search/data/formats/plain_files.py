"""Plain files: whether files are what their names say, and compressed ones without compression.

Memory holds a block of a file. A file may become MOST_GROWTH times as large: what grows more, as a
few bytes of zeros without end do, is refused before it fills the disk.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from hinet_search.common.amounts import byte_size
from hinet_search.common.errors import DataError
from hinet_search.data.formats.suffixes import (
    COMPRESSIONS,
    PARQUET,
    TEXTS,
    compression_of,
    format_of,
    stem_of,
    suffix_of,
)

BLOCK_BYTES = 2**22
MOST_GROWTH = 200
GROWTH_FROM_BYTES = 2**26  # a smaller text may repeat itself as it likes
_BEGINNINGS = {
    b"PAR1": "Parquet",
    b"PARE": "Parquet",  # encrypted
    b"ARROW1": "Arrow",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "a zip archive or a workbook",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"SQLite format 3\x00": "SQLite",
    b"FEA1": "Feather of version 1",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
_REMEDIES = {
    "SQLite": "write its rows as Parquet, and name that file as the table",
    "Feather of version 1": "write it again with pyarrow.feather.write_feather",
    "text in UTF-16": "write it again in UTF-8",
}
_SUFFIX_OF = {"Parquet": ".parquet", "Arrow": ".arrow"}


@dataclass(frozen=True)
class PlainFile:
    """A file without compression, and the file that the user knows, which messages name."""

    path: Path
    source: Path

    def __str__(self) -> str:
        return str(self.source)


def refuse_another_format(file: Path) -> None:
    """DataError when a file begins otherwise than its name says, or cannot be read."""
    expected = compression_of(file) or format_of(file)
    try:
        found = _beginning(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    if found and found != expected:
        raise DataError(
            f"{file}: must hold {expected}, as its name says, but holds {found}",
            remedy=_rename(file, found),
        )
    if not found and expected == PARQUET:
        raise DataError(
            f"{file}: cannot be read: must hold Parquet, as its name says, but begins otherwise",
            remedy=f"if it is a text, name it so, such as {stem_of(file)}.csv; else write it again",
        )
    if not found and expected in COMPRESSIONS.values() and file.stat().st_size:
        raise DataError(
            f"{file}: must hold {expected}, as its name says, but is not compressed so",
            remedy=f"rename it to {file.name.removesuffix(file.suffix)}",
        )


def _beginning(file: Path) -> str:
    with file.open("rb") as stream:
        first = stream.read(16)
    return next((kind for start, kind in _BEGINNINGS.items() if first.startswith(start)), "")


def _rename(file: Path, found: str) -> str:
    if found in _SUFFIX_OF:
        return f"rename it to {stem_of(file)}{_SUFFIX_OF[found]}"
    for suffix, compression in COMPRESSIONS.items():
        if found == compression and format_of(file) in TEXTS:
            name = file.name.removesuffix(file.suffix) if compression_of(file) else file.name
            return f"rename it to {name}{suffix}"
    return _REMEDIES.get(found, f"write it as {PARQUET} or as text").format(file=file)


def plain_file(file: Path, folder: Path, number: int) -> PlainFile:
    """The file, or for a compressed one its content, written into the folder.

    DataError for a file that is cut short, damaged, of another format, or grows too much.
    """
    try:
        refuse_another_format(file)
        compression = compression_of(file)
        if compression is None:
            return PlainFile(file, file)
        folder.mkdir(exist_ok=True)
        plain = PlainFile(folder / f"{number:05}{suffix_of(file)[: -len(file.suffix)]}", file)
        _decompress(plain, compression)
    except OSError as error:
        if error.errno is not None and error.filename != str(file):
            raise  # the disk is full, for one
        raise DataError(
            f"{file}: cannot be read: {error.strerror or error}",
            remedy="copy it again from where it is whole" if error.errno is None else "",
        ) from error
    found = _beginning(plain.path)
    if found:
        raise DataError(f"{file}: must hold {format_of(file)} inside, but holds {found}")
    return plain


def _decompress(plain: PlainFile, compression: str) -> None:
    most = max(GROWTH_FROM_BYTES, MOST_GROWTH * plain.source.stat().st_size)
    num_bytes = 0
    with (
        plain.source.open("rb") as raw,
        pa.input_stream(raw, compression=compression) as content,
        plain.path.open("wb") as to,
    ):
        while block := content.read(BLOCK_BYTES):
            num_bytes += len(block)
            if num_bytes > most:
                raise DataError(
                    f"{plain}: must grow at most {MOST_GROWTH} times when it is unpacked, "
                    f"got more than {byte_size(most)}",
                    remedy="look into it; if it is right, unpack it yourself",
                )
            to.write(block)
