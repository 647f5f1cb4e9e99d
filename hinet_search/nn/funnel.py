"""The entire-space funnel: a task counts only where all tasks before it happened (ESMM, SIGIR 2018).

P(conversion) = P(click) * P(conversion | click), as logits and without ever leaving log space.
Shape legend: B rows, T tasks in the order of the funnel.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid


def entire_space(conditional_BT: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Logits of the products p_1 * ... * p_t, from the logits of p_t given that the tasks before it happened."""
    conditional = conditional_BT.unbind(dim=-1)
    log_yes, log_no = logsigmoid(conditional[0]), logsigmoid(-conditional[0])
    logits = [conditional[0]]
    for z_B in conditional[1:]:
        # no = an earlier task did not happen, or all did and this one did not: 1 - p q = (1 - p) + p (1 - q)
        log_no = torch.logaddexp(log_no, log_yes + logsigmoid(-z_B))
        log_yes = log_yes + logsigmoid(z_B)
        logits.append(log_yes - log_no)
    return torch.stack(logits, dim=-1)
