"""Suffixes: which files are tables, and of which format."""

from pathlib import PurePath

PARQUET = "Parquet"
CSV = "CSV"
TSV = "TSV"
JSON_LINES = "JSON lines"
ARROW = "Arrow"
FORMATS = {
    ".parquet": PARQUET,
    ".csv": CSV,
    ".tsv": TSV,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".arrow": ARROW,
    ".feather": ARROW,
}
TEXTS = (CSV, TSV, JSON_LINES)
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}  # of texts; the others are compressed inside
SUFFIXES = (
    *FORMATS,
    *(of + way for of, kind in FORMATS.items() if kind in TEXTS for way in COMPRESSIONS),
)
IN_WORDS = "Parquet, CSV, TSV, JSON lines (.jsonl) or Arrow"


def suffix_of(file: PurePath | str) -> str:
    """The suffix in small letters: `.csv`, `.csv.gz`; one that no table has as it is."""
    path = PurePath(file)
    both = "".join(path.suffixes[-2:]).lower()
    return both if both in SUFFIXES else path.suffix.lower()


def is_table(file: PurePath | str) -> bool:
    """Whether the suffix is that of a table."""
    return suffix_of(file) in SUFFIXES


def format_of(file: PurePath | str) -> str:
    """The format of a table."""
    return FORMATS["." + suffix_of(file).split(".")[1]]


def compression_of(file: PurePath | str) -> str | None:
    """How a table is compressed as a whole; None where it is not."""
    return COMPRESSIONS.get(PurePath(file).suffix.lower())


def stem_of(file: PurePath | str) -> str:
    """The name without the suffix of a table."""
    name = PurePath(file).name
    return name[: -len(suffix_of(file))] if is_table(file) else PurePath(file).stem
