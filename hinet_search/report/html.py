"""Markup: build HTML from values; plain strings are escaped, only Markup is inserted as it is."""

from collections.abc import Iterable

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
    opened = Markup("<{}").format(element)
    for key, value in attributes.items():
        attribute = Markup(key.rstrip("_").replace("_", "-"))  # keyword names of our own calls
        if value is True:
            opened += Markup(" {}").format(attribute)
        elif value is not False and value != "":
            opened += Markup(' {}="{}"').format(attribute, value)
    opened += Markup(">")
    if name in _VOID:
        return opened
    return opened + join(children) + Markup("</{}>").format(element)


def join(parts: Iterable[Content]) -> Markup:
    """Concatenate parts, each escaped unless it is Markup."""
    return _EMPTY.join(map(escape, parts))


def prose(text: str) -> Markup:
    """Return a sentence in which `backticks` mark code."""
    return join(tag("code", part) if k % 2 else part for k, part in enumerate(text.split("`")))


def head(*titles: Content, numeric_from: int = 1) -> Markup:
    """Return a header row, right-aligned from column `numeric_from` on. Markup must be a <th>."""
    written = []
    for place, title in enumerate(titles):
        class_ = "r" if place >= numeric_from else ""
        written.append(title if isinstance(title, Markup) else column(title, class_))
    return tag("thead", tag("tr", join(written)))


def columns(titles: Iterable[Content]) -> Markup:
    """Return the headers of several columns of numbers."""
    return join(column(title, "r") for title in titles)


def column(content: Content, class_: str = "") -> Markup:
    """Return the header of a column."""
    return tag("th", content, scope="col", class_=class_)


def measure(name: str, below: str) -> Markup:
    """Return the header of a column of numbers, with a small line below its name."""
    return column(join([name, tag("br"), tag("small", below)]), "r")


def unnamed(spoken: str) -> Markup:
    """Return the header of a column of drawings, for screen readers only."""
    return column(tag("span", spoken, class_="sr"))


def row(name: Content, *values: Content, class_: str = "") -> Markup:
    """Return a body row: its name, then cells, of plain text (numeric) or Markup (<td>s)."""
    return tag("tr", tag("th", name, scope="row"), cells(values), class_=class_)


def cells(values: Iterable[Content]) -> Markup:
    """Return several cells, of plain text (numeric) or Markup (<td>s)."""
    return join(value if isinstance(value, Markup) else number(value) for value in values)


def number(text: Content, class_: str = "") -> Markup:
    """Return a numeric cell: right-aligned, with tabular figures."""
    return tag("td", text, class_=class_)


def words(text: Content, class_: str = "") -> Markup:
    """Return a left-aligned cell of text."""
    return tag("td", text, class_=f"t {class_}".strip())


def remarked(content: Content, remark: str) -> Markup:
    """Return content with a small remark after it."""
    return join([content, " ", tag("small", remark)])


def table(label: str, header: Markup, rows: Iterable[Markup], class_: str = "") -> Markup:
    """Return a table with a header and body rows, in a region that scrolls sideways."""
    body = tag("tbody", join(rows))
    return scroll(label, tag("table", caption(label), header, body, class_=class_))


def caption(label: str) -> Markup:
    """Return the caption of a table, for screen readers only: a heading is drawn above it."""
    return tag("caption", label, class_="sr")


def scroll(label: str, content: Markup) -> Markup:
    """Return a region that scrolls sideways, also by keyboard, so that the page never does."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)


def details(summary: Content, content: Markup, *, on_paper: bool = False) -> Markup:
    """Return a block that opens on a click; `on_paper` opens it for printing."""
    class_ = "paper" if on_paper else ""
    return tag("details", tag("summary", summary), tag("div", content), class_=class_)


def folds(blocks: Iterable[Markup]) -> Markup:
    """Return folded blocks, side by side while they are closed."""
    return tag("div", join(blocks), class_="folds")


def bullets(lines: Iterable[Content], class_: str = "") -> Markup:
    """Return a list with an item per line."""
    return tag("ul", join(tag("li", line) for line in lines), class_=class_)


def code_block(text: str) -> Markup:
    """Return lines of code that scroll by keyboard, too."""
    return tag("pre", tag("code", text), tabindex="0")


def note(text: Content) -> Markup:
    """Return a small muted paragraph, above or below a figure."""
    return tag("p", text, class_="note")
