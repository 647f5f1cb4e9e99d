"""Names and notes of Optuna's studies and trials, which Optuna's dashboard shows."""

import optuna

from hinet_search.storage.damage import row_of


def optuna_name(study: str, arm: str) -> str:
    """Return the name of an arm's Optuna study. No study name contains a slash."""
    return f"{study}/{arm}"


def leave_note(target: optuna.Study | optuna.Trial, text: str) -> None:
    """Write the note unless it is there already."""
    from optuna_dashboard import get_note, save_note  # it imports scikit-learn, in two seconds

    if isinstance(target, optuna.Study):
        row = row_of("study_system_attributes", study_name=target.study_name)
    else:
        row = row_of("trial_system_attributes", number=target.number)
    with row:
        if get_note(target) != text:
            save_note(target, text)
