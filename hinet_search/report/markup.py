"""Markup: HTML built from values, where every plain string is escaped and only Markup passes."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

Content = str | int | Markup

_EMPTY = Markup("")
_VOID = frozenset({"br"})


def tag(name: str, *children: Content, **attributes: str | bool) -> Markup:
    """An element. `class_` is class, other underscores become dashes; True is a bare attribute, False or "" none."""
    written = _EMPTY.join(
        Markup(" {}").format(_attribute(key)) if value is True else Markup(' {}="{}"').format(_attribute(key), value)
        for key, value in attributes.items()
        if value is not False and value != ""
    )
    opened = Markup("<{}{}>").format(Markup(name), written)  # noqa: S704  # names are literals of this package
    return opened if name in _VOID else opened + join(children) + Markup("</{}>").format(Markup(name))  # noqa: S704


def join(parts: Iterable[Content]) -> Markup:
    """Parts one after another, each escaped unless it is Markup."""
    return _EMPTY.join(escape(part) for part in parts)


def prose(text: str) -> Markup:
    """A sentence in which `backticks` set what is typed."""
    return join(tag("code", part) if k % 2 else part for k, part in enumerate(text.split("`")))


def head(*titles: Content, numeric_from: int = 1) -> Markup:
    """A header row; columns from `numeric_from` on are right-aligned. Markup must be a <th>."""
    cells = [
        text if isinstance(text, Markup) else column(text, "r" if i >= numeric_from else "")
        for i, text in enumerate(titles)
    ]
    return tag("thead", tag("tr", *cells))


def column(content: Content, class_: str = "") -> Markup:
    """The header of a column."""
    return tag("th", content, scope="col", class_=class_)


def unnamed(spoken: str) -> Markup:
    """The header of a column that shows a drawing: nothing to see, but something to hear."""
    return column(tag("span", spoken, class_="sr"))


def row(name: Content, *cells: Content, class_: str = "") -> Markup:
    """A body row: its name, then cells; plain text becomes a numeric cell, Markup must be a <td>."""
    written = [cell if isinstance(cell, Markup) else number(cell) for cell in cells]
    return tag("tr", tag("th", name, scope="row"), *written, class_=class_)


def number(text: Content, class_: str = "") -> Markup:
    """A cell as cells are: right-aligned, tabular figures."""
    return tag("td", text, class_=class_)


def words(*text: Content, class_: str = "") -> Markup:
    """A left-aligned cell of running text."""
    return tag("td", *text, class_=f"t {class_}".strip())


def table(header: Markup, rows: Sequence[Markup], class_: str = "") -> Markup:
    """A table of a header and body rows."""
    return tag("table", header, tag("tbody", *rows), class_=class_)


def scroll(label: str, content: Markup) -> Markup:
    """A region that scrolls sideways by itself and by keyboard, so that the page never does."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)


def details(summary: Content, content: Markup, *, on_paper: bool = False) -> Markup:
    """A block that opens on a click. Paper has what was opened, and what belongs there whether it was opened or not."""
    return tag("details", tag("summary", summary), tag("div", content), class_="paper" if on_paper else "")


def folds(blocks: Iterable[Markup]) -> Markup:
    """Blocks that open on a click, beside each other while they are closed."""
    return tag("div", *blocks, class_="folds")


def note(*text: Content) -> Markup:
    """A small muted paragraph under or above a figure."""
    return tag("p", *text, class_="note")


def _attribute(key: str) -> Markup:
    return Markup(key.rstrip("_").replace("_", "-"))  # noqa: S704  # keyword names of our own calls
