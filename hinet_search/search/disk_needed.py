"""Disk needed: how many bytes a study writes beside its data, checked before it begins."""

from pathlib import Path

from hinet_search import disk
from hinet_search.data.columns import Dataset
from hinet_search.errors import EnvironmentFault
from hinet_search.spec import StudySpec
from hinet_search.training.checkpoint import KEPT

BYTES = 4  # of a float
COPIES = 4  # of the weights in a checkpoint: the model's, its best ones, and two moments of Adam
OF_DATABASE = 50_000_000  # and of the report


def bytes_needed(spec: StudySpec, dataset: Dataset, parameters: list[int], slots: int) -> int:
    """About, when every model of an arm has so many `parameters` as its default."""
    checkpoints = slots * (KEPT + 1) * COPIES * BYTES * max(parameters)  # one more while it is written
    weights = (spec.finalists.top + 1) * spec.finalists.seeds * BYTES * sum(parameters)
    rows = dataset.valid.num_rows + dataset.test.num_rows
    scores = spec.finalists.seeds * len(parameters) * rows * len(dataset.full_schema.tasks) * BYTES
    return checkpoints + weights + scores + OF_DATABASE


def check_room(folder: Path, needed: int) -> None:
    """EnvironmentFault when the disk of the folder has less."""
    free = disk.free_bytes(folder)
    if free < needed:
        raise EnvironmentFault(
            f"{folder}: this study needs about {needed:,} bytes on its disk, {free:,} are free",
            remedy="free some, name a folder on another disk with --output, or use fewer slots or finalist seeds",
        )
