"""Guesses of lists: which texts are lists of entries, and which columns of lists are attributes."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hinet_search.data.guess.column_facts import facts_of, numbered
from hinet_search.data.guess.column_roles import guess_roles
from hinet_search.data.guess.lists import GuessedList, guess_lists
from hinet_search.data.guess.roles import ColumnRoles
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.data.prepare import prepare
from hinet_search.study.load_study import load_study

N = 600
GENRES = ["Action", "Comedy", "Drama", "War", "Film Noir", "Crime"]


def joined(words: list[str], separator: str, most: int = 4, least: int = 1) -> list[str]:
    """Return N texts of a varying number of words."""
    draw = np.random.default_rng(0)
    counts = draw.integers(least, most + 1, N)
    return [separator.join(draw.choice(words, count, replace=False)) for count in counts]


def table(**columns: object) -> pl.DataFrame:
    """A table with a label, a scenario, an item and a number beside the given columns."""
    fixed = {
        "is_click": [0, 1] * (N // 2),
        "scene": ["a", "b", "c"] * (N // 3),
        "item_id": [number * 7 for number in range(60)] * (N // 60),
        "price": np.random.default_rng(1).random(N),
    }
    return pl.DataFrame({**fixed, **columns})


def guessed(**columns: object) -> tuple[ColumnRoles, tuple[GuessedList, ...]]:
    lazy = table(**columns).lazy()
    return guess_lists(numbered(lazy), guess_roles(facts_of(lazy)))


@pytest.mark.parametrize("separator", ["|", ";", ",", "/", ", "])
def test_texts_of_entries_that_repeat_are_lists(separator: str) -> None:
    roles, (list_,) = guessed(genres=joined(GENRES, separator))
    assert (list_.column.name, list_.separator) == ("genres", separator.strip())
    assert (list_.reason, list_.length) == ("6 entries, at most 4 a row", 4)
    assert "genres" not in {role.column.name for role in (*roles.categorical, *roles.left_out)}


def test_texts_that_no_two_rows_share_may_be_lists() -> None:
    words = [f"tag {number}" for number in range(40)]
    texts = sorted(set(joined(words, "|", most=8, least=3)))
    assert len(texts) > 0.95 * N
    texts += texts[: N - len(texts)]
    roles, (list_,) = guessed(keywords=texts)
    assert list_.reason == "40 entries, at most 8 a row"
    assert "keywords" not in {role.column.name for role in roles.left_out}


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("dates", [f"{1 + n % 28:02d}/{1 + n % 12:02d}/{2020 + n % 5}" for n in range(N)]),
        ("iso dates", [f"2026-05-{1 + n % 28:02d}" for n in range(N)]),
        ("decimal commas", [f"{n % 50},{n % 10}" for n in range(N)]),
        ("thousands", [f"{1 + n % 9},{n % 7}00,{n % 3}00" for n in range(N)]),
        ("coordinates", [f"{40 + n % 9}.5,{10 + n % 7}.25" for n in range(N)]),
        (
            "free text",
            [f"I like number {n}, and also that it has {n % 7} of these, really" for n in range(N)],
        ),
        ("names", [f"Smith{n % 20}, Ann{n % 17}" for n in range(N)]),
        ("few texts", ["a|b", "c", "a|c"] * (N // 3)),
        ("entries of one text each", [f"x{n}|y{n}" if n % 2 else f"z{n}" for n in range(N)]),
        ("seldom separated", ["home", "search", "a|b", *["home"] * 37] * (N // 40)),
        ("only separators", ["|", "||", "|||", "||||", ""] * (N // 5)),
    ],
)
def test_other_texts_are_no_lists(name: str, texts: list[str]) -> None:
    before = guess_roles(facts_of(table(**{name: texts}).lazy()))
    assert guessed(**{name: texts}) == (before, ())


def test_texts_of_items_of_the_table_are_a_history_that_is_left_out() -> None:
    ids = [str(number * 7) for number in range(60)]
    roles, lists = guessed(before=joined(ids, ","))
    assert lists == ()
    (left,) = (role for role in roles.left_out if role.column.name == "before")
    assert left.reason == (
        "texts of values of 'item_id' with ',' between them; to use them see `lists` in "
        "docs/data.md (`item`, `separator`): they must end before the first row"
    )


def test_numbers_that_few_of_the_items_have_too_are_no_history() -> None:
    _, (list_,) = guessed(tags=joined([str(7 * number) for number in range(8)], ","))
    assert list_.reason == "8 entries, at most 4 a row"


def test_lists_alone_are_no_features_of_a_study() -> None:
    fixed = {"is_click": [0, 1] * (N // 2), "scene": ["a", "b", "c"] * (N // 3)}
    lazy = pl.DataFrame({**fixed, "genres": joined(GENRES, "|")}).lazy()
    roles = guess_roles(facts_of(lazy))
    assert guess_lists(numbered(lazy), roles) == (roles, ())


def test_the_written_lists_can_be_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table(genres=joined(GENRES, "|")).write_parquet("rows.parquet")
    write_draft(Path("rows.parquet"), None, force=False)
    text = Path("data/rows.yaml").read_text()
    assert (
        '    genres: {column: genres, separator: "|", length: 4}   # 6 entries, at most 4 a row\n'
    ) in text
    study = load_study("studies/rows.yaml")
    dataset = prepare(study.spec.data, study.folder, tmp_path / "cache", lambda _: None)
    assert [list_.name for list_ in dataset.full_schema.lists] == ["genres"]
    assert dataset.full_schema.vocabulary_sizes[-1:] == (7,)
