"""Formats: one file per `report --format`; `files(record)` returns text by file suffix."""

from pathlib import Path

from hinet_search.common import plugins
from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.files import replacing
from hinet_search.results.study_record import FORMATS, StudyRecord


def write_report(record: StudyRecord, path: Path, kind: str = "html") -> tuple[Path, ...]:
    """Write a report of that format, each file completely or not at all, and return its files.

    One text is written as `path`; several, such as the tables of CSV, differ in their suffix.
    Errors: EnvironmentFault if a file cannot be written.
    """
    texts = plugins.load(FORMATS, kind).files(record)
    stem = str(path)
    if next(iter(texts)).endswith(path.suffix):
        stem = stem.removesuffix(path.suffix)
    files = {Path(f"{stem}{suffix}"): text for suffix, text in texts.items()}
    if len(texts) == 1:
        files = dict(zip([path], texts.values(), strict=True))
    try:
        for file, text in files.items():
            content = text.encode()
            with replacing(file, len(content)) as part:
                part.write_bytes(content)
    except EnvironmentFault as error:
        raise EnvironmentFault(
            f"report {error.problems[0]}",
            remedy=f"nothing is lost: hinet-search report {record.name} --to FILE writes it "
            "elsewhere",
        ) from error
    return tuple(files)
