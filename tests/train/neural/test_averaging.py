"""Averaged weights: what counts how much, and that they are only lent."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from train.neural.averaging import WeightAverage


def weights(module: nn.Module) -> list[bytes]:
    return [parameter.detach().numpy().tobytes() for parameter in module.parameters()]


def set_to(module: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)


def test_later_weights_count_for_more_by_polynomial_decay():
    module, average = nn.Linear(2, 1), WeightAverage()
    for value in (1.0, 2.0, 3.0):
        set_to(module, value)
        average.add(module)
    assert average.count == 3
    for tensor in average.weights:
        assert tensor.numpy() == pytest.approx((0.2 * 1.0 + 0.8 * 2.0) / 3.0 + 3.0 * 2.0 / 3.0)


def test_equal_weights_average_to_themselves():
    module, average = nn.Linear(3, 2), WeightAverage()
    before = weights(module)
    for _ in range(5):
        average.add(module)
    with average.in_place_of(module):
        assert weights(module) == before


def test_the_average_is_lent_and_given_back_to_the_byte_even_after_an_error():
    module, average = nn.Linear(2, 1), WeightAverage()
    set_to(module, 1.0)
    average.add(module)
    set_to(module, 0.1)
    own = weights(module)

    def look_and_fail():
        with average.in_place_of(module):
            assert float(next(module.parameters()).detach().flatten()[0]) == 1.0
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        look_and_fail()
    assert weights(module) == own


def test_without_an_average_the_own_weights_stay():
    module = nn.Linear(2, 1)
    own = weights(module)
    with WeightAverage().in_place_of(module):
        assert weights(module) == own
