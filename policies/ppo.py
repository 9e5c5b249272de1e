"""Neural networks at work, without PyTorch: addresses `ppo:NAME`, whichever learner trained them.

An artefact holds the actor's weights in `actor.safetensors`, float32, named as `tensor_shapes` says. The network
decides as Stable-Baselines3 does deterministically, up to the rounding of float32 sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lobenv.compiled import kernel
from lobenv.roles.maker.action import DISCRETE_ACTIONS, FLATTEN
from policies.artefact import SIDECAR, ArtefactError, prepare, read_file, read_sidecar
from policies.base import MarketSpec, check_observation, env_seeds, takes_one_or_many
from policies.sidecar import Action, NetworkParameters, NetworkSidecar
from policies.tensors import read_tensors

__all__ = ["WEIGHTS", "Actor", "NetworkPolicy", "prepare_ppo", "tensor_shapes"]

WEIGHTS = "actor.safetensors"
CONTINUOUS = Action()
MASKED_BY = "inventory"  # the field that the mask of the discrete mode is a function of
OUTPUTS = {"continuous": 2, "discrete": DISCRETE_ACTIONS}


def tensor_shapes(layers: Sequence[int], inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of an actor, as PyTorch's `Linear` has them.

    Args:
        layers: sizes of the hidden layers.
        inputs: number of observed fields.
        outputs: 2 for the continuous action, the number of choices for the discrete one.

    Returns:
        `layer_0.weight` (out, in), `layer_0.bias` (out,), ..., `head.weight`, `head.bias`.
    """
    sizes = [inputs, *layers, outputs]
    names = [*(f"layer_{i}" for i in range(len(layers))), "head"]
    shapes: dict[str, tuple[int, ...]] = {}
    for name, before, size in zip(names, sizes[:-1], sizes[1:], strict=True):
        shapes |= {f"{name}.weight": (size, before), f"{name}.bias": (size,)}
    return shapes


@kernel(entry=True)
def _linear(inputs: Any, weight: Any, bias: Any, outputs: Any) -> None:
    """Write inputs @ weight + bias, each row by itself and in the same order, so that a batch changes no bit of it.

    Four inputs at a time: sums that are written back after each one cost several times as much.

    Args:
        inputs: (E, I) float32.
        weight: (I, O) float32.
        bias: (O,) float32.
        outputs: (E, O) float32, written in place.
    """
    rest = inputs.shape[1] % 4
    for row in range(inputs.shape[0]):
        for o in range(outputs.shape[1]):
            outputs[row, o] = bias[o]
        for i in range(rest):
            for o in range(outputs.shape[1]):
                outputs[row, o] += inputs[row, i] * weight[i, o]
        for i in range(rest, inputs.shape[1], 4):
            a, b, c, d = inputs[row, i], inputs[row, i + 1], inputs[row, i + 2], inputs[row, i + 3]
            for o in range(outputs.shape[1]):
                outputs[row, o] += a * weight[i, o] + b * weight[i + 1, o] + c * weight[i + 2, o] + d * weight[i + 3, o]


