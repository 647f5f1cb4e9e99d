"""Trained files: the weights that a study left of what is exported, and its scores of test rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hinet_search.common.errors import EnvironmentFault
from hinet_search.results.ensemble_records import RunKey
from hinet_search.results.statistics.ensemble import RunningMean
from hinet_search.serving.choice import ExportChoice
from hinet_search.serving.rebuild import LoadedStudy, config_of
from hinet_search.serving.verify import KnownScores
from hinet_search.training.jobs.messages import (
    StoredModel,
    ensemble_scores_path,
    refit_path,
    scores_path,
    weights_path,
)
from hinet_search.training.jobs.score import read_scores, restore_model


@dataclass(frozen=True)
class TrainedFiles:
    """The files of what is exported; of refits only if every member has one."""

    stored: LoadedStudy
    what: ExportChoice
    weights: Mapping[RunKey, Path]
    is_refitted: bool

    @property
    def scores(self) -> Mapping[Path, str]:
        """The files of scores, and what they hold."""
        if not self.what.is_tested:
            return {}
        if self.what.is_ensemble and not self.is_refitted:
            return {ensemble_scores_path(self.stored.artifacts): "the scores of the ensemble"}
        return {
            scores_path(path): f"the scores of {_title(run)}" for run, path in self.weights.items()
        }

    def scores_of_test(self) -> Iterator[KnownScores]:
        """Read the scores of the test split: one for every seed, or that of the ensemble.

        What is not opened on test is scored now, without a look at the labels.
        """
        test = self.stored.dataset.test
        scores = tuple(self.scores)
        if not self.what.is_tested:
            for run in self.weights:
                yield KnownScores(run.seed, self._score_now(run))
        elif not self.what.is_ensemble:
            for run, path in zip(self.weights, scores, strict=True):
                yield KnownScores(run.seed, read_scores(path, "test", test))
        elif self.is_refitted:
            mean = RunningMean(self.what.scale, self.stored.dataset.full_schema.is_amount)
            for member, path in zip(self.what.members, scores, strict=True):
                mean.add(read_scores(path, "test", test), member.weight)
            yield KnownScores(None, mean.result())
        else:
            yield KnownScores(None, read_scores(scores[0], "test", test))

    def _score_now(self, run: RunKey) -> NDArray[np.float32]:
        folder = self.stored.dataset.folder.absolute()
        model = StoredModel(folder, config_of(self.stored, run), "cpu", self.weights[run])
        restored = restore_model(model)
        return restored.model.scores(restored.dataset.test)


def files_of(stored: LoadedStudy, what: ExportChoice) -> TrainedFiles:
    """Return the files of what is exported; EnvironmentFault names each one that is missing."""
    weights = {
        member.run: weights_path(
            stored.artifacts, member.run.arm, member.run.trial_number, member.run.seed
        )
        for member in what.members
    }
    refits = {run: refit_path(path) for run, path in weights.items()}
    is_refitted = stored.record.budget.refit and all(path.exists() for path in refits.values())
    files = TrainedFiles(stored, what, refits if is_refitted else weights, is_refitted)
    contents = {path: f"the weights of {_title(run)}" for run, path in files.weights.items()}
    contents |= files.scores
    missing = [
        f"{path}: {content} must be there from the study's launch, but are not"
        for path, content in contents.items()
        if not path.is_file()
    ]
    if missing:
        raise EnvironmentFault(
            *missing,
            remedy="name the folder of the launch with --output; if its files were removed, "
            "launch the study under another name",
        )
    return files


def _title(run: RunKey) -> str:
    return f"arm '{run.arm}', trial {run.trial_number}, seed {run.seed}"
