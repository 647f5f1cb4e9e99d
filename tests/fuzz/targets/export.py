"""Export folders: what `predict` makes of a folder whose files were changed, and of rows that do not fit it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.commands import outcome, temporary_files_here, typed
from tests.fuzz.faults import Fault
from tests.fuzz.inputs import VALUES, as_bytes, byte_edits, edited, edited_bytes, edited_texts

WEIGHTS, CONFIG, MANIFEST, VOCABULARY = (
    "weights.safetensors",
    "config.yaml",
    "manifest.json",
    "encoding/vocabulary.0.parquet",
)
NAMES = (
    CONFIG,
    WEIGHTS,
    MANIFEST,
    VOCABULARY,
    "encoding/columns.parquet",
    "encoding/vocabulary.1.parquet",
    "card.md",
)
STUDY = """\
data:
  source: {kind: table, path: rows.csv}
  scenario: {column: place}
  tasks: {click: {column: click}}
  user: user
  features: {categorical: [user, item], numeric: [price]}
  split: {by: random, valid: 0.2, test: 0.2}
arms: {shared_bottom: }
trials: 1
passes: 1
finalists: {top: 1, seeds: 1}
slots: 1
device: cpu
"""


# A change: a name, what is done to the file, and with what.
Change = tuple[str, str, Any]

SEEDS: dict[str, tuple[bool, tuple[Change, ...]]] = {
    "the folder as it is": (False, ()),
    "the folder with another card, sealed again, as it is": (True, (("card.md", "write", b"x"),)),
    "an emptied manifest and other weights": (
        False,
        ((MANIFEST, "write", b"{}"), (WEIGHTS, "edit", ((-9, b"\x01"),))),
    ),
    "an emptied manifest": (False, ((MANIFEST, "write", b"{}"),)),
    "a manifest of a list": (False, ((MANIFEST, "write", b"[]"),)),
    "a manifest that is nested": (False, ((MANIFEST, "write", b"[" * 100_000),)),
    "a manifest of other folders": (False, ((MANIFEST, "write", b'{"../../../etc/passwd": "x"}'),)),
    "a manifest of bytes": (False, ((MANIFEST, "write", b"\xff\xfe"),)),
    "an escape in the manifest": (False, ((MANIFEST, "write", b'{"a\\u001b[31mb": "x"}'),)),
    "other weights": (False, ((WEIGHTS, "edit", ((-9, b"\x01"),)),)),
    "weights that are no numbers": (True, ((WEIGHTS, "fill", "nan"),)),
    "weights that are infinite": (True, ((WEIGHTS, "fill", "inf"),)),
    "weights without a name": (True, ((WEIGHTS, "write", (2).to_bytes(8, "little") + b"{}"),)),
    "weights of a head of 4 GB": (
        True,
        ((WEIGHTS, "write", (2**32).to_bytes(8, "little") + b"{}"),),
    ),
    **{
        f"resealed without {name}": (True, ((name, "drop", None),))
        for name in NAMES
        if name != MANIFEST
    },
    **{f"without {name}": (False, ((name, "drop", None),)) for name in NAMES},
    **{
        f"resealed with an empty {name}": (True, ((name, "write", b""),))
        for name in NAMES
        if name != MANIFEST
    },
    "one more file": (False, (("more.txt", "write", b"x"),)),
    "a vocabulary of other columns": (True, ((VOCABULARY, "copy", "encoding/columns.parquet"),)),
    "columns of another table": (True, (("encoding/columns.parquet", "copy", VOCABULARY),)),
    "a format of the future": (True, ((CONFIG, "replace", ("format: 2", "format: 3")),)),
    "a seed over 64 bits": (
        True,
        ((CONFIG, "replace", ("trial: ", "trial: 99999999999999999999")),),
    ),
    "a model that is not there": (
        True,
        ((CONFIG, "replace", ("model: shared_bottom", "model: nothing")),),
    ),
    "a model of another package": (
        True,
        ((CONFIG, "replace", ("model: shared_bottom", "model: os.path")),),
    ),
    "a width of 2,000,000,000": (
        True,
        ((CONFIG, "replace", ("embedding_dim: 8", "embedding_dim: 2000000000")),),
    ),
    "an escape in the model's name": (
        True,
        ((CONFIG, "replace", ("model: shared_bottom", 'model: "\\e[31m"')),),
    ),
    "no rows": (False, (("../rows.csv", "write", b""),)),
    "rows without a column": (False, (("../rows.csv", "write", b"place,user,item\nhome,1,a\n"),)),
    "rows of an unknown place": (
        False,
        (("../rows.csv", "write", b"place,user,item,price\n\x1b[31m,1,a,2\n"),),
    ),
    "rows that are no numbers": (
        False,
        (("../rows.csv", "write", b"place,user,item,price\nhome,x,a,nan\n"),),
    ),
}


def inputs() -> st.SearchStrategy[tuple[bool, tuple[Change, ...]]]:
    """A few changes of the folder, sealed again or not."""
    names = st.sampled_from(NAMES)
    edit = st.tuples(names, st.just("edit"), byte_edits(4000).map(tuple))
    write = st.tuples(names, st.just("write"), st.binary(max_size=20))
    copy = st.tuples(names, st.just("copy"), names)
    other = st.tuples(
        names, st.sampled_from(["drop", "fill"]), st.sampled_from(["nan", "inf", "zero"])
    )
    config = st.tuples(
        st.just(CONFIG), st.just("token"), st.tuples(st.integers(0, 4000), st.sampled_from(VALUES))
    )
    rows = st.tuples(
        st.just("../rows.csv"), st.just("write"), edited_texts([shop.csv(12)]).map(as_bytes)
    )
    change = st.one_of(config, edit, write, copy, other, rows)
    return st.tuples(st.booleans(), st.lists(change, min_size=1, max_size=3).map(tuple))


def begin(home: Path) -> Path:
    """A folder that was exported, made for the first process that needs it, by another one: a launch leaves helpers behind."""
    folder = home / "export"
    if not folder.exists():
        pid = os.fork()
        if not pid:
            _make(folder)
            os._exit(0)
        os.waitpid(pid, 0)
    return folder


def _make(folder: Path) -> None:
    import hinet_search as hs

    place = folder.with_name("export-study")
    place.mkdir()
    os.chdir(place)
    Path("rows.csv").write_text(shop.csv(), encoding="utf-8")
    Path("tiny.yaml").write_text(STUDY, encoding="utf-8")
    hs.launch("tiny.yaml", output=place / "out")
    hs.export("tiny.yaml", place / "export", arm="shared_bottom", output=place / "out")
    (place / "export").rename(folder)


def run(given: tuple[bool, tuple[Change, ...]], folder: Path) -> str:
    """Change the folder and score rows with it: refused, unless it is as it was or was sealed again."""
    is_sealed, changes = given
    Path("rows.csv").write_text(shop.csv(12), encoding="utf-8")
    shutil.copytree(folder, "model")
    for name, how, what in changes:
        _change(Path("model", name), how, what)
    if is_sealed:
        _seal(Path("model"))
    with temporary_files_here():
        said = typed("predict", "model", "rows.csv", "-o", "scores.parquet")
    if said.code == 0:
        _check_scores(is_damaged=not is_sealed and _differs(Path("model"), folder))
    return outcome(said)


def _change(path: Path, how: str, what: Any) -> None:
    if how == "write":
        path.write_bytes(what)
    elif path.exists():
        _CHANGES[how](path, what)


def _edit(path: Path, edits: Any) -> None:
    path.write_bytes(edited_bytes(path.read_bytes(), edits))


def _set_value(path: Path, edit: tuple[int, str]) -> None:
    path.write_bytes(
        as_bytes(edited(path.read_text(encoding="utf-8", errors="replace"), [("value", *edit)]))
    )


def _replace(path: Path, texts: tuple[str, str]) -> None:
    old, new = (text.encode() for text in texts)  # an earlier change may have left no text
    path.write_bytes(path.read_bytes().replace(old, new))


def _copy(path: Path, name: str) -> None:
    other = Path("model", name)
    path.write_bytes(other.read_bytes() if other.exists() else b"")


def _fill(path: Path, what: str) -> None:
    from safetensors.numpy import load, save

    if path.name != WEIGHTS:
        return
    number = 0.0 if what == "zero" else float(what)
    try:
        tensors = load(path.read_bytes())
    except Exception:  # noqa: BLE001  an earlier change of the same input damaged it
        return
    for tensor in tensors.values():
        tensor.fill(number if tensor.dtype.kind == "f" else 0)
    path.write_bytes(save(tensors))


_CHANGES: dict[str, Callable[[Path, Any], None]] = {
    "drop": lambda path, _: path.unlink(),
    "edit": _edit,
    "token": _set_value,
    "replace": _replace,
    "copy": _copy,
    "fill": _fill,
}


def _seal(folder: Path) -> None:
    """Write fresh hashes, as a person who changes a folder on purpose would."""
    from hinet_search.serving.sealed import seal

    (folder / MANIFEST).unlink(missing_ok=True)
    seal(folder)


def _differs(folder: Path, from_: Path) -> bool:
    """Whether a file that is read was changed or is gone; a page for people is not read."""
    names = [
        path.relative_to(from_)
        for path in from_.rglob("*")
        if path.is_file() and path.name not in (MANIFEST, "card.md")
    ]
    return any(
        not (folder / name).is_file() or (folder / name).read_bytes() != (from_ / name).read_bytes()
        for name in names
    )


def _check_scores(*, is_damaged: bool) -> None:
    import polars as pl

    if is_damaged:
        raise Fault(
            "wrong", "a changed folder scores", "code 0, and the manifest does not know these files"
        )
    scores = pl.read_parquet("scores.parquet")["click"]
    if not scores.is_finite().fill_null(value=False).all():
        raise Fault("wrong", "a score is no number", str(scores))
