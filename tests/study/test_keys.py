"""Keys of YAML mappings are texts; any other is refused at its place, wherever it is written."""

from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.search.plan.check_study import try_study
from hinet_search.study.load_study import load_study
from hinet_search.study.yaml_file import Override, read_value
from tests.study_texts import DATA

STUDY = DATA + "arms: {mmoe: {space: my.yaml}, shared_bottom: }\n"
SPACE = "include: [training]\n"
# Every mapping of a study, a space and a data definition; KEY is the key.
OF_STUDY = [
    "KEY: 3",
    "sizes: {KEY: {trials: 1}}",
    "sizes: {a: {KEY: 1}}",
    "sizes: {a: {parameters: {KEY: {default: 1}}}}",
    "variants: {KEY: {trials: 1}}",
    "fixed: {KEY: 1}",
    "parameters: {KEY: {default: 1}}",
    "parameters: {train.learning_rate: {KEY: 1}}",
    "teaching: {KEY: 1}",
    "executor: {kind: local, KEY: 1}",
]
OF_DATA = [
    ("click: {column", "KEY: {column"),
    ("kind: synthetic", "kind: synthetic, KEY: 1"),
    ("column: scenario", "column: scenario, KEY: a"),
    ("[user_id]", "[user_id], KEY: 1"),
    ("[user_id]", "[user_id], lists: {KEY: {column: a}}"),
    ("[user_id]", "[user_id], transforms: {KEY: log}"),
    ("[user_id]", "[user_id], matches: {lists: [a], by: [user_id], rates: {KEY: a}}"),
    ("by: random", "by: random, KEY: 1"),
    ("mmoe: {", "KEY: {"),
    ("mmoe: {", "mmoe: {KEY: 1, "),
    ("mmoe: {", "mmoe: {start: [{KEY: 1}], "),
]
OF_SPACE = [
    "KEY: 1",
    "parameters: {KEY: {kind: int, low: 1, high: 2, default: 1}}",
    "parameters: {model.x: {kind: int, KEY: 1, low: 1, high: 2, default: 1}}",
    "parameters: {model.x: {kind: int, low: 1, high: 2, default: 1, when: {KEY: 1}}}",
    "parameters: {model.x: {kind: widths, choices: {KEY: [1]}, default: a}}",
    "fixed: {KEY: 1}",
    "portfolio: [{KEY: 1}]",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(SPACE)


def problems_of(study: str) -> tuple[str, ...]:
    Path("shop.yaml").write_text(study)
    with pytest.raises(ConfigurationError) as caught:
        try_study(load_study("shop.yaml"))
    return caught.value.problems


def says_so(problems: tuple[str, ...], file: str) -> bool:
    """Whether a problem of the file says what a key must be."""
    said = [problem for problem in problems if problem.startswith(f"{file}:")]
    words = ("must be texts", "must be a text", "is not a model", "unknown key")
    return any(word in problem for problem in said for word in words)


MAPPINGS = [
    *(("shop.yaml", f"{STUDY}{text}\n", SPACE) for text in OF_STUDY),
    *(("shop.yaml", STUDY.replace(before, after), SPACE) for before, after in OF_DATA),
    *(("my.yaml", STUDY, f"{SPACE}{text}\n") for text in OF_SPACE),
]


@pytest.mark.parametrize("key", ["", "1", "true"])
@pytest.mark.parametrize(("file", "study", "space"), MAPPINGS)
def test_a_key_of_any_mapping_is_a_text(file: str, study: str, space: str, key: str) -> None:
    Path("my.yaml").write_text(space.replace("KEY", key))
    problems = problems_of(study.replace("KEY", key))
    assert says_so(problems, file), problems
    assert "Keys should" not in str(problems)


def test_a_key_that_is_no_text_is_told_with_what_to_write() -> None:
    assert problems_of(f"{STUDY}sizes: {{: {{trials: 1}}}}\n") == (
        "shop.yaml:8:10: a key must be a text, got null; write it before the colon",
    )
    assert problems_of(f"{STUDY}sizes: {{1: {{trials: 1}}}}\n") == (
        "shop.yaml:8:9: keys in 'sizes' must be texts, got 1; write it in quotes",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variants", "{a: {nope: 1}}"),
        ("variants", '{"../x": {trials: 1}}'),
        ("variants.a", "{trials: 2}"),
        ("sizes", '{"a/b": {}}'),
        ("sizes", "{}"),
        ("sizes.a.trials", "2"),
    ],
)
@pytest.mark.parametrize("forms", ["", "sizes: {a: {trials: 1}}\nvariants: {a: {trials: 2}}\n"])
def test_sizes_and_variants_cannot_be_set_as_nothing_would_read_them(
    forms: str, name: str, value: str
) -> None:
    Path("shop.yaml").write_text(STUDY + forms)
    overrides = {name: Override(read_value(value, "--set"), f"--set {name}")}
    with pytest.raises(ConfigurationError, match=f"--set {name}: '{name}' cannot be set"):
        load_study("shop.yaml", overrides=overrides)
