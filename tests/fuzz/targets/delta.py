"""Deltas: what `delta` makes of a file that was changed, and of a folder that is not the one before."""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.fuzz.commands import listing, outcome, temporary_files_here, typed
from tests.fuzz.faults import Fault
from tests.fuzz.inputs import byte_edits, edited_bytes

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    Parts = dict[str, np.ndarray[Any, np.dtype[np.uint8]]]

BOX = Path("box")  # in the current folder, so that a path that climbs out of it is seen
MANIFEST, WEIGHTS, TABLE = "manifest.json", "weights.safetensors", "encoding/vocabulary.0.parquet"
RUNS, ROWS = f"{TABLE}::runs", f"{TABLE}::rows"
PARTS = (
    *("base", MANIFEST, "card.md", RUNS, ROWS),
    *(f"{WEIGHTS}:table:{kind}" for kind in ("rows", "runs")),
)
SEALED = tuple(part for part in PARTS if part != "card.md")
PATHS = (
    *("../stray", "../../stray", "../../../stray", "/tmp/stray", "encoding/../../../stray"),
    *("encoding/evil.py", "encoding/a/b.parquet", ".", "", "encoding/\x00.parquet", "card.md"),
)
RUNS_OF = (
    *(((-1, 1),), ((0, 10**6),), ((0, 0),), ((1, -1),), ((1, 2**63 - 1),), ((2**63 - 1, 1),)),
    *(((-(2**63), -(2**63)),), ((0, 3), (0, 3)), ((0, 10),) * 5000, ()),
)
LENGTHS = (0, -1, 2**31, 2**53, 2**63, 2**64 - 1, 2**70, 0.5, None)
ODD = (b"", b"PAR1", b"PAR1PAR1", b"{}", b"\xff" * 40, b"[" * 100_000, b'{"a\x1b[31m": "x"}')

# A change: how, of what, and with what.
Change = tuple[str, str, Any]
SEEDS: dict[str, tuple[Change, ...]] = {
    "the delta as it is": (),
    "the night already there": (("folder", "after", None),),
    "a folder that is no model": (("folder", "none", None),),
    "a table of before that is a link": (("link", TABLE, "/dev/zero"),),
    "a table of before that is gone": (("link", TABLE, "nothing"),),
    "a delta that is a pipe": (("pipe", "", None),),
    "a delta that is a link to itself": (("link", "../d.delta", "d.delta"),),
    "a manifest of other hashes": (("replace", MANIFEST, (b'": "', b'": "0')),),
    "a version of the future": (("replace", MANIFEST, (b"{", b'{"format": "2",')),),
    **{f"cut off at {place}": (("edit", "", ((place, b""),)),) for place in (0, 7, 8, 200, -1)},
    **{f"a part of length {length}": (("length", "base", length),) for length in LENGTHS},
    **{f"a head of length {length}": (("head", "", length),) for length in (0, 2**32, 2**64 - 1)},
    **{f"without {part}": (("drop", part, None),) for part in PARTS},
    **{f"floats for {part}": (("floats", part, None),) for part in PARTS},
    **{f"{odd[:9]!r} for {part}": (("set", part, odd),) for part in SEALED for odd in ODD},
    **{f"a file {path!r}": (("path", WEIGHTS, path),) for path in PATHS},
    **{f"runs {runs[:2]!s}": (("runs", RUNS, runs),) for runs in RUNS_OF},
    "many equal rows": (("equal", ROWS, 10**7),),
    "many equal weights": (("equal", f"{WEIGHTS}:table:rows", 10**6),),
    "rows of another table": (("copy", ROWS, RUNS),),
}


