"""Averages a learner's weights over its training: what single updates owe to chance cancels, what they share stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

RECENCY = 3  # about the last quarter of the updates decides


@dataclass
class WeightAverage:
    """Running average with polynomial decay (Shamir and Zhang 2013, section 4), good at any moment of a training.

    Attributes:
        recency: The larger, the more the latest weights count; 0 is the plain mean (Polyak and Juditsky 1992).
        count: Weights averaged so far.
        weights: Their average, one tensor for each parameter.
    """

    recency: int = RECENCY
    count: int = 0
    weights: list[Tensor] = field(default_factory=list)

    @torch.no_grad()
    def add(self, module: nn.Module) -> None:
        """Take in the present weights of a module."""
        self.count += 1
        if not self.weights:
            self.weights = [parameter.detach().clone() for parameter in module.parameters()]
            return
        share = (self.recency + 1) / (self.count + self.recency)
        for average, parameter in zip(self.weights, module.parameters(), strict=True):
            average.lerp_(parameter, share)

    def put_into(self, module: nn.Module) -> None:
        """Give a module the average, of which there is one."""
        _set(module, self.weights)

    @contextmanager
    def in_place_of(self, module: nn.Module) -> Iterator[None]:
        """Lend a module the average for as long as the context lasts; nothing changes where there is none yet."""
        own = [parameter.detach().clone() for parameter in module.parameters()]
        _set(module, self.weights or own)
        try:
            yield
        finally:
            _set(module, own)


@torch.no_grad()
def _set(module: nn.Module, weights: list[Tensor]) -> None:
    for parameter, weight in zip(module.parameters(), weights, strict=True):
        parameter.copy_(weight)