class Actor:
    """A network with its normalisation: from observed fields to what the head says."""

    def __init__(
        self, parameters: NetworkParameters, tensors: Mapping[str, NDArray[np.float32]], inputs: int, outputs: int
    ) -> None:
        """Check and take over the weights.

        Args:
            parameters: shape of the network, and normalisation.
            tensors: named and shaped as `tensor_shapes` says.
            inputs: number of observed fields.
            outputs: size of the head.

        Raises:
            ValueError: a tensor is missing, too many, of another shape, or not finite.
        """
        shapes = tensor_shapes(parameters.network.layers, inputs, outputs)
        _check_tensors(tensors, shapes)
        names = [name.removesuffix(".weight") for name in shapes if name.endswith(".weight")]
        self._layers = [
            (
                np.array(tensors[f"{name}.weight"].T, np.float32, order="C"),
                np.array(tensors[f"{name}.bias"], np.float32),
            )
            for name in names
        ]
        self._network = parameters.network
        self._clip = np.inf
        self._mean, self._deviation = np.zeros(inputs), np.ones(inputs)
        if parameters.normalisation is not None:
            normalisation = parameters.normalisation
            self._clip, self._mean = normalisation.clip, np.array(normalisation.mean)
            self._deviation = np.sqrt(np.array(normalisation.variance) + normalisation.epsilon)

    def __call__(self, fields: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            fields: (E, inputs) in natural units.

        Returns:
            (E, outputs): a fresh array.
        """
        values = np.clip((fields - self._mean) / self._deviation, -self._clip, self._clip).astype(np.float32, order="C")
        for number, (weight, bias) in enumerate(self._layers):
            inputs, values = values, np.empty((len(values), len(bias)), np.float32)
            _linear(inputs, weight, bias, values)
            if number < len(self._layers) - 1:
                self._activate(values)
        return values

    def _activate(self, values: NDArray[np.float32]) -> None:
        if self._network.activation == "tanh":
            np.tanh(values, out=values)
        else:
            np.maximum(values, np.float32(0.0), out=values)


def _check_tensors(tensors: Mapping[str, NDArray[np.float32]], shapes: Mapping[str, tuple[int, ...]]) -> None:
    if set(tensors) != set(shapes):
        raise ValueError(f"tensors must be {', '.join(shapes)}, got {', '.join(tensors) or 'none'}")
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise ValueError(f"{name} must have shape {shape}, got {tensors[name].shape}")
        if not np.isfinite(tensors[name]).all():
            raise ValueError(f"{name} must be finite, got {tensors[name][~np.isfinite(tensors[name])][0]}")


class NetworkPolicy:
    """An actor at work in a market; obeys `policies.base.Policy`.

    Attributes:
        action_mode: Mode of the environment it decides for.
        folder: The artefact it was read from, if it was.
    """

    def __init__(
        self,
        parameters: NetworkParameters,
        tensors: Mapping[str, NDArray[np.float32]],
        observation: Sequence[str],
        market: MarketSpec,
        *,
        action: Action = CONTINUOUS,
        name: str = "ppo",
        folder: Path | None = None,
    ) -> None:
        """Bind the network to a market.

        Args:
            parameters: shape of the network, and normalisation.
            tensors: its weights, named and shaped as `tensor_shapes` says.
            observation: fields it observes, in its own order.
            market: the environment's constants.
            action: how it acts.
            name: what it is called.
            folder: where it was read from.

        Raises:
            ValueError: the weights do not fit, or the market's observation lacks a field.
        """
        self._columns = np.array([market.column(field) for field in observation])
        self._actor = Actor(parameters, tensors, len(observation), OUTPUTS[action.mode])
        self._squash = parameters.network.squash
        self._inventory = market.column(MASKED_BY) if action.masked else None
        self._num_envs = 0
        self.market = market
        self.action_mode = action.mode
        self.name = name
        self.folder = folder

    @classmethod
    def read(cls, folder: Path, market: MarketSpec, address: str) -> Self:
        """The policy in an artefact's folder.

        Args:
            folder: with sidecar and weights.
            market: the environment's constants.
            address: under which the policy was asked for; it becomes its name.

        Raises:
            ArtefactError: the artefact is missing or broken, or made for another action or observation.
        """
        sidecar = read_sidecar(folder, "ppo")
        _check_market(folder, sidecar, market)
        tensors = read_tensors(folder / WEIGHTS)
        read_file(folder, WEIGHTS, sidecar)  # after what `read_tensors` says, which tells more of a file cut short
        try:
            return cls(
                sidecar.parameters,
                tensors,
                sidecar.observation,
                market,
                action=sidecar.action,
                name=address,
                folder=folder,
            )
        except ValueError as error:
            raise ArtefactError(f"{folder / WEIGHTS}: {error}") from None

    def __repr__(self) -> str:
        """Return the address."""
        return f"NetworkPolicy({self.name!r})"

    def reset(self, num_envs: int, seed: int | Sequence[int]) -> None:
        """Start new episodes; the network draws nothing.

        Raises:
            ValueError: num_envs is below 1, or the seeds do not fit it.
        """
        self._num_envs = len(env_seeds(num_envs, seed))

    @takes_one_or_many
    def act(self, observation: NDArray[np.float32]) -> NDArray[Any]:
        """Choose the action of every env.

        Args:
            observation: shape (E, F), natural units.

        Returns:
            Shape (E, 2), float32 in [-1, 1]: bid and ask; or in the discrete mode shape (E,), int64. A fresh array.

        Raises:
            ValueError: the observation has another shape than `reset` and the market announced.
        """
        check_observation(observation, self._num_envs, self.market)
        head = self._actor(observation.take(self._columns, axis=1))
        if self.action_mode == "discrete":
            return self._choose(head, observation)
        if self._squash == "clip":
            return np.clip(head, -1.0, 1.0)
        # SB3 scales [-1, 1] to the range of the action, which is the same; the rounding decides where +1 is reached.
        return (np.tanh(head) + np.float32(1.0)) - np.float32(1.0)

    def _choose(self, logits: NDArray[np.float32], observation: NDArray[np.float32]) -> NDArray[np.int64]:
        """The likeliest choice; the environment's mask forbids to flatten where there is no position."""
        if self._inventory is not None:
            logits[observation[:, self._inventory] == 0.0, FLATTEN] = -np.inf
        return logits.argmax(axis=1)


def _check_market(folder: Path, sidecar: NetworkSidecar, market: MarketSpec) -> None:
    """Refuse a market in which the network would see or mean something else."""
    needed = (*sidecar.observation, *([MASKED_BY] if sidecar.action.masked else []))
    missing = [field for field in needed if field not in market.index]
    if missing:
        raise ArtefactError(f"{folder / SIDECAR}: observation: the market has no field {missing[0]!r}")
    if sidecar.action.mode == "continuous" and sidecar.max_offset_ticks != market.max_offset_ticks:
        raise ArtefactError(
            f"{folder / SIDECAR}: max_offset_ticks: its actions mean parts of {sidecar.max_offset_ticks:g} ticks, "
            f"those of the market parts of {market.max_offset_ticks:g}"
        )


def prepare_ppo(name: str, parameters: Mapping[str, object]) -> Callable[[MarketSpec], NetworkPolicy]:
    """See `artefact.prepare`."""
    return prepare("ppo", NetworkPolicy.read, name, parameters)