def inputs() -> st.SearchStrategy[tuple[Change, ...]]:
    """A few changes of the delta."""
    part = st.sampled_from(PARTS)
    numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 40)
    runs = st.lists(st.tuples(numbers, numbers), max_size=4).map(tuple)
    change = st.one_of(
        st.tuples(st.just("edit"), st.just(""), byte_edits(6000).map(tuple)),
        st.tuples(st.just("part"), part, byte_edits(400).map(tuple)),
        st.tuples(st.just("part"), part, byte_edits(400).map(tuple)),
        st.tuples(st.just("set"), part, st.sampled_from(ODD) | st.binary(max_size=40)),
        st.tuples(st.sampled_from(["drop", "floats"]), part, st.none()),
        st.tuples(st.just("copy"), part, part),
        st.tuples(st.just("length"), part, st.sampled_from(LENGTHS) | st.integers()),
        st.tuples(st.just("runs"), st.sampled_from([RUNS, f"{WEIGHTS}:table:runs"]), runs),
        st.tuples(st.just("path"), st.sampled_from([WEIGHTS, TABLE]), st.text(max_size=12)),
        st.tuples(st.just("path"), st.sampled_from([WEIGHTS, TABLE]), st.sampled_from(PATHS)),
    )
    return st.lists(change, min_size=1, max_size=3).map(tuple)


def begin(home: Path) -> Path:
    """The folders of two nights, small enough to be made here, and what makes one of the other."""
    folder = home / "deltas"
    if not folder.exists():
        from hinet_search.serving.nightly.delta import write_delta

        _model(folder / "before", 2000, "before")
        _model(folder / "after", 2003, "after")
        write_delta(folder / "before", folder / "after", folder / "d.delta")
    return folder


def _model(folder: Path, num_ids: int, card: str) -> None:
    import numpy as np
    import polars as pl
    from safetensors.numpy import save

    from hinet_search.serving.sealed import seal

    vectors = np.random.default_rng(0).normal(size=(num_ids, 16)).astype(np.float32)
    (folder / "encoding").mkdir(parents=True)
    values = [vector.tobytes().hex() for vector in vectors]  # which no table holds in fewer bytes
    pl.DataFrame({"value": values}).write_parquet(folder / TABLE)
    (folder / WEIGHTS).write_bytes(save({"table": vectors, "bias": vectors[-1]}))
    (folder / "card.md").write_text(card, encoding="utf-8")
    seal(folder)


def run(changes: tuple[Change, ...], folder: Path) -> str:
    """Apply the changed delta: refused without a trace, or one whole folder and nothing beside it."""
    shutil.copytree(folder, BOX)
    for how, what, with_ in changes:
        _change(how, what, with_)
    before = listing(Path())
    with temporary_files_here():
        said = typed("delta", str(BOX / "before"), str(BOX / "d.delta"), "-o", str(BOX / "made"))
    if said.code == 0:
        _check_made(before, folder)
    return outcome(said)


def _check_made(before: Mapping[str, Any], folder: Path) -> None:
    """Nothing but the folder is written, and it has what its manifest says."""
    from hinet_search.serving.sealed import sealed_files

    made = BOX / "made"
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    if files != {*sealed_files(made), MANIFEST, "card.md"}:
        raise Fault("wrong", "other files than those of the manifest", str(files))
    after = listing(Path())
    stray = [
        name
        for name in {*before, *after}
        if before.get(name) != after.get(name) and not name.startswith((str(made), ".temporary"))
    ]
    if stray:
        raise Fault("written", "beside the folder", str(stray))
    is_its_own = (made / MANIFEST).read_bytes() == (folder / "after" / MANIFEST).read_bytes()
    for name in sealed_files(made) if is_its_own else ():
        if (made / name).read_bytes() != (folder / "after" / name).read_bytes():
            raise Fault("wrong", "another folder than that of the night", name)


def _change(how: str, what: str, with_: Any) -> None:
    path = BOX / "d.delta"
    if how in _OF_FOLDERS:
        _OF_FOLDERS[how](what, with_)
    elif how in _OF_BYTES:
        path.write_bytes(_OF_BYTES[how](path.read_bytes(), what, with_))
    else:
        _change_parts(path, how, what, with_)


