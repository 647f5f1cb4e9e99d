"""A YAML file is refused with file, line, key, what must hold, what was got, and the nearest remedy."""

import contextlib
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from hinet_search.common.errors import ConfigurationError
from hinet_search.common.frozen_model import Frozen
from hinet_search.study.yaml_file import MAX_BYTES, Override, YamlFile, read, read_value, validated


class Leaf(Frozen):
    depth: Annotated[int, Field(ge=1)] = 1
    rate: float = 0.1
    name: str | None = None
    shuffled: bool = False
    layout: Literal["shared", "global"] = "shared"


class Circle(Frozen):
    kind: Literal["circle"]
    radius: float


class Square(Frozen):
    kind: Literal["square"]
    width: float = 1.0

    @model_validator(mode="after")
    def _positive(self) -> "Square":
        if self.width <= 0:
            raise ValueError(f"needs width > 0, got {self.width}")
        return self


class Tree(Frozen):
    leaf: Leaf = Leaf()
    leaves: dict[Annotated[str, Field(min_length=1)], Leaf] = Field(default_factory=dict)
    row: tuple[Leaf, ...] = ()
    shape: Annotated[Circle | Square, Field(discriminator="kind")] | None = None
    value: bool | int | float | str | tuple[int, ...] | None = None
    values: dict[str, str | tuple[int, ...]] = Field(default_factory=dict)
    words: Annotated[tuple[str, ...], Field(min_length=1)] = ("a",)


