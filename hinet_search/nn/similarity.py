"""Similarity of experts: whether those that stand beside one another compute different things.

Found by running the model, so it holds for every model without a line of code in it.
Shape legend: G groups, K experts of one group, B rows sorted by group, H width of an expert's output.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hinet_search.insight import ExpertSimilarity
from hinet_search.nn.experts import Experts
from hinet_search.nn.measure import evaluating
from hinet_search.nn.towers import Towers
from hinet_search.schema import Batch

MINIMUM_ROWS = 2  # one row has nothing to vary with


@torch.no_grad()
def expert_similarities(model: nn.Module, batch: Batch) -> tuple[ExpertSimilarity, ...]:
    """A table for every place of two or more experts, in the order in which the rows of `batch` pass them.

    Towers are no experts: no gate weighs them. Experts that are passed more than once are compared the first time.
    """
    towers = {id(module.hidden) for module in model.modules() if isinstance(module, Towers)}
    found: dict[str, ExpertSimilarity] = {}

    def note(where: str) -> Any:
        def hook(experts: Experts, inputs: tuple[Any, ...], output: Tensor) -> None:
            tables = [cka(run_KBH) for run_KBH in _groups(experts, output, _sizes(inputs))]
            if tables and where not in found:
                table = torch.stack(tables).mean(dim=0)
                found[where] = ExpertSimilarity(where, tuple(tuple(row) for row in table.tolist()))

        return hook

    handles = [
        module.register_forward_hook(note(path.removesuffix(".experts")))
        for path, module in model.named_modules()
        if isinstance(module, Experts) and id(module) not in towers
    ]
    try:
        with evaluating(model):
            model(batch)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(found.values())


def cka(y_KBH: Float[Tensor, "K B H"]) -> Float[Tensor, "K K"]:
    """Linear CKA of every pair of experts: |Y_k' Y_l|^2 / (|Y_k' Y_k| |Y_l' Y_l|), columns centred; 0 for a constant."""
    y_KBH = (y_KBH - y_KBH.mean(dim=1, keepdim=True)).double()
    cross_KK = torch.stack([torch.linalg.matrix_norm(y_BH.T @ y_KBH).square() for y_BH in y_KBH])
    own_K = cross_KK.diagonal().sqrt()
    return cross_KK / (own_K.unsqueeze(0) * own_K.unsqueeze(1)).clamp_min(torch.finfo(torch.float64).tiny)


def _sizes(inputs: tuple[Any, ...]) -> Sequence[int] | None:
    return inputs[1] if len(inputs) > 1 else None


def _groups(experts: Experts, output: Tensor, sizes: Sequence[int] | None) -> list[Float[Tensor, "K B H"]]:
    """What the experts of each group gave on the rows that they saw; nothing for a single expert."""
    num_groups, num_experts = experts.num_groups, experts.num_experts
    if num_experts < 2:
        return []
    if sizes is None or num_groups == 1:
        return list(torch.unflatten(output, 0, (num_groups, num_experts)))
    return [run_KBH for run_KBH in torch.split(output, list(sizes), dim=1) if run_KBH.shape[1] >= MINIMUM_ROWS]
