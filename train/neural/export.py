"""Takes the deciding part out of a trained learner, and writes it as an artefact that runs without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as safetensors_bytes
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from evaluate.stored_options import command_of
from policies.artefact import write_artefact
from policies.base import MarketSpec
from policies.ppo import WEIGHTS, NetworkPolicy
from policies.sidecar import Action, Interval, Network, NetworkParameters, NetworkSidecar, Normalisation
from train.neural.mirrored_policy import MirroredPolicy, unfolded
from train.neural.options import MODULE, NOT_RECORDED, Plan
from train.shared.cards import model_card
from train.shared.sidecars import OBSERVATION, TrainingRecord, common_fields

ACTIVATIONS = {nn.Tanh: "tanh", nn.ReLU: "relu"}


@dataclass(frozen=True)
class TrainedActor:
    """What decides in a learner at one moment of its training: copies, which further training leaves alone.

    Attributes:
        parameters: Shape of the network, and normalisation.
        tensors: Its weights, named as `policies.ppo.tensor_shapes` says.
        action: How it acts.
    """

    parameters: NetworkParameters
    tensors: Mapping[str, NDArray[np.float32]]
    action: Action

    def policy(self, market: MarketSpec) -> NetworkPolicy:
        """The actor at work in a market."""
        return NetworkPolicy(self.parameters, self.tensors, OBSERVATION, market, action=self.action)


def actor_of(model: BaseAlgorithm) -> TrainedActor:
    """Take the actor out of a learner.

    Args:
        model: A learner of any algorithm of `train.neural.hyperparameters`, on flat observations.
    """
    modules, squash = _modules(model.policy)
    linear = [module for module in modules if isinstance(module, nn.Linear)]
    activations = {ACTIVATIONS[type(module)] for module in modules[:-1] if not isinstance(module, nn.Linear)}
    names = [*(f"layer_{i}" for i in range(len(linear) - 1)), "head"]
    tensors = {
        f"{name}.{part}": getattr(layer, part).detach().cpu().numpy().astype(np.float32)
        for name, layer in zip(names, linear, strict=True)
        for part in ("weight", "bias")
    }
    masked = squash is None
    return TrainedActor(
        NetworkParameters(
            network=Network(
                layers=tuple(layer.out_features for layer in linear[:-1]),
                activation="relu" if activations == {"relu"} else "tanh",
                squash=squash,
            ),
            normalisation=_normalisation(model),
        ),
        tensors,
        Action(mode="discrete", masked=True) if masked else Action(),
    )


def _modules(policy: Any) -> tuple[list[nn.Module], Any]:
    """The layers of the actor, the activation of the head left out, and how its head is squashed."""
    if isinstance(policy, MirroredPolicy):
        layers = unfolded(policy)
        return [*chain.from_iterable((layer, nn.Tanh()) for layer in layers[:-1]), layers[-1]], "clip"
    if hasattr(policy, "action_net"):
        continuous = hasattr(policy, "log_std")
        return [*policy.mlp_extractor.policy_net, policy.action_net], "clip" if continuous else None
    if hasattr(policy.actor, "latent_pi"):
        return [*policy.actor.latent_pi, policy.actor.mu], "tanh"
    return [module for module in policy.actor.mu if not isinstance(module, nn.Tanh)], "tanh"


def _normalisation(model: BaseAlgorithm) -> Normalisation | None:
    normalize: Any = model.get_vec_normalize_env()
    if normalize is None or not normalize.norm_obs:
        return None
    return Normalisation(
        mean=tuple(normalize.obs_rms.mean.tolist()),
        variance=tuple(normalize.obs_rms.var.tolist()),
        epsilon=normalize.epsilon,
        clip=normalize.clip_obs,
    )


def export(
    folder: Path,
    actor: TrainedActor,
    plan: Plan,
    metrics: Mapping[str, Mapping[str, Interval]],
    record: TrainingRecord,
    note: str = "",
) -> NetworkSidecar:
    """Write a trained actor as an artefact.

    Args:
        folder: Where to; one that is there is replaced.
        actor: What decides.
        plan: What it was trained by.
        metrics: Scenario to metric to what was measured on held-out seeds.
        record: Of the training.
        note: What the card says above the figures.

    Returns:
        Its sidecar.
    """
    common = common_fields(plan.name, plan.options.algo, plan.markets, record, metrics)
    sidecar = NetworkSidecar(action=actor.action, parameters=actor.parameters, **common)
    weights = safetensors_bytes({name: np.ascontiguousarray(tensor) for name, tensor in actor.tensors.items()})
    write_artefact(folder, sidecar, model_card(sidecar, note), {WEIGHTS: weights})
    return sidecar


def record_of(
    plan: Plan, steps: int, exported_at: int, seconds: float, git: Mapping[str, Any] | None
) -> TrainingRecord:
    """How a training went.

    Args:
        plan: What it was trained by.
        steps: Environment steps of all of it.
        exported_at: Steps after which the actor was what is exported.
        seconds: Time it took.
        git: Commit that it was begun at; None outside of a checkout.
    """
    hyperparameters = plan.hyperparameters.plain() | {
        "initial_offset_fraction": plan.initial_fraction,
        "mirrored": plan.mirrored,
        "fair_value": plan.fair_value,
        "averaged": plan.averaged,
        "export": plan.options.export,
        "exported_at_step": exported_at,
    }
    command = command_of(plan.options, MODULE, NOT_RECORDED)
    return TrainingRecord(command, plan.options.seed, steps, seconds, hyperparameters, git)
