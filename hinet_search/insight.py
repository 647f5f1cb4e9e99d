"""Insight: what a trained model shows of itself on validation rows: attention, gates, experts, parts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GateUsage:
    """Mean weight that one gate gives to each of its experts, on validation rows. `where` names scenario and task.

    Experts of one name are one module only where their owner is the same: a `scenario/gate`, either left empty where the
    expert is that of all. Without owners (older records) every name stands for one module.
    """

    where: str
    experts: tuple[str, ...]
    weights: tuple[float, ...]
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExpertSimilarity:
    """How alike the outputs of experts beside one another are on validation rows: 1 is the same up to a rotation.

    `where` is their place in the model; `table[k][l]` is the linear CKA (Kornblith et al., ICML 2019) of experts k and l,
    a mean over groups where every scenario has experts of its own.
    """

    where: str
    table: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ModelPart:
    """One part of a model, each after the part that it belongs to: `count` outputs of `width`, of `depth` levels down."""

    name: str
    kind: str
    depth: int
    count: int
    width: int
    parameters: int


@dataclass(frozen=True)
class Insight:
    """What a trained model shows of itself: SAN attention (row = scenario that looks, columns = scenarios), gates, parts."""

    attention: tuple[tuple[float, ...], ...] | None = None
    gates: tuple[GateUsage, ...] = ()
    similarities: tuple[ExpertSimilarity, ...] = ()
    parts: tuple[ModelPart, ...] = ()
