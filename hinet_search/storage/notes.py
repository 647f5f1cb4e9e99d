"""Notes: texts on Optuna's studies and trials, which its dashboard shows."""

import optuna
from optuna_dashboard import get_note, save_note


def leave_note(target: optuna.Study | optuna.Trial, text: str) -> None:
    """Writes the note where it does not say so already."""
    if get_note(target) != text:
        save_note(target, text)
