"""Refusal: what can be told of a launch before it makes anything: another study of its name, one that runs, others' files.

Looked at again when the study is held: a study may have come in between.
"""

from contextlib import closing
from pathlib import Path

from hinet_search.search.artifacts import refuse_files_of_another, refuse_unwritable
from hinet_search.search.extension import extension
from hinet_search.search.identity import refuse_difference, refuse_extension
from hinet_search.search.options import LaunchOptions
from hinet_search.storage.engine import connect_if_there
from hinet_search.storage.rows import StudyRow
from hinet_search.storage.store import StudyStore
from hinet_search.study import Study


def refuse_early(study: Study, now: str, options: LaunchOptions) -> StudyRow | None:
    """What is stored of the study, if anything.

    Errors: StudyConflict or EnvironmentFault where a launch of the study, whose identity is `now`, can come to nothing.
    """
    artifacts, stored = artifacts_of(study.name, options), _stored(study, options)
    if stored is not None:
        refuse_other(study.name, stored.spec_json, now, extend=options.extend)
    refuse_files_of_another(artifacts, stored)
    refuse_unwritable(artifacts)
    return stored


def refuse_other(name: str, stored: str, now: str, *, extend: bool) -> tuple[str, ...]:
    """In what a study is wider than its stored form, in words; StudyConflict when it is another, or may not be wider."""
    more = extension(stored, now)
    if more is None:
        refuse_difference(name, stored, now)
    elif not extend:
        refuse_extension(name, more)
    return more or ()


def artifacts_of(name: str, options: LaunchOptions) -> Path:
    """The folder of a study's weights and checkpoints."""
    return options.folder.absolute() / "artifacts" / name


def _stored(study: Study, options: LaunchOptions) -> StudyRow | None:
    """What is stored of a study, which nobody runs; None for nothing, and in tables of an older version."""
    database = connect_if_there(options.storage_url(study))
    if database is None:
        return None
    with closing(database):
        store = StudyStore(database, study.name)
        store.refuse_held()
        return store.load_study()
