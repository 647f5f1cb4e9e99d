"""Shapes and types of a call are checked again unless a call like it passed."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from beartype import beartype
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from hinet_search.models.layers.linear import product
from hinet_search.training.fit import fit
from tests.type_checks import jaxtyped_once


@jaxtyped_once(typechecker=beartype)
def joined(
    first_B: Float[Tensor, "B"], others: list[Float[Tensor, "B"]], kept: int, how: str = "sum"
) -> Float[Tensor, "B"]:
    return torch.stack([first_B, *others]).sum(dim=0)[:kept]


@jaxtyped_once(typechecker=beartype)
@dataclass(frozen=True)
class Pair:
    first_B: Float[Tensor, "B"]
    second_B: Float[Tensor, "B"]


ONE, TWO = torch.zeros(1), torch.zeros(2)


@pytest.fixture(autouse=True)
def _a_call_that_passes() -> None:
    assert len(joined(TWO, [TWO], 2)) == 2
    assert len(joined(TWO, [TWO], kept=2)) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        (TWO[None], [TWO], 2),
        (TWO, [ONE], 2),
        (TWO.long(), [TWO], 2),
        (TWO.tolist(), [TWO], 2),
        (TWO, TWO, 2),
        (TWO, [TWO], "2"),
        (TWO, [TWO], 2, None),
    ],
    ids=["dimensions", "size", "dtype", "no tensor", "no list", "no number", "no text"],
)
def test_a_wrong_argument_is_reported_however_often(arguments: tuple[object, ...]) -> None:
    for _ in range(2):
        with pytest.raises(TypeCheckError, match=r"parameters of test_type_checks\.joined"):
            joined(*arguments)


def test_a_wrong_named_argument_is_reported_however_often() -> None:
    for _ in range(2):
        with pytest.raises(TypeCheckError, match=r"parameters of test_type_checks\.joined"):
            joined(TWO, [TWO], kept="2")


def test_a_wrong_result_of_right_arguments_is_reported_however_often() -> None:
    for _ in range(2):
        with pytest.raises(TypeCheckError, match=r"return value of test_type_checks\.joined"):
            joined(TWO, [TWO], 1)


def test_a_wrong_field_of_a_dataclass_is_reported_however_often() -> None:
    assert len(Pair(TWO, TWO).first_B) == 2
    for _ in range(2):
        with pytest.raises(TypeCheckError, match=r"parameters of test_type_checks\.Pair\.__init__"):
            Pair(TWO, ONE)


def test_modules_of_models_and_training_are_checked() -> None:
    assert len(product(TWO[None], torch.zeros(2, 3))) == 1
    with pytest.raises(TypeCheckError, match="product"):
        product(TWO, torch.zeros(2, 3))
    with pytest.raises(TypeCheckError, match="fit"):
        fit(None, None, None)


def made_anew(checks: list[object]) -> Callable[[object], Tensor]:
    def check_of(function: Callable[..., object]) -> Callable[..., object]:
        checks.append(function)
        return beartype(function)

    @jaxtyped_once(typechecker=check_of)
    def same(x_B: Float[Tensor, "B"]) -> Float[Tensor, "B"]:
        return x_B

    return same


def test_a_function_inside_another_is_checked_once_for_all_calls_of_that() -> None:
    first, second = [], []
    assert len(made_anew(first)(TWO)) == len(made_anew(second)(TWO)) == 2
    assert first
    assert not second
    for _ in range(2):
        with pytest.raises(TypeCheckError, match=r"parameters of .*same"):
            made_anew(second)(TWO[None])
    assert second


def test_functions_of_one_text_and_other_types_are_checked_apart() -> None:
    def of(kind: type) -> Callable[..., object]:
        @jaxtyped_once(typechecker=beartype)
        def given(value: kind) -> kind:
            return value

        return given

    assert of(int)(1) == 1
    with pytest.raises(TypeCheckError, match=r"parameters of .*given"):
        of(str)(1)
