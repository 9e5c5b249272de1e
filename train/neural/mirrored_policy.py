"""A network that quotes either side of the book by one function: the ask is what the bid would be in the mirror.

Half the weights learn from twice the samples, and no preference for one side has to be unlearned. As the deciding part
is an ordinary multilayer perceptron with some weights equal and some zero, it is exported and run like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.running_mean_std import RunningMeanStd
from torch import Tensor, nn

from train.shared.mirrored_observation import ORDER, SIGNS

SMALL_GAIN = 0.01  # of an untrained head, as in Stable-Baselines3: the first quotes hardly depend on what is seen


class MirroredMeanStd(RunningMeanStd):
    """Running mean and variance of observations and their mirror images, so that normalising keeps the mirror."""

    def update(self, arr: NDArray[Any]) -> None:
        """Take in (E, F) observations."""
        super().update(np.concatenate([arr, arr[:, ORDER] * SIGNS]))


class MirroredLayers(nn.Module):
    """Hidden layers of actor and critic.

    The actor's are run on the observation and on its mirror image, one after the other in its output; the critic is
    even: both give one value.
    """

    order: Tensor
    signs: Tensor

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        """Lay out both networks.

        Args:
            inputs: F.
            widths: Of the hidden layers.
        """
        super().__init__()
        self.actor, self.critic = (_layers(inputs, widths) for _ in range(2))
        self.latent_dim_pi, self.latent_dim_vf = 2 * widths[-1], widths[-1]
        self.register_buffer("order", torch.as_tensor(ORDER))
        self.register_buffer("signs", torch.as_tensor(SIGNS))

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Latents of actor and critic."""
        return self.forward_actor(observation), self.forward_critic(observation)

    def forward_actor(self, observation: Tensor) -> Tensor:
        """(E, 2 W): the bid's latents, then the ask's."""
        return torch.cat([self.actor(observation), self.actor(self._mirrored(observation))], dim=1)

    def forward_critic(self, observation: Tensor) -> Tensor:
        """(E, W)."""
        return self.critic(observation) + self.critic(self._mirrored(observation))

    def _mirrored(self, observation: Tensor) -> Tensor:
        return observation[:, self.order] * self.signs


class SharedHead(nn.Module):
    """One linear head for both sides."""

    def __init__(self, width: int) -> None:
        """Lay out the head of W latents a side."""
        super().__init__()
        self.linear = nn.Linear(width, 1)
        nn.init.orthogonal_(self.linear.weight, SMALL_GAIN)
        nn.init.zeros_(self.linear.bias)

    @property
    def bias(self) -> Tensor:
        """(1,)."""
        return self.linear.bias

    def forward(self, latents: Tensor) -> Tensor:
        """(E, 2 W) to (E, 2): bid and ask."""
        bid, ask = latents.chunk(2, dim=1)
        return torch.cat([self.linear(bid), self.linear(ask)], dim=1)


class MirroredPolicy(ActorCriticPolicy):
    """Actor and critic for PPO on the flat observation and the continuous action, with tanh after hidden layers."""

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor: Any = MirroredLayers(self.features_dim, self.net_arch)  # pyright: ignore[reportArgumentType]

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net: Any = SharedHead(self.mlp_extractor.latent_dim_vf)
        optimizer: Any = self.optimizer_class  # declared as the base class, which knows no learning rate
        self.optimizer = optimizer(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)


def unfolded(policy: MirroredPolicy) -> list[nn.Linear]:
    """The actor as an ordinary perceptron, layer by layer: every hidden layer twice as wide, the head last."""
    order, signs = torch.as_tensor(ORDER), torch.as_tensor(SIGNS)
    linear = [layer for layer in policy.mlp_extractor.actor if isinstance(layer, nn.Linear)]
    first = linear[0]
    # w . mirrored(x) = mirrored(w) . x, as the mirror is its own inverse.
    widened = _layer(torch.cat([first.weight, first.weight[:, order] * signs]), first.bias.repeat(2))
    rest = (*linear[1:], policy.action_net.linear)
    return [widened, *(_layer(torch.block_diag(each.weight, each.weight), each.bias.repeat(2)) for each in rest)]


@torch.no_grad()
def _layer(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
    return layer


def _layers(inputs: int, widths: Sequence[int]) -> nn.Sequential:
    modules: list[nn.Module] = []
    for before, width in zip((inputs, *widths), widths, strict=False):
        modules += [nn.Linear(before, width), nn.Tanh()]
    return nn.Sequential(*modules)
