"""Fingerprint: the name of encoded data, a hash of everything that decides their bytes.

Files are known by their bytes, rows by their values in order, however they are divided.

The hash of a large file is stored in the cache, so that the file is not read at every start. The
machine is not part of a fingerprint: libraries may round the last bits of an input differently on
another processor.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hinet_search.common.amounts import byte_size
from hinet_search.common.errors import DataError
from hinet_search.common.files import make_file, make_folder
from hinet_search.study.data_definition import DataDefinition

ENCODING_VERSION = 2  # raise it when the same definition and rows would be encoded to other bytes
FOLDS_VERSION = 2  # the same of definitions with statistics by fold alone
LARGE_BYTES = 64 * 2**20
HASHES = ".contents"  # in the cache: an empty file `FILE.HASH` for each large file that was read

# Keys added later. Where one is empty, the data keep the fingerprint from before the key existed.
# `*` stands for every name.
ADDED_KEYS = (
    ("features", "clip"),
    ("features", "transforms"),
    ("features", "statistics", "day_length"),
    ("features", "distinct_by_scenario"),
    ("features", "lists", "*", "separator"),
    ("tasks", "*", "scenarios"),
)


def fingerprint(definition: DataDefinition, identity: str, share: float = 1.0) -> str:
    """16 hexadecimal digits from the definition and the source's `identity`, whatever its path.

    They depend on the `share` of a sample too, if there is one.
    """
    meaning = definition.model_dump(exclude={"source"})
    for path in ADDED_KEYS:
        _delete_empty(meaning, path)
    text = f"{ENCODING_VERSION}\n{definition.source.kind}\n{identity}\n{meaning!r}"
    statistics = definition.features.statistics
    if statistics is not None and statistics.clock is None:
        text += f"\nfolds {FOLDS_VERSION}"
    if share < 1:
        text += f"\nsample {share!r}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _delete_empty(tree: dict[str, Any], path: tuple[str, ...]) -> None:
    """Delete a key where its value is empty."""
    key, *rest = path
    if rest:
        branches = tree.values() if key == "*" else [tree[key]]
        for branch in filter(None, branches):
            _delete_empty(branch, tuple(rest))
    elif not tree[key]:
        del tree[key]


class NotFetched(DataError):
    """Rows of a source are not in the cache, and may not be fetched now."""


@dataclass(frozen=True)
class FileHasher:
    """Hashes files, and names those that change afterwards; `say` reports a file that takes long.

    Hashes of large files are stored in `cache` once it exists. It is not created here: the rows may
    still turn out to be wrong. A source that would have to fetch rows raises NotFetched unless
    `may_fetch`.
    """

    cache: Path
    say: Callable[[str], None]
    may_fetch: bool = True
    changed: list[Path] = field(default_factory=list, init=False)
    _hashes: dict[Path, tuple[str, str]] = field(default_factory=dict, init=False, repr=False)

    @property
    def has_files(self) -> bool:
        """Whether a file was hashed."""
        return bool(self._hashes)

    def of(self, file: Path) -> str:
        """Size and hash of a file: the same for the same bytes, whatever its path and date."""
        status = file.stat()
        size = status.st_size
        state = f"{file.resolve()} {size} {status.st_mtime_ns} {status.st_ctime_ns}"
        state_before, hash_before = self._hashes.get(file, (state, ""))
        if state != state_before:
            self.changed.append(file)
        elif hash_before:
            return hash_before
        self._hashes[file] = state, self._hash_of(file, size, state)
        return self._hashes[file][1]

    def _hash_of(self, file: Path, size: int, state: str) -> str:
        if size <= LARGE_BYTES:
            return f"{size} {_hash(file)}"
        name = hashlib.blake2b(state.encode(), digest_size=16).hexdigest()
        stored = next((self.cache / HASHES).glob(f"{name}.*"), None)
        if stored is not None:
            return f"{size} {stored.suffix[1:]}"
        self.say(f"reading {file.name} ({byte_size(size)}) to tell it from other data")
        digest = _hash(file)
        if self.cache.is_dir():
            with suppress(OSError):  # without the stored hash the file is read again next time
                make_folder(self.cache / HASHES)
                make_file(self.cache / HASHES / f"{name}.{digest}")
        return f"{size} {digest}"


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@dataclass
class ContentHash:
    """The hash of the rows that were added so far; frames must have the same columns.

    Every column has a hash of its own, of names, types, missing values and values in order. A list
    or a struct is hashed as its sizes and the columns inside it, a category as its text.
    """

    num_rows: int = 0
    _columns: dict[str, Any] = field(default_factory=dict)  # two hashes by name and type

    def add(self, frame: pl.DataFrame) -> None:
        """Add the rows of a frame after those before."""
        self.num_rows += len(frame)
        for values in frame.get_columns():
            self._add(values.name, values)

    def _add(self, name: str, values: pl.Series) -> None:
        if isinstance(values.dtype, pl.Categorical | pl.Enum):
            values = values.cast(pl.String)  # codes differ from frame to frame
        of_sizes, of_values = self._columns.setdefault(
            f"{name}\n{_type_of(values.dtype)}", (hashlib.blake2b(), hashlib.blake2b())
        )
        if isinstance(values.dtype, pl.Array):
            values = values.arr.to_list()
        if isinstance(values.dtype, pl.List):
            of_sizes.update(_sizes(values.list.len()))
            self._add(f"{name}\n[]", values.filter(values.list.len() > 0).explode())
        elif isinstance(values.dtype, pl.Struct):
            of_sizes.update(values.is_null().to_numpy().tobytes())
            for key in values.struct.fields:
                self._add(f"{name}\n{key}", values.struct.field(key))
        elif isinstance(values.dtype, pl.Null) or _has_fixed_width(values.dtype):
            of_sizes.update(values.is_null().to_numpy().tobytes())
            of_values.update(_bytes_of(values))
        else:
            texts = _as_texts(values)
            of_sizes.update(_sizes(texts.str.len_bytes()))
            of_values.update(texts.str.join("").item().encode())

    def digest(self) -> str:
        """32 hexadecimal digits."""
        whole = hashlib.blake2b(str(self.num_rows).encode(), digest_size=16)
        for name, (of_sizes, of_values) in self._columns.items():
            whole.update(name.encode() + of_sizes.digest() + of_values.digest())
        return whole.hexdigest()


def _type_of(dtype: pl.DataType) -> str:
    """The name of a type, without those inside it, which columns of their own have."""
    if isinstance(dtype, pl.Array):
        return f"Array({dtype.size})"
    return str(dtype.base_type()) if dtype.is_nested() else str(dtype)


def _has_fixed_width(dtype: pl.DataType) -> bool:
    is_number = (
        dtype.is_numeric() and not dtype.is_decimal() and dtype not in (pl.Int128, pl.UInt128)
    )
    return is_number or dtype.is_temporal() or isinstance(dtype, pl.Boolean)


def _sizes(lengths_R: pl.Series) -> bytes:
    """Lengths, -1 where the value is missing."""
    return np.ascontiguousarray(lengths_R.cast(pl.Int64).fill_null(-1).to_numpy()).tobytes()


def _bytes_of(values: pl.Series) -> bytes:
    """The values, zeros where they are missing."""
    if isinstance(values.dtype, pl.Null):
        return b""
    zero = False if isinstance(values.dtype, pl.Boolean) else 0
    return np.ascontiguousarray(values.to_physical().fill_null(zero).to_numpy()).tobytes()


def _as_texts(values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, pl.Binary):
        return values.bin.encode("hex")
    return values.cast(pl.String)  # of decimals too
