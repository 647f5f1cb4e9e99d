"""Winner: the chosen model of the arm in focus, part by part from inputs to logits, with counts and widths."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from hinet_search.compare import chosen, title
from hinet_search.insight import ModelPart
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading, shown
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.markup import note, prose, tag

ORDER = 44
WHOLE = ("Experts", "Gate")  # drawn as one box, whatever they are made of


def build(record: StudyRecord) -> Card:
    """A box for each part, its own parts beside each other inside."""
    arm = reading.focus_of(record)
    finalist = chosen(arm) if arm else None
    if arm is None or finalist is None:
        raise NotApplicable("needs finalists; the launch command trains them once the trials are done")
    parts = shown.parts(finalist)
    if not parts:
        raise NotApplicable(
            "needs the parts of the model, which only networks have and only finalists trained by this version keep"
        )
    boxes = [tag("div", *_box(part, inside), class_="piece") for part, inside in _outer(parts)]
    cost = finalist.runs[0].cost
    lead = (
        f"{title(arm.name)} from its inputs (top) to its logits: {numbers.compact(cost.parameters)} parameters, "
        f"{numbers.compact(cost.dense_parameters)} of them outside the embeddings."
    )
    which = "the default configuration" if finalist.is_default else f"that of trial {finalist.trial_number}"
    explained = prose(
        "3 × 64: three outputs of width 64 for a row or, where every scenario has its own, for all scenarios. "
        "Behind it: parameters. Names are those that `hinet-search describe` prints."
    )
    return Card(
        "winner",
        "Why",
        f"The chosen {title(arm.name)} is {which}",
        lead,
        tag("div", *boxes, class_="arch") + note(explained),
        half=True,
    )


def _outer(parts: Sequence[ModelPart]) -> Iterator[tuple[ModelPart, list[tuple[str, ModelPart]]]]:
    """Every outermost part with the parts inside it that are drawn, by their path."""
    starts = [index for index, part in enumerate(parts) if part.depth == 1]
    for start, end in zip(starts, [*starts[1:], len(parts)], strict=True):
        yield parts[start], list(_leaves(parts[start + 1 : end]))


def _leaves(parts: Sequence[ModelPart]) -> Iterator[tuple[str, ModelPart]]:
    path: dict[int, str] = {}
    whole_above = 0  # depth of the part drawn as one whose own parts are being passed
    for index, part in enumerate(parts):
        path = {depth: name for depth, name in path.items() if depth < part.depth} | {part.depth: part.name}
        if whole_above and part.depth > whole_above:
            continue
        whole_above = part.depth if part.kind in WHOLE else 0
        has_parts = index + 1 < len(parts) and parts[index + 1].depth > part.depth
        if whole_above or not has_parts:
            yield ".".join(path[depth] for depth in sorted(path)), part


def _box(part: ModelPart, inside: Sequence[tuple[str, ModelPart]]) -> Iterator[Markup]:
    yield tag("b", part.name)
    yield tag("small", f" {_size(part)}, {numbers.compact(part.parameters)} parameters")
    if len(inside) > 1:
        yield tag("div", *(_inner(*one) for one in inside))


def _inner(name: str, part: ModelPart) -> Markup:
    return tag("span", name, tag("b", _size(part)), tag("small", numbers.compact(part.parameters)))


def _size(part: ModelPart) -> str:
    return f"{part.count} × {part.width}" if part.count > 1 else str(part.width)
