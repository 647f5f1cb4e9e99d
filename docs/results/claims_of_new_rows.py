"""Claims of new rows: how often `predict` asks if the model is old, of rows as in validation.

`python docs/results/claims.py --part new_rows` draws users with rows, some of them new, for a
validation and for what is scored later, and asks the product's rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from claims import Asked

from hinet_search.serving.predict import newer_inputs


@dataclass(frozen=True)
class NewRows:
    """Users of validation and of later rows, of whom a share is new; by Pareto if `heavy`."""

    words: str
    share: float
    later: float
    heavy: bool = False
    users: int = 300
    limit: float | None = 0.05
    part: float = 0.5

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether the later rows are said to be newer than the model."""
        new_v, num_v = self._drawn(draw, self.share)
        new_l, num_l = self._drawn(draw, self.later)
        return bool(newer_inputs({"user": new_l}, num_l, {"user": new_v / num_v}))

    def _drawn(self, draw: np.random.Generator, share: float) -> tuple[int, int]:
        """Return the number of rows of new users, and of all."""
        num_rows = np.full(self.users, 10)
        if self.heavy:
            num_rows = np.minimum(1 + (draw.pareto(1.2, self.users) * 4).astype(int), 500)
        is_new = draw.random(self.users) < share
        return int(num_rows[is_new].sum()), int(num_rows.sum())


def asked() -> Mapping[str, Sequence[Asked]]:
    """Return all questions, by title."""
    questions = []
    for heavy in (False, True):
        rows = "Pareto" if heavy else "ten"
        for share in (0.01, 0.05, 0.2):
            words = f"users with {rows} rows, {share:.0%} of them new, later the same"
            questions.append(NewRows(words, share, share, heavy))
        words = f"users with {rows} rows, 5 % of them new, later half"
        questions.append(NewRows(words, 0.05, 0.5, heavy, limit=None))
    return {"The model is old, of rows like those of validation": questions}
