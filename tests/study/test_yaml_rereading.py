"""A text is parsed once in a process, and read as if it were parsed each time."""

from pathlib import Path

from hinet_search.study.yaml_file import Override, YamlFile, read


def written(folder: Path, text: str) -> YamlFile:
    (folder / "a.yaml").write_text(text)
    return read(folder / "a.yaml")


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    trees = [written(tmp_path, f"a: {number}\n").tree for number in (1, 2)]
    assert trees == [{"a": 1}, {"a": 2}]


def test_an_override_changes_no_other_reading_of_the_file(tmp_path: Path) -> None:
    text, path = "a:\n  b: 1\n", tmp_path / "a.yaml"
    changed = written(tmp_path, text).with_overrides({("a", "b"): Override(2, "--set a.b=2")})
    again = written(tmp_path, text)
    assert (changed.tree, again.tree) == ({"a": {"b": 2}}, {"a": {"b": 1}})
    assert (changed.place(("a", "b")), again.place(("a", "b"))) == ("--set a.b=2", f"{path}:2:3")