@pytest.fixture
def write(folder: Path) -> Any:
    """Writes a.yaml in the current folder and reads it."""

    def write(text: str | bytes) -> YamlFile:
        Path("a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return read(Path("a.yaml"))

    return write


def problems(call: Any, *arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        call(*arguments)
    return caught.value.problems


CONTENTS = {
    "a number with an exponent and no dot": ("1e-3", 0.001),
    "no": ("no", "no"),
    "yes": ("yes", "yes"),
    "on": ("on", "on"),
    "true": ("true", True),
    "an integer": ("12", 12),
    "grouped digits": ("1_000", 1000),
    "a leading zero": ("010", 10),
    "minutes and seconds": ("1:30", "1:30"),
    "a quoted number": ("'5'", "5"),
    "a date": ("2022-05-03", "2022-05-03"),
    "a date and time": ("2022-05-03 10:00:00", "2022-05-03T10:00:00"),
    "nothing": ("", None),
    "a list": ("[1, a]", [1, "a"]),
    "a mapping": ("{b: {c: 1.5}}", {"b": {"c": 1.5}}),
    "an exclamation mark in a text": ("stop!", "stop!"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_a_value_means_what_yaml_1_2_says(write: Any, case: str) -> None:
    written, meant = CONTENTS[case]
    got = write(f"a: {written}\n").tree["a"]
    assert (got, type(got)) == (meant, type(meant))


def test_a_value_that_is_used_twice_through_an_alias_is_there_twice(write: Any) -> None:
    assert write("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n").tree == {
        "a": {"b": 1},
        "c": {"b": 1},
        "d": {"b": 1, "e": 2},
    }


def test_a_date_as_key_is_text_and_has_its_line(write: Any) -> None:
    file = write("a: 1\n2022-05-03: {b: 1}\n")
    assert file.tree["2022-05-03"] == {"b": 1}
    assert file.place(("2022-05-03", "b")) == "a.yaml:2:14"


def test_a_byte_order_mark_is_no_part_of_the_first_key(write: Any) -> None:
    assert write(b"\xef\xbb\xbfa: 1").tree == {"a": 1}


def test_a_file_in_the_contract_becomes_its_type(write: Any) -> None:
    tree = write("leaf: {depth: 3}\nshape: {kind: circle, radius: 2}\n").parse(Tree)
    assert tree == Tree(leaf=Leaf(depth=3), shape=Circle(kind="circle", radius=2.0))


NO_YAML = {
    "a key twice": ("a: 1\nb: 2\na: 3\n", "a.yaml:3:1: is not valid YAML: key 'a' is written twice, first on line 1"),
    "a key twice inside": ("a:\n  b: 1\n  b: 2\n", "a.yaml:3:3: is not valid YAML: key 'b' is written twice, first on line 2"),
    "a list left open": ("a: 1\nb: [1\n", "a.yaml:3:1: is not valid YAML: expected ',' or ']', but got '<stream end>'"),
    "a tab": ("a:\n\tb: 1\n", "a.yaml:2:1: is not valid YAML: found character '\\t' that cannot start any token"),
    "an alias of nothing": ("a: 1\nb: *c\n", "a.yaml:2:4: is not valid YAML: found undefined alias 'c'"),
    "two documents": ("a: 1\n---\nb: 1\n", "a.yaml:2:1: is not valid YAML: another document begins, a file holds one"),
    "the 13th month": ("a: 2022-13-01\n", "a.yaml:1:1: is not valid YAML: month must be in 1..12"),
    "a NUL": ("a: \0\n", "a.yaml:1:4: is not valid YAML: unacceptable character #x0000: special characters are not allowed"),
    "bytes that are no UTF-8": (b"a: 1\nb: \xff\n", "a.yaml:2: must be text in UTF-8: invalid start byte"),
    "nothing": ("# only a comment\n", "a.yaml:1: must hold a mapping of keys, got nothing"),
    "a list": ("- a\n", "a.yaml:1: must hold a mapping of keys, got a list"),
    "a word": ("quickstart\n", "a.yaml:1: must hold a mapping of keys, got 'quickstart'"),
    "infinity": ("a: 1\nb: .inf\n", "a.yaml:2:1: numbers must be finite, got inf"),
    "no number": ("a: [1, .nan]\n", "a.yaml:1:8: numbers must be finite, got nan"),
    "a number too large": ("a: -1e999\n", "a.yaml:1:1: numbers must be finite, got -inf"),
    "half a character": ('a: "\\ud800"\n', "a.yaml:1:1: text must hold whole characters, got '\\ud800'"),
    "a list as key": ("a: 1\n? [b, c]\n: 1\n", "a.yaml:2:3: a key must be a text, got a list"),
    "an alias inside what it names": (
        "a: 1\nb: &b {c: [*b]}\n", "a.yaml:2:12: is not valid YAML: alias 'b' refers to a value that contains it",
    ),
    "a merge of itself": ("a: &a {<<: *a}\n", "a.yaml:1:12: is not valid YAML: alias 'a' refers to a value that contains it"),
    "a merge of a number": ("a: {<<: 1}\n", "a.yaml:1:9: is not valid YAML: '<<' must name a mapping or a list of mappings"),
    "a version of a later document": (
        "---\n%YAML 9.9\n---\na: 1\n",
        "a.yaml:2:1: is not valid YAML: found incompatible YAML document (version 1.* is required)",
    ),
    "YAML 1.1": ("%YAML 1.1\n---\na: no\n", "a.yaml:1:1: files are in YAML 1.2, without directives; leave %YAML 1.1 out"),
    "names for tags": (
        "%TAG ! tag:x,2000:\n---\na: 1\n", "a.yaml:1:1: files are in YAML 1.2, without directives; leave %TAG out",
    ),
    "an integer above 64 bits": (
        "a: 18446744073709551616\n", "a.yaml:1:1: whole numbers must fit into 64 bits, got 18446744073709551616",
    ),
    "an integer below 64 bits": (
        "a: [-9223372036854775809]\n", "a.yaml:1:5: whole numbers must fit into 64 bits, got -9223372036854775809",
    ),
    "an integer of 5,002 characters": (
        f"a: 0x{'f' * 5000}\n",
        f"a.yaml:1:1: whole numbers must fit into 64 bits, got 0x{'f' * 98}... (5,002 characters)",
    ),
    "a decimal of 5,000 digits": (
        f"a: {'1' * 5000}\n",
        f"a.yaml:1:1: whole numbers must fit into 64 bits, got {'1' * 100}... (5,000 characters)",
    ),
    "an integer without digits": ("a: 0x_\n", "a.yaml:1:1: whole numbers must fit into 64 bits, got 0x_"),
    "a tag on a text": ("a: 1\nb: !secret x\n", "a.yaml:2:4: tags are not allowed, got !secret"),
    "a tag on a mapping": ("a: 1\nb: !thing {c: 1}\n", "a.yaml:2:4: tags are not allowed, got !thing"),
    "a tag on the whole": ("!thing\na: 1\n", "a.yaml:1:1: tags are not allowed, got !thing"),
    "a tag of YAML's own": ("a: !!set {b, c}\n", "a.yaml:1:4: tags are not allowed, got tag:yaml.org,2002:set"),
    "a tag that runs code": (
        "a: !!python/object/apply:os.system ['touch owned']\n",
        "a.yaml:1:4: tags are not allowed, got tag:yaml.org,2002:python/object/apply:os.system",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_YAML)
def test_what_is_no_plain_mapping_is_refused_with_its_line(write: Any, case: str) -> None:
    text, message = NO_YAML[case]
    assert problems(write, text) == (message,)


def test_a_missing_file_is_an_error_with_its_path(folder: Path) -> None:
    assert problems(read, Path("b.yaml")) == ("b.yaml: cannot be read: No such file or directory",)


def test_a_file_of_a_million_bytes_is_read(write: Any) -> None:
    text = f"a: '{'x' * (MAX_BYTES - 5)}'"
    assert len(text) == MAX_BYTES
    assert len(write(text).tree["a"]) == MAX_BYTES - 5


def test_a_file_of_more_than_a_million_bytes_is_refused(write: Any) -> None:
    assert problems(write, f"a: '{'x' * (MAX_BYTES - 4)}'") == (
        "a.yaml: must be at most 1,000,000 bytes, got 1,000,001",
    )


def test_a_billion_values_through_nested_aliases_are_refused_within_a_second(write: Any) -> None:
    """Minimum of three runs, because the machine may be busy."""
    lines = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    took = []
    for _ in range(3):
        began = time.monotonic()
        (message,) = problems(write, "\n".join([f"a0: &a0 [{', '.join('x' * 10)}]", *lines]))
        took.append(time.monotonic() - began)
    assert min(took) < 1.0
    assert message.endswith(
        "must hold at most 100,000 values, at most 50 deep; are aliases nested?"
    )


@pytest.mark.parametrize("depth", [60, 20_000])
def test_a_list_in_a_list_many_times_is_refused(write: Any, depth: int) -> None:
    (message,) = problems(write, f"a: {'[' * depth}{']' * depth}")
    assert (
        message
        == "a.yaml:1:54: must hold at most 100,000 values, at most 50 deep; are aliases nested?"
    )


SHAPES = {
    "flow lists left open": "a: " + "[" * MAX_BYTES,
    "a list": "a: [" + "1, " * 330_000 + "1]",
    "merges of a large mapping": f"a: &a {{{', '.join(f'k{i}: 1' for i in range(30_000))}}}\n"
    + "".join(f"m{i}: {{<<: *a}}\n" for i in range(30_000)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_million_bytes_of_any_shape_are_done_with_in_ten_seconds(write: Any, shape: str) -> None:
    """Processor time, because the machine may be busy."""
    began = time.process_time()
    with contextlib.suppress(ConfigurationError):
        write(SHAPES[shape][:MAX_BYTES])
    assert time.process_time() - began < 10


def test_a_value_of_a_merged_mapping_has_the_place_where_it_is_written(write: Any) -> None:
    file = write("a: &a\n  b: 1\nc:\n  <<: *a\n")
    assert file.place(("c", "b")) == "a.yaml:2:3"


def test_of_merged_mappings_the_first_counts_and_own_keys_stand_over_both(write: Any) -> None:
    file = write("a: {<<: [{x: 1, y: 1}, {y: 2, z: 2}], z: 3}\n")
    assert file.tree == {"a": {"z": 3, "x": 1, "y": 1}}


def test_a_file_that_says_yaml_1_2_is_read(write: Any) -> None:
    assert write("%YAML 1.2\n---\na: no\n").tree == {"a": "no"}


WRONG = {
    "an unknown key": ("a: 1\nleave: {}\n", ["a.yaml:1:1: unknown key 'a'", "a.yaml:2:1: unknown key 'leave'; did you mean 'leaves'?"]),
    "an unknown key inside": ("leaf:\n  deph: 1\n", ["a.yaml:2:3: unknown key 'deph' in 'leaf'; did you mean 'depth'?"]),
    "an unknown key in a value of a mapping": (
        "leaves:\n  x: {}\n  y:\n    rat: 1\n", ["a.yaml:4:5: unknown key 'rat' in 'leaves.y'; did you mean 'rate'?"],
    ),
    "an unknown key in an item of a list": (
        "row:\n- depth: 1\n- depht: 1\n", ["a.yaml:3:3: unknown key 'depht' in 'row.1'; did you mean 'depth'?"],
    ),
    "an unknown key of one kind": (
        "shape:\n  kind: square\n  widht: 2\n", ["a.yaml:3:3: unknown key 'widht' in 'shape'; did you mean 'width'?"],
    ),
    "a key of another kind": (
        "shape:\n  kind: square\n  radius: 2\n", ["a.yaml:3:3: unknown key 'radius' in 'shape'"],
    ),
    "a missing key": ("leaf: {}\nshape:\n  kind: circle\n", ["a.yaml:2:1: key 'shape.radius' is needed and missing"]),
    "no kind": ("leaf: {}\nshape: {radius: 1}\n", ["a.yaml:2:1: key 'shape.kind' is needed and missing"]),
    "an unknown kind": (
        "leaf: {}\nshape: {kind: sqare}\n",
        ["a.yaml:2:1: shape.kind: must be one of circle, square, got 'sqare'; did you mean 'square'?"],
    ),
    "a word for a number": ("leaf:\n  rate: fast\n", ["a.yaml:2:3: leaf.rate: must be a number, got 'fast'"]),
    "a fraction for an integer": ("leaf: {depth: 1.5}\n", ["a.yaml:1:8: leaf.depth: must be an integer, got 1.5"]),
    "a list for an integer": ("leaf: {depth: [1]}\n", ["a.yaml:1:8: leaf.depth: must be an integer, got a list"]),
    "nothing for an integer": ("leaf: {depth: }\n", ["a.yaml:1:8: leaf.depth: must be an integer, got null"]),
    "a number for a text": ("leaf: {name: 5}\n", ["a.yaml:1:8: leaf.name: must be a text, got 5"]),
    "a word for true": ("leaf: {shuffled: maybe}\n", ["a.yaml:1:8: leaf.shuffled: must be true or false, got 'maybe'"]),
    "a number for a mapping": ("leaf: 5\n", ["a.yaml:1:1: leaf: must be a mapping of keys, got 5"]),
    "true for a mapping": ("leaves: true\n", ["a.yaml:1:1: leaves: must be a mapping of keys, got true"]),
    "a word for a list": ("row: x\n", ["a.yaml:1:1: row: must be a list, got 'x'"]),
    "a number too small": ("leaf: {depth: 0}\n", ["a.yaml:1:8: leaf.depth: must be greater than or equal to 1, got 0"]),
    "another word": ("leaf: {layout: both}\n", ["a.yaml:1:8: leaf.layout: must be 'shared' or 'global', got 'both'"]),
    "an empty list": ("words: []\n", ["a.yaml:1:1: words: must have at least one value, got an empty list"]),
    "a list with one wrong item": ("words: [5]\n", ["a.yaml:1:9: words.0: must be a text, got 5"]),
    "a number as key": ("leaves: {5: {}}\n", ["a.yaml:1:10: keys in 'leaves' must be texts, got 5; write it in quotes"]),
    "an empty key": ("leaves: {'': {}}\n", ["a.yaml:1:10: keys in 'leaves' must have at least one character"]),
    "a rule of the type": ("shape:\n  kind: square\n  width: -1\n", ["a.yaml:1:1: shape: needs width > 0, got -1.0"]),
    "a value that fits no member of a union": (
        "value: {a: 1}\n",
        ["a.yaml:1:1: value: must be true or false, an integer, a number, a text or a list, got a mapping"],
    ),
    "a value that is wrong inside one member of a union": (
        "values:\n  x: [1, b]\n", ["a.yaml:2:10: values.x.1: must be an integer, got 'b'"],
    ),
    "several problems": (
        "leaf:\n  deph: 1\n  rate: fast\nrow: x\n",
        [
            "a.yaml:3:3: leaf.rate: must be a number, got 'fast'",
            "a.yaml:2:3: unknown key 'deph' in 'leaf'; did you mean 'depth'?",
            "a.yaml:4:1: row: must be a list, got 'x'",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_value_of_the_wrong_type_is_reported_once_with_place_and_remedy(
    write: Any, case: str
) -> None:
    text, messages = WRONG[case]
    assert sorted(problems(write(text).parse, Tree)) == sorted(messages)


def test_the_place_of_a_key_that_is_not_written_is_its_parent(write: Any) -> None:
    file = write("a:\n  b: 1\nc:\n  - 1\n  - x: 2\n")
    assert file.place(("a", "b")) == "a.yaml:2:3"
    assert file.place(("a", "missing", "b")) == "a.yaml:2:3"
    assert file.place(("a", "missing")) == "a.yaml:1:1"
    assert file.place(("c", 1, "x")) == "a.yaml:5:5"
    assert file.place(("d",)) == "a.yaml:1"


def test_values_given_in_place_of_the_tree_are_reported_with_the_lines_of_the_file(
    write: Any,
) -> None:
    file = write("# comment\nleaf: ignored\n")
    assert problems(file.parse, Tree, {"leaf": {"deph": 1}}) == (
        "a.yaml:2:1: unknown key 'deph' in 'leaf'; did you mean 'depth'?",
    )


def test_values_that_come_from_no_file_are_reported_with_their_origin() -> None:
    assert problems(validated, Leaf, {"depth": 0}, "arm hinet: model") == (
        "arm hinet: model: depth: must be greater than or equal to 1, got 0",
    )


@given(text=st.text(st.sampled_from("ab:- \n[]{}!&*'\"#?|>%@,1.~<=\t0x"), max_size=60))
def test_any_text_is_a_mapping_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    with contextlib.suppress(ConfigurationError):
        assert isinstance(read(path).tree, dict)


def test_a_value_alone_means_what_it_means_in_a_file_and_is_refused_as_there() -> None:
    assert read_value("[1e-3, no]", "--set a") == [0.001, "no"]
    assert problems(read_value, '!!python/x ["id"]', "--set a") == (
        "--set a: tags are not allowed, got tag:yaml.org,2002:python/x",
    )


def test_a_file_that_has_changed_is_read_again(write: Any) -> None:
    assert [write(f"a: {number}\n").tree for number in (1, 2)] == [{"a": 1}, {"a": 2}]


def test_an_override_changes_no_other_reading_of_the_file(write: Any) -> None:
    text = "a:\n  b: 1\n"
    changed = write(text).with_overrides({("a", "b"): Override(2, "--set a.b=2")})
    again = write(text)
    assert (changed.tree, again.tree) == ({"a": {"b": 2}}, {"a": {"b": 1}})
    assert (changed.place(("a", "b")), again.place(("a", "b"))) == ("--set a.b=2", "a.yaml:2:3")
