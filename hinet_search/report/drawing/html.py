"""Markup: build HTML from values; plain strings are escaped, only Markup is inserted as it is."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

Content = str | int | Markup
AttributeValue = str | bool

_EMPTY = Markup("")
_VOID = frozenset({"br"})


def tag(name: str, *children: Content, **attributes: AttributeValue) -> Markup:
    """Return an element.

    `class_` is written `class`, other underscores become dashes. True gives a bare attribute, False
    or "" none.
    """
    element = Markup(name)  # names are literals of this package
    written = _EMPTY.join(_written(key, value) for key, value in attributes.items())
    opened = Markup("<{}{}>").format(element, written)
    if name in _VOID:
        return opened
    return opened + join(children) + Markup("</{}>").format(element)


def join(parts: Iterable[Content]) -> Markup:
    """Concatenate parts, each escaped unless it is Markup."""
    return _EMPTY.join(escape(part) for part in parts)


def prose(text: str) -> Markup:
    """Return a sentence in which `backticks` mark code."""
    return join(tag("code", part) if k % 2 else part for k, part in enumerate(text.split("`")))


def head(*titles: Content, numeric_from: int = 1) -> Markup:
    """Return a header row, right-aligned from column `numeric_from` on. Markup must be a <th>."""
    cells = [
        text if isinstance(text, Markup) else column(text, "r" if i >= numeric_from else "")
        for i, text in enumerate(titles)
    ]
    return tag("thead", tag("tr", *cells))


def column(content: Content, class_: str = "") -> Markup:
    """Return the header of a column."""
    return tag("th", content, scope="col", class_=class_)


def unnamed(spoken: str) -> Markup:
    """Return the header of a column of drawings, for screen readers only."""
    return column(tag("span", spoken, class_="sr"))


def row(name: Content, *cells: Content, class_: str = "") -> Markup:
    """Return a body row: its name, then cells, of plain text (numeric) or Markup (a <td>)."""
    written = [cell if isinstance(cell, Markup) else number(cell) for cell in cells]
    return tag("tr", tag("th", name, scope="row"), *written, class_=class_)


def number(text: Content, class_: str = "") -> Markup:
    """Return a numeric cell: right-aligned, with tabular figures."""
    return tag("td", text, class_=class_)


def words(*text: Content, class_: str = "") -> Markup:
    """Return a left-aligned cell of text."""
    return tag("td", *text, class_=f"t {class_}".strip())


def table(header: Markup, rows: Sequence[Markup], class_: str = "") -> Markup:
    """Return a table with a header and body rows."""
    return tag("table", header, tag("tbody", *rows), class_=class_)


def scroll(label: str, content: Markup) -> Markup:
    """Return a region that scrolls sideways, also by keyboard, so that the page never does."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)


def details(summary: Content, content: Markup, *, on_paper: bool = False) -> Markup:
    """Return a block that opens on a click; `on_paper` opens it for printing."""
    return tag(
        "details", tag("summary", summary), tag("div", content), class_="paper" if on_paper else ""
    )


def folds(blocks: Iterable[Markup]) -> Markup:
    """Return folded blocks, side by side while they are closed."""
    return tag("div", *blocks, class_="folds")


def note(*text: Content) -> Markup:
    """Return a small muted paragraph, above or below a figure."""
    return tag("p", *text, class_="note")


def _written(key: str, value: AttributeValue) -> Markup:
    if value is False or value == "":
        return _EMPTY
    name = Markup(key.rstrip("_").replace("_", "-"))  # keyword names of our own calls
    if value is True:
        return Markup(" {}").format(name)
    return Markup(' {}="{}"').format(name, value)
