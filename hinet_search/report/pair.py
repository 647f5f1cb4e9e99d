"""Pair: two studies of the same data in, one page out: every arm against itself, and what else differed."""

from collections.abc import Iterator

from markupsafe import Markup

from hinet_search.compare import Contrast, headline, title, trials_done
from hinet_search.compare.across import across, common_arms, refuse_other_data, sentence
from hinet_search.records import ArmRecord, ParameterRange, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.baselines import how_drawn
from hinet_search.report.card import Card
from hinet_search.report.figures import ForestRow, forest
from hinet_search.report.markup import head, note, row, scroll, table, tag, words
from hinet_search.report.page import environment, source

Difference = tuple[str, str, str]  # what, before, after


def render_pair(before: StudyRecord, after: StudyRecord) -> str:
    """The page; ConfigurationError when the two studies cannot be compared."""
    refuse_other_data(before, after)
    found, templates = across(before, after), environment()
    said = sentence(before, after)
    return templates.get_template("pair.html").render(
        title=said,
        heading=said,
        names=(before.name, after.name),
        forest=_forest(before, after, found),
        cards=(_differences(before, after), _limits(before, after)),
        script=Markup(source(templates, "script.js")),  # noqa: S704  # our own file
    )


def _forest(before: StudyRecord, after: StudyRecord, found: tuple[Contrast, ...]) -> Markup:
    rows = [ForestRow(title(one.arm), "", one.difference, one.reason) for one in found]
    picture = forest(rows, "Arm", f"Gain of {after.name}")
    measure = reading.metric_in_words(headline(after.objective))
    lower = "" if after.maximize else f" Lower {measure} is better; a positive gain means lower."
    legend = (
        f"Gain of the chosen finalist of {after.name} over that of {before.name} in {measure} on test "
        f"({after.data.split}), difference of the means over seeds. {how_drawn(found, 'arm')}{lower}"
    )
    return picture + note(legend)


def _differences(before: StudyRecord, after: StudyRecord) -> Card:
    found = [one for one in _facts(before, after) if one[1] != one[2]]
    if not found:
        return Card("differs", "", "Nothing else that is recorded differs", "", Markup(""))
    rows = [row(what, words(old), words(new)) for what, old, new in found]
    header = head("What", before.name, after.name, numeric_from=9)
    heading = f"{len(found)} recorded thing{'s differ' if len(found) > 1 else ' differs'}"
    return Card(
        "differs", "", heading, "A gain goes with all of these together.",
        scroll("What differs", table(header, rows, class_="words")),
    )  # fmt: skip


def _facts(before: StudyRecord, after: StudyRecord) -> Iterator[Difference]:
    both = (before, after)

    def fact(what: str, old: object, new: object) -> Difference:
        return what, str(old), str(new)

    for what, name in (
        ("Trials per arm", "trials"),
        ("Passes", "passes"),
        ("Seeds per finalist", "finalist_seeds"),
        ("Finalists per arm", "finalist_top"),
        ("Limit of cost", "cost_limit"),
    ):
        yield fact(what, *(getattr(one.budget, name) or "none" for one in both))
    for what, name in (("Objective", "objective"), ("Sampler", "sampler"), ("Pruner", "pruner"), ("Seed", "seed")):
        yield fact(what, *(getattr(one, name) for one in both))
    for old, new in common_arms(before, after):
        yield fact(f"Trials of {title(new.name)}", trials_done(old), trials_done(new))
        settings = [_settings(one) for one in (old, new)]
        yield fact(f"Settings of {title(new.name)}", _further(*settings), _further(*settings[::-1]))
    for name in dict.fromkeys([*before.versions, *after.versions]):
        yield fact(f"Version: {name}", *(one.versions.get(name, "not recorded") for one in both))


def _settings(arm: ArmRecord) -> dict[str, str]:
    """What the arm fixed or searched, in words."""
    return {
        **{name: numbers.setting(value) for name, value in arm.fixed.items()},
        **{searched.name: _range(searched) for searched in arm.ranges},
    }


def _range(searched: ParameterRange) -> str:
    if searched.low is None or searched.high is None:
        return f"one of {', '.join(searched.choices)}"
    return f"{searched.low:g} to {searched.high:g}{', log' if searched.log else ''}"


def _further(mine: dict[str, str], others: dict[str, str]) -> str:
    """What of mine is not in the other study too."""
    return "; ".join(f"{name}: {said}" for name, said in mine.items() if others.get(name) != said) or "nothing else"


def _limits(before: StudyRecord, after: StudyRecord) -> Card:
    shared = {new.name for _, new in common_arms(before, after)}
    alone = [f"{title(arm.name)} ({one.name})" for one in (before, after) for arm in one.arms if arm.name not in shared]
    openings = max(before.test_openings, after.test_openings)
    lines = [
        (
            f"Both studies read the same rows of test (fingerprint {after.data.fingerprint}), which were opened "
            f"{numbers.plural(openings, 'time')}: with every opening a difference by chance is likelier."
        ),
        (
            "Each side is the best of its own search. What differs between two searches is all that differs between the "
            "two studies, so a gain here belongs to no single setting."
        ),
    ]
    lines += [f"In one study only, and not compared: {', '.join(alone)}."] if alone else []
    return Card("limits", "", "What this can say", "", tag("ul", *(tag("li", line) for line in lines), class_="said"))
