"""Files: write reports, completely or not at all."""

from collections.abc import Mapping
from pathlib import Path

from hinet_search.common import plugins
from hinet_search.common.errors import DiskFull, EnvironmentFault
from hinet_search.common.files import replacing
from hinet_search.results.study_record import FORMATS, StudyRecord


def write_report(record: StudyRecord, path: Path, kind: str = "html") -> tuple[Path, ...]:
    """Write a report of that format and return its files, of which CSV has one per table.

    Errors: EnvironmentFault if a file cannot be written.
    """
    return write_files(record.name, plugins.load(FORMATS, kind).files(record), path)


def write_files(name: str, texts: Mapping[str, str], path: Path) -> tuple[Path, ...]:
    """Write one text as `path`, or several as files that differ in their suffix.

    Errors: EnvironmentFault if a file cannot be written.
    """
    stem = str(path)
    if next(iter(texts), "").endswith(path.suffix):
        stem = stem.removesuffix(path.suffix)
    files = {Path(f"{stem}{suffix}"): text for suffix, text in texts.items()}
    if len(texts) == 1:
        files = dict(zip([path], texts.values(), strict=True))
    try:
        for file, text in files.items():
            content = text.encode()
            with replacing(file, len(content)) as part:
                part.write_bytes(content)
    except (OSError, DiskFull) as error:
        reason = error.strerror if isinstance(error, OSError) else error.problems[0]
        raise EnvironmentFault(
            f"report {path} cannot be written: {reason}",
            remedy=f"nothing is lost: hinet-search report {name} --to FILE writes it elsewhere"
            if name
            else "name another file with --to",
        ) from error
    return tuple(files)
