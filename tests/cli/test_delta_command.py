"""The command `delta` makes the folder of a night, and refuses what is not its delta."""

import json
import re
from pathlib import Path

from hinet_search.serving.nightly.delta import write_delta
from hinet_search.serving.sealed import manifest_hash, seal
from tests.cli.conftest import Run


def test_a_delta_makes_the_folder_of_the_night_or_is_refused(run: Run, tmp_path: Path) -> None:
    before, after = (_tiny_model(tmp_path / name, name) for name in ("before", "after"))
    write_delta(before, after, tmp_path / "night.delta")
    said = run("delta", "before", "night.delta", "-o", "made")
    assert said.code == 0, said.err
    assert re.fullmatch(
        r"wrote made/: the model of the night, bit for bit; the delta has .* of .*\n", said.out
    )
    assert said.err == "Next: hinet-search serve made\n"
    assert (tmp_path / "made" / "config.yaml").read_text() == "after"
    document = json.loads(run("delta", "before", "night.delta", "-o", "again", "--json").out)
    assert (document["kind"], document["manifest"]) == ("delta", manifest_hash(after))
    assert run("delta", "before", "night.delta", "-o", "made").code == 2
    for words in (("after", "night.delta"), ("before", "none.delta"), ("none", "night.delta")):
        refused = run("delta", *words, "-o", "other")
        assert (refused.code, refused.out, bool(refused.err)) == (3, "", True)
    assert not (tmp_path / "other").exists()


def _tiny_model(folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(name)
    (folder / "card.md").write_text(name)
    seal(folder)
    return folder
