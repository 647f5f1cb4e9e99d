"""Draft source: write a study from a table, or from the configuration of another library."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.draft_files import DraftStudy
from hinet_search.data.peers.rules import Unread

OF_TABLES = ("user", "item", "time", "split", "weight")  # roles of columns


@dataclass(frozen=True)
class DraftOptions:
    """What `data init` is told: a table, or one configuration, and options of each."""

    table: str | None = None
    database_table: str | None = None
    name: str | None = None
    tasks: tuple[str, ...] = ()
    user: str | None = None
    item: str | None = None
    time: str | None = None
    split: str | None = None
    weight: str | None = None
    fuxictr: str | None = None
    dataset: str | None = None
    experiment: str | None = None
    torcheasyrec: str | None = None
    scenario: str | None = None
    force: bool = False

    def check(self) -> None:
        """Raise ConfigurationError unless there is one source, with options of its own."""
        sources = {
            "TABLE": self.table,
            "--from-fuxictr": self.fuxictr,
            "--from-torcheasyrec": self.torcheasyrec,
        }
        given = [name for name, value in sources.items() if value is not None]
        if not given:
            raise ConfigurationError(
                "TABLE must be given, or --from-fuxictr, or --from-torcheasyrec"
            )
        if len(given) > 1:
            raise ConfigurationError(
                f"one source must be given, got {' and '.join(given)}",
                remedy=f"leave {given[-1]} out",
            )
        of_sources = {
            "--table": (self.database_table, ("TABLE",)),
            "--task": (self.tasks, ("TABLE",)),
            **{f"--{role}": (getattr(self, role), ("TABLE",)) for role in OF_TABLES},
            "--dataset": (self.dataset, ("--from-fuxictr",)),
            "--experiment": (self.experiment, ("--from-fuxictr",)),
        }
        for option, (value, known) in of_sources.items():
            if value and given[0] not in known:
                raise ConfigurationError(
                    f"{option} goes with {' or '.join(known)}, got it with {given[0]}",
                    remedy=f"leave {option} out",
                )


@dataclass(frozen=True)
class DraftResult:
    """What was written, how many files of rows were linked, and what is not carried over."""

    draft: DraftStudy
    num_links: int = 0
    unread: tuple[Unread, ...] = ()


def draft_from(options: DraftOptions, say: Callable[[str], None]) -> DraftResult:
    """Write a definition and a study; errors are those of the source."""
    options.check()
    if options.table is not None:
        from hinet_search.data.guess.draft_rows import DatabaseTable
        from hinet_search.data.guess.write_definition import write_draft

        rows: str | DatabaseTable = options.table
        if options.database_table is not None:
            rows = DatabaseTable(options.table, options.database_table)
        roles = {role: getattr(options, role) for role in ("scenario", *OF_TABLES)}
        draft = write_draft(
            rows,
            options.name,
            force=options.force,
            tasks=options.tasks,
            roles={role: column for role, column in roles.items() if column is not None},
            say=say,
        )
        return DraftResult(draft)
    from hinet_search.data.peers.convert import convert
    from hinet_search.data.peers.fuxictr import read_fuxictr
    from hinet_search.data.peers.torcheasyrec import read_torcheasyrec

    if options.fuxictr is not None:
        found = read_fuxictr(Path(options.fuxictr), options.dataset, options.experiment)
    else:
        found = read_torcheasyrec(Path(str(options.torcheasyrec)))
    converted = convert(found, options.name, options.scenario, force=options.force)
    return DraftResult(converted.draft, converted.num_files, converted.unread)
