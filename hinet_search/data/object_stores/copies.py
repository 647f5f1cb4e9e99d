"""Copies: the objects of a table in a store as files in the cache.

.objects/NAME/objects.json    the objects that the copy is of
.objects/NAME/rows/...        the objects under their names; one that is there is whole
.objects/NAME.lock            locked by the process that copies, removed afterwards

A copy is whole if every object is there with its size. Whenever a command needs the rows it lists
the store, and objects that were written again since are copied again.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from hinet_search.common.amounts import byte_size, counted
from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.common.files import locked, make_folder, replacing
from hinet_search.data.object_stores.address import check_table_path, is_url
from hinet_search.data.object_stores.listing import (
    Listing,
    Place,
    StoredObject,
    list_objects,
    open_store,
)

if TYPE_CHECKING:
    from hinet_search.data.object_stores.copy_news import CopyNews

FOLDER = ".objects"
MANIFEST = "objects.json"
ROWS = "rows"
AT_ONCE = 16  # objects that are copied together
MAX_NAMED = 3

Say = Callable[[str], None]
_LISTING = TypeAdapter(Listing)


def local_path(path: str, key: str, cache: Path, say: Say) -> str:
    """Return the path of a table on this machine: the given one, or for a URL that of its copy.

    `key` is where the path was given. `say` gets the progress.
    Errors: ConfigurationError for a URL that is refused; DataError if there is no table at a URL,
    or objects change meanwhile; EnvironmentFault if there is no whole copy and the store cannot be
    read, or the cache cannot be written; DiskFull.
    """
    if not is_url(path):
        return path
    try:
        place = Place(check_table_path(path), key)
    except ValueError as error:
        raise ConfigurationError(f"{key}: {error}") from None
    home = _home(path, cache)
    listing = _listed(place, home, say)
    if listing != _whole_copy(home):
        try:
            with locked(home, lambda: say(f"waiting for another command that copies {path}")):
                _bring_up_to_date(place, listing, home, say)
        except OSError as error:
            raise EnvironmentFault(
                f"{home}: objects cannot be written: {error}",
                remedy="free space, or name another cache (HINET_SEARCH_CACHE)",
            ) from error
    return str(home / ROWS)


def copied_path(path: str, cache: Path) -> str | None:
    """Return what `local_path` does without asking the store; None if no copy is whole."""
    if not is_url(path):
        return path
    home = _home(path, cache)
    return None if _whole_copy(home) is None else str(home / ROWS)


def _home(url: str, cache: Path) -> Path:
    return cache.absolute() / FOLDER / hashlib.blake2b(url.encode(), digest_size=8).hexdigest()


def _listed(place: Place, home: Path, say: Say) -> Listing:
    """Return the objects that the store has; those of a whole copy if it cannot be read now."""
    try:
        return list_objects(place)
    except EnvironmentFault as error:
        before = _whole_copy(home)
        if before is None:
            raise
        say(f"{error.problems[0]}; its copy in {home / ROWS} is read as it is")
        return before


def _whole_copy(home: Path) -> Listing | None:
    """Return the objects that a copy is of; None if it is not whole."""
    listing = _read_manifest(home)
    return None if listing is None or _missing(listing, home) else listing


def _bring_up_to_date(place: Place, listing: Listing, home: Path, say: Say) -> None:
    """Remove what the store has no longer, or in another state, and copy what is missing."""
    before = _read_manifest(home)
    if listing != before:
        unchanged = set(listing.objects) & set(before.objects if before else ())
        kept = {home / ROWS / stored.name for stored in unchanged}
        for file in list((home / ROWS).rglob("*")):
            if file.is_file() and file not in kept:
                file.unlink()
        content = _LISTING.dump_json(listing)
        with replacing(home / MANIFEST, len(content)) as part:
            part.write_bytes(content)
    missing = _missing(listing, home)
    if missing:
        _copy(place, listing, missing, home, say)


def _read_manifest(home: Path) -> Listing | None:
    try:
        return _LISTING.validate_json((home / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def _missing(listing: Listing, home: Path) -> list[StoredObject]:
    return [
        stored for stored in listing.objects if not _is_whole(home / ROWS / stored.name, stored)
    ]


def _is_whole(file: Path, stored: StoredObject) -> bool:
    return file.is_file() and file.stat().st_size == stored.num_bytes


def _copy(
    place: Place, listing: Listing, missing: Sequence[StoredObject], home: Path, say: Say
) -> None:
    """Copy the missing objects; DataError if one was changed or removed since it was listed."""
    from hinet_search.data.object_stores.copy_news import CopyNews

    num_bytes = sum(stored.num_bytes for stored in missing)
    say(f"copying {counted(len(missing), 'object')} ({byte_size(num_bytes)}) of {place.url}")
    store, _ = open_store(place)
    news = CopyNews(say, num_bytes)
    for first in range(0, len(missing), AT_ONCE):
        some = {
            f"{listing.root}/{stored.name}": (home / ROWS / stored.name, stored)
            for stored in missing[first : first + AT_ONCE]
        }
        _copy_together(place, store, some, news)
    changed = _changed(place, listing.objects)
    for stored in changed:
        (home / ROWS / stored.name).unlink()
    if changed:
        raise _changed_meanwhile(place, changed)
    say(f"copied {counted(len(missing), 'object')} to {home / ROWS}")


def _copy_together(
    place: Place, store: Any, some: Mapping[str, tuple[Path, StoredObject]], news: "CopyNews"
) -> None:
    """Copy the objects at some paths of the store, and put them in place when all are whole."""
    objects = [stored for _, stored in some.values()]
    with ExitStack() as writing:
        parts = []
        for file, stored in some.values():
            make_folder(file.parent)
            parts.append(writing.enter_context(replacing(file, stored.num_bytes)))
        try:
            with place.errors_in_words():
                store.get(list(some), list(map(str, parts)), callback=news)
        except DataError:  # one of them is gone
            raise _changed_meanwhile(place, _changed(place, objects) or objects) from None
        for part, stored in zip(parts, objects, strict=True):
            if not _is_whole(part, stored):
                raise _changed_meanwhile(place, [stored])


def _changed(place: Place, objects: Sequence[StoredObject]) -> list[StoredObject]:
    """Return the objects that the store has no longer, or in another state."""
    present = set(list_objects(place).objects)
    return [stored for stored in objects if stored not in present]


def _changed_meanwhile(place: Place, objects: Sequence[StoredObject]) -> DataError:
    names = ", ".join(stored.name for stored in objects[:MAX_NAMED])
    return DataError(
        f"{place}: objects must stay as they are while they are copied, but {names} changed",
        remedy="run the command again when nothing writes there; "
        "what is copied already is not copied again",
    )
