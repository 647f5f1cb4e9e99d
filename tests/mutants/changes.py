"""A mutant: one line of a module, changed as a test should notice."""

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A line of a file, and what it becomes; both without indentation, as other changes may move the line."""

    file: str
    line: str
    mutated: str

    def applied_to(self, text: str) -> str | None:
        """Return the text of the file with the mutant, None unless exactly one line is that line."""
        lines = text.split("\n")
        numbers = [number for number, line in enumerate(lines) if line.strip() == self.line]
        if len(numbers) != 1:
            return None
        (number,) = numbers
        lines[number] = lines[number].replace(self.line, self.mutated)
        return "\n".join(lines)


def compiles(text: str) -> bool:
    """Whether a text is a module."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True
