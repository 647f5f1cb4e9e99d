"""Voice: how a command speaks: data on stdout, everything else on stderr, less with --quiet, more with --verbose."""

from dataclasses import dataclass

import click

KEY = "hinet_search.cli.voice"


@dataclass(frozen=True)
class Voice:
    """What is said beside data and errors."""

    quiet: bool = False
    verbose: bool = False

    def note(self, text: str) -> None:
        """What a person at a terminal wants to know, and no program: on stderr."""
        if not self.quiet:
            click.echo(text, err=True)

    def next(self, *commands: str) -> None:
        """The last lines of a command: at most two to go on with."""
        assert len(commands) <= 2, "two lines are read, three are not"
        for command in commands:
            self.note(f"{click.style('Next:', bold=True)} {command}")


def voice() -> Voice:
    """The voice of the running command."""
    return voice_of(click.get_current_context())


def voice_of(context: click.Context) -> Voice:
    """The voice of a command that may have ended."""
    found: Voice = context.meta.get(KEY, Voice())
    return found


def mark(text: str) -> str:
    """`ok`, `!!` or `x` in its colour, two columns wide."""
    colour = {"ok": "green", "!!": "yellow", "x": "red"}[text]
    return click.style(f"{text:<2}", fg=colour, bold=text != "ok")
