"""Save the results of stored studies for the pages: `docs/results/save.py NAME STUDY... [options]`.

A study with variants stands for all of them, or for those named. It writes
docs/results/data/NAME.json, from which `write_pages.py` makes the tables.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from result_files import FOLDER, result_file

import hinet_search
from hinet_search.results.study_record import StudyRecord
from hinet_search.study.find_file import is_known
from hinet_search.study.overrides import variants_of_study


def records(
    study: str, size: str | None, output: Path | None, chosen: Sequence[str] | None = None
) -> Iterator[StudyRecord]:
    """The stored study; of one with variants the chosen ones, or every one."""
    variants = variants_of_study(study) if is_known("studies", study) else ()
    for variant in chosen or variants or (None,):
        yield hinet_search.load(study, size=size, variant=variant, output=output)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("studies", nargs="+")
    parser.add_argument("--focus", help="the arm whose gains are told; by default the first")
    parser.add_argument("--size")
    parser.add_argument("--variants", nargs="+", help="by default all")
    parser.add_argument("--output", type=Path, help="the folder of the launch")
    options = parser.parse_args()
    stored = [
        record
        for study in options.studies
        for record in records(study, options.size, options.output, options.variants)
    ]
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{options.name}.json"
    saved = result_file(stored, options.focus)
    path.write_text(saved.text, encoding="utf-8")
    print(f"wrote {path}: {len(saved.studies)} studies, {len(saved.gains)} gains")


if __name__ == "__main__":
    main()
