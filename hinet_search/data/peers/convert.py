"""Convert: write what a configuration of another library says as a definition and a study."""

from collections.abc import Iterator
from dataclasses import dataclass

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.draft_files import (
    DraftStudy,
    check_size,
    draft_paths,
    write_drafts,
)
from hinet_search.data.peers.found import FoundConfiguration
from hinet_search.data.peers.row_links import (
    ALL,
    ONE_SCENARIO,
    SPLIT,
    check_free,
    found_files,
    link,
)
from hinet_search.data.peers.rules import Unread
from hinet_search.data.peers.written import (
    TableOfLinks,
    definition_of,
    settings_of_no_arm,
    study_of,
)

SCENARIO_IS_INPUT = "is the scenario, which is an input of its own"


@dataclass(frozen=True)
class ConvertedConfiguration:
    """What was written, and what is not carried over; `num_files` of rows were linked."""

    draft: DraftStudy
    unread: tuple[Unread, ...]
    num_files: int


def convert(
    found: FoundConfiguration, name: str | None, scenario: str | None, *, force: bool
) -> ConvertedConfiguration:
    """Write data/NAME.yaml, studies/NAME.yaml, and links to the rows below data/NAME.

    `scenario` is the column of the scenario, by default that of the configuration; without one
    there is one scenario. ConfigurationError if a file is there already (`force` overwrites it),
    or a column has two roles.
    """
    column = scenario or found.scenario
    _check_roles(found, column)
    paths = draft_paths(name, found.name, force=force)
    folder = paths.definition.with_suffix("")
    check_free(folder, force=force)
    files, problem = found_files(found.rows)
    has_scenario = bool(column)
    if not files:
        shape = f"{SPLIT}=train, valid and test"
        shape = shape if has_scenario else f"{ONE_SCENARIO}={ALL}/{shape}"
        problem = f"{problem}; put tables into {folder}/{shape}"
    table = TableOfLinks(f"../{folder.as_posix()}", column or ONE_SCENARIO, problem)
    unread = [
        *found.all_unread,
        *settings_of_no_arm(found),
        *_lost_to_scenario(found, column),
    ]
    text = definition_of(found, table)
    check_size(text, found.name, len(found.inputs))
    link(folder, files, has_scenario=has_scenario)
    draft = write_drafts(paths, text, study_of(found, unread, table.scenario))
    num_files = sum(map(len, files.values()))
    return ConvertedConfiguration(draft, tuple(unread), num_files)


def _check_roles(found: FoundConfiguration, scenario: str) -> None:
    """Raise ConfigurationError if a label is an input or the scenario, or nothing is an input."""
    labels = set(found.tasks.values())
    inputs = {column.column for column in found.inputs} - {scenario}
    wrong = sorted(labels & {*inputs, scenario})
    if wrong:
        raise ConfigurationError(
            f"{found.library}'s {found.name}: a label must not be an input or the scenario, "
            f"got {', '.join(wrong)}",
            remedy="take it out of the features, or name another --scenario",
        )
    if not inputs:
        raise ConfigurationError(
            f"{found.library}'s {found.name}: must have an input that is a column, got none",
            *(each.in_words for each in found.all_unread if each.key.startswith("feature ")),
        )


def _lost_to_scenario(found: FoundConfiguration, scenario: str) -> Iterator[Unread]:
    """Yield the uses of the scenario's column as a feature, which it is not here."""
    for column in found.inputs:
        if column.column == scenario:
            yield Unread(f"feature {scenario}", SCENARIO_IS_INPUT)
        if column.item and column.item == scenario:
            yield Unread(f"feature {column.column}", "is a list with an embedding of its own")
    for pair in found.crosses:
        if scenario in pair:
            yield Unread(f"cross of {' and '.join(pair)}", f"{scenario} {SCENARIO_IS_INPUT}")
