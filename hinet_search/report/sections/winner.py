"""Winner: the chosen model of the focus arm, part by part from inputs to logits, with sizes."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.sections import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import ModelPart
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 44
WHOLE = ("Experts", "Gate")  # kinds drawn as one box, without their own parts


def build(record: StudyRecord) -> Card:
    """Build a box per part, with its own parts side by side inside."""
    arm = record_facts.focus_of(record)
    finalist = chosen(arm)
    if arm is None or finalist is None:
        raise NotApplicable(NEEDS_FINALISTS)
    parts = finalist.runs[0].insight.parts  # the same for every seed
    if not parts:
        raise NotApplicable(
            "needs the parts of the model, which are recorded for networks trained by this version"
        )
    outermost = [index for index, part in enumerate(parts) if part.depth == 1]
    boxes = []
    for start, end in zip(outermost, [*outermost[1:], len(parts)], strict=True):
        boxes.append(_box(parts[start], parts[start + 1 : end]))
    cost = finalist.runs[0].cost
    lead = (
        f"{title(arm.name)} from its inputs (top) to its logits: "
        f"{numbers.compact(cost.parameters)} parameters, "
        f"{numbers.compact(cost.dense_parameters)} of them outside the embeddings."
    )
    configuration = f"the configuration of trial {finalist.trial_number}"
    if finalist.is_default:
        configuration = "the default configuration"
    explained = html.prose(
        "3 × 64: three outputs of width 64 for a row, or over all scenarios if each has its own. "
        "Then: parameters. Names are those that `hinet-search describe` prints."
    )
    heading = f"The chosen {title(arm.name)} is {configuration}"
    body = html.tag("div", html.join(boxes), class_="arch") + html.note(explained)
    return Card("winner", "Why", heading, lead, body, folded=True)


def _box(part: ModelPart, inside: Sequence[ModelPart]) -> Markup:
    """Return the box of an outermost part, with the drawn parts inside it if there are several."""
    drawn = []
    for name, leaf in _leaves(inside):
        parameters = html.tag("small", numbers.compact(leaf.parameters))
        drawn.append(html.tag("span", name, html.tag("b", _size(leaf)), parameters))
    content = [
        html.tag("b", part.name),
        html.tag("small", f" {_size(part)}, {numbers.compact(part.parameters)} parameters"),
    ]
    if len(drawn) > 1:
        content.append(html.tag("div", html.join(drawn)))
    return html.tag("div", html.join(content), class_="piece")


def _leaves(parts: Sequence[ModelPart]) -> Iterator[tuple[str, ModelPart]]:
    """Yield the parts to draw, as (path, part)."""
    path: dict[int, str] = {}  # names of the part and of those around it, by depth
    whole_above = 0  # depth of the last part drawn as one box, whose own parts are skipped
    for index, part in enumerate(parts):
        path = {depth: name for depth, name in path.items() if depth < part.depth}
        path[part.depth] = part.name
        if whole_above and part.depth > whole_above:
            continue
        whole_above = part.depth if part.kind in WHOLE else 0
        has_parts = index + 1 < len(parts) and parts[index + 1].depth > part.depth
        if whole_above or not has_parts:
            yield ".".join(path[depth] for depth in sorted(path)), part


def _size(part: ModelPart) -> str:
    return f"{part.count} × {part.width}" if part.count > 1 else str(part.width)
