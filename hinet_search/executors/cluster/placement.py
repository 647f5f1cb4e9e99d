"""Placement: reserve room on the nodes of a Ray cluster for the workers of a slot."""

from dataclasses import dataclass
from typing import Any

Strategy = Any  # a scheduling strategy of an actor


@dataclass(frozen=True)
class Room:
    """Where the workers of a slot run: one strategy for each. `group` is what Ray reserved."""

    strategies: tuple[Strategy, ...]
    group: Any = None

    def release(self) -> None:
        """Give the room back; Ray kills what still runs there."""
        from ray.util.placement_group import remove_placement_group

        if self.group is not None:
            remove_placement_group(self.group)


def reserve(workers: int, cpus: float, gpus: float) -> Room:
    """Reserve room for that many workers, all at once: on one node if it has room, else on several.

    A single worker reserves nothing: Ray spreads them over the nodes.
    """
    from ray.util.placement_group import placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    if workers == 1:
        return Room(("SPREAD",))
    bundle = {"CPU": cpus, **({"GPU": gpus} if gpus else {})}
    group = placement_group([bundle] * workers, strategy="PACK")
    return Room(
        tuple(PlacementGroupSchedulingStrategy(group, rank) for rank in range(workers)), group
    )