def _change_parts(path: Path, how: str, what: str, with_: Any) -> None:
    from safetensors.numpy import load, save

    try:
        parts = load(path.read_bytes())
    except Exception:  # noqa: BLE001  an earlier change of the same input damaged it
        return
    if what in parts or how in ("set", "path"):
        _OF_PARTS[how](parts, what, with_)
        path.write_bytes(save(parts))


def _raw(content: bytes) -> Any:
    import numpy as np

    return np.frombuffer(content, dtype=np.uint8)


def _parquet(table: "pl.DataFrame") -> Any:
    import io

    file = io.BytesIO()
    table.write_parquet(file)
    return _raw(file.getvalue())


def _link(name: str, target: str) -> None:
    path = BOX / "before" / name
    path.unlink()
    if target != "nothing":
        path.symlink_to(target)


def _folder(name: str, _: None) -> None:
    shutil.rmtree(BOX / "before")
    if name == "after":
        shutil.copytree(BOX / "after", BOX / "before")
    else:
        (BOX / "before").mkdir()


def _pipe(_: str, __: None) -> None:
    (BOX / "d.delta").unlink()
    os.mkfifo(BOX / "d.delta")


def _length(content: bytes, what: str, length: Any) -> bytes:
    """Let a part end elsewhere, as the head of the file says it."""
    size = int.from_bytes(content[:8], "little")
    try:
        head = json.loads(content[8 : 8 + size])
        head[what]["shape"] = [length]
        head[what]["data_offsets"][1] = length
    except (ValueError, KeyError, TypeError):  # an earlier change of the same input damaged it
        return content
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _path(parts: "Parts", name: str, path: str) -> None:
    """Let the manifest name another file, whose content is there."""
    if MANIFEST in parts:
        text = json.dumps(path, ensure_ascii=True)[1:-1].encode()
        old = re.escape(name.encode())
        parts[MANIFEST] = _raw(re.sub(old, lambda _: text, parts[MANIFEST].tobytes()))
        parts[path.replace("\x00", "0")] = _raw(b"owned")


def _runs(parts: "Parts", name: str, runs: tuple[tuple[int, int], ...]) -> None:
    import polars as pl

    schema = {"at": pl.Int64, "length": pl.Int64}
    parts[name] = _parquet(pl.DataFrame(list(runs), schema=schema, orient="row"))


def _equal(parts: "Parts", name: str, num_rows: int) -> None:
    import polars as pl

    row = pl.Series("value", ["x"]) if name == ROWS else pl.Series("bytes", [b"x" * 900])
    parts[name] = _parquet(pl.DataFrame([row.new_from_index(0, num_rows)]))


_OF_FOLDERS: dict[str, Callable[[str, Any], None]] = {
    "folder": _folder,
    "link": _link,
    "pipe": _pipe,
}
_OF_BYTES: dict[str, Callable[[bytes, str, Any], bytes]] = {
    "edit": lambda content, _, edits: edited_bytes(content, edits),
    "head": lambda content, _, length: length.to_bytes(8, "little") + content[8:],
    "length": _length,
}
_OF_PARTS: dict[str, Callable[["Parts", str, Any], object]] = {
    "drop": lambda parts, what, _: parts.pop(what),
    "set": lambda parts, what, content: parts.update({what: _raw(content)}),
    "floats": lambda parts, what, _: parts.update({what: parts[what].astype("float32")}),
    "copy": lambda parts, what, other: parts.update({what: parts.get(other, parts[what])}),
    "part": lambda parts, what, edits: parts.update(
        {what: _raw(edited_bytes(parts[what].tobytes(), edits))}
    ),
    "replace": lambda parts, what, texts: parts.update(
        {what: _raw(parts[what].tobytes().replace(*texts))}
    ),
    "path": _path,
    "runs": _runs,
    "equal": _equal,
}
