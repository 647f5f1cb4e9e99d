"""The entire-space funnel in log space."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.models.hinet import entire_space

moderate = st.floats(-10, 10)


@given(st.lists(st.tuples(moderate, moderate, moderate), min_size=1, max_size=5))
def test_logits_are_those_of_the_products_of_probabilities(
    rows: list[tuple[float, float, float]],
) -> None:
    conditional = torch.tensor(rows, dtype=torch.float64)
    products = conditional.sigmoid().cumprod(dim=-1)
    torch.testing.assert_close(entire_space(conditional).sigmoid(), products, rtol=1e-9, atol=1e-12)


def test_the_first_task_keeps_its_logit_exactly() -> None:
    conditional = torch.tensor([[0.3, -1.0], [80.0, 2.0]])
    assert torch.equal(entire_space(conditional)[:, 0], conditional[:, 0])


def test_extreme_logits_stay_finite_with_finite_gradients_in_single_precision() -> None:
    extremes = torch.tensor([-300.0, -100.0, 0.0, 100.0, 300.0])
    conditional = torch.cartesian_prod(extremes, extremes).requires_grad_()
    logits = entire_space(conditional)
    logits.sum().backward()
    assert logits.isfinite().all()
    assert conditional.grad.isfinite().all()


def test_two_certain_tasks_are_as_uncertain_as_both_doubts_together() -> None:
    logits = entire_space(torch.tensor([[40.0, 40.0]], dtype=torch.float64))
    torch.testing.assert_close(
        logits[0, 1], torch.tensor(40.0, dtype=torch.float64) - torch.log(torch.tensor(2.0))
    )
