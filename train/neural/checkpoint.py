"""Checkpoints of a training: everything it goes on from, so that an interrupted run ends as an uninterrupted one.

Taken between two iterations: weights and optimisers, normalisation, the markets themselves, random streams, counters,
and the replay buffer of off-policy learners. A checkpoint is a working file of this machine, written and read by
pickle: a command reads one only where its user says that it is their own. What is handed on is the exported policy,
which is data only.
"""

from __future__ import annotations

import io
import pickle
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import StateDependentNoiseDistribution
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from evaluate.whole_files import write_whole
from train.neural.mixed_markets import MixedVecEnv

FORMAT = 4
LAST = Path("checkpoints") / "last.pt"  # in the folder of a run
COUNTERS = (
    "num_timesteps",
    "_episode_num",
    "_n_updates",
    "_current_progress_remaining",
    "_last_obs",
    "_last_episode_starts",
    "_last_original_obs",
    "ep_info_buffer",
    "ep_success_buffer",
    "replay_buffer",
    "action_noise",
)
OF_NORMALIZE = ("obs_rms", "ret_rms", "returns", "old_obs", "old_reward")
OF_NOISE = ("exploration_mat", "exploration_matrices")
OF_MONITOR = ("episode_returns", "episode_lengths", "episode_count")


def capture(model: BaseAlgorithm) -> dict[str, Any]:
    """Everything a learner and its markets go on from; arrays are shared with them, so write it out at once."""
    _, variables = model._get_torch_save_params()
    return {
        "format": FORMAT,
        "parameters": model.get_parameters(),
        "variables": {name: getattr(model, name).detach() for name in variables if getattr(model, name) is not None},
        "counters": {name: getattr(model, name) for name in COUNTERS if hasattr(model, name)},
        "environment": _environment_state(model.get_env()),
        "random": _random_state(model),
    }


def restore(model: BaseAlgorithm, state: Mapping[str, Any]) -> None:
    """Put a freshly built learner, and its markets, to where another one was.

    Args:
        model: Built with the same hyperparameters and markets.
        state: As `capture` gave it, read back from a file.
    """
    model.set_parameters(state["parameters"], device=model.device)
    with torch.no_grad():
        for name, value in state["variables"].items():
            getattr(model, name).copy_(value)
    for name, value in state["counters"].items():
        setattr(model, name, value)
    _restore_environment(model.get_env(), state["environment"])
    restore_random(model, state["random"])


def write(path: Path, state: dict[str, Any]) -> None:
    """Write a state, whole or not at all: whatever stops the program, the last checkpoint stays."""
    buffer = io.BytesIO()  # PyTorch's own writer ends the process where the disk is full
    torch.save(state, buffer, pickle_protocol=pickle.HIGHEST_PROTOCOL)
    write_whole(path, buffer.getbuffer())


def read(path: Path) -> dict[str, Any]:
    """The state in a file, which has to be one's own: reading a pickle does whatever it says.

    Raises:
        ValueError: It is damaged, or of another version; one line naming the file.
    """
    try:
        state = torch.load(path, weights_only=False)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, AttributeError, ImportError) as error:
        raise ValueError(f"{path}: no readable checkpoint: {' '.join(str(error).split())}") from None
    if state["format"] != FORMAT:
        raise ValueError(f"{path}: format of the checkpoint must be {FORMAT}, got {state['format']!r}")
    return state


def latest(run: Path, *, trusted: bool) -> dict[str, Any] | None:
    """The last state that a run has written; None if it has written none yet.

    Args:
        run: Its folder.
        trusted: Whether the user says that it is their own.

    Raises:
        ValueError: There is one, and nobody says so, or it cannot be read; one line naming the file.
    """
    path = run / LAST
    if not path.exists():
        return None
    if not trusted:
        raise ValueError(
            f"{path} is a pickle, and reading one does whatever it says: add --trust if the run is your own"
        )
    return read(path)


def _layers(env: VecEnv | None) -> tuple[dict[str, tuple[VecEnv, tuple[str, ...]]], MixedVecEnv]:
    """The wrappers that have a state, with the names of its parts, and the markets below them."""
    found: dict[str, tuple[VecEnv, tuple[str, ...]]] = {}
    while isinstance(env, VecEnvWrapper):
        if isinstance(env, VecNormalize):
            found["normalize"] = (env, OF_NORMALIZE)
        elif isinstance(env, VecMonitor):
            found["monitor"] = (env, OF_MONITOR)
        env = env.venv
    if not isinstance(env, MixedVecEnv):
        raise TypeError(f"the markets must be a MixedVecEnv, got {type(env).__name__}")
    return found, env


def _environment_state(env: VecEnv | None) -> dict[str, Any]:
    layers, markets = _layers(env)
    states = {layer: {name: getattr(wrapper, name) for name in names} for layer, (wrapper, names) in layers.items()}
    return {"layers": states, "parts": markets.parts}


def _restore_environment(env: VecEnv | None, state: dict[str, Any]) -> None:
    layers, markets = _layers(env)
    for layer, (wrapper, names) in layers.items():
        for name in names:
            setattr(wrapper, name, state["layers"][layer][name])
    markets.adopt(state["parts"])


def _random_state(model: BaseAlgorithm) -> dict[str, Any]:
    noise = _state_dependent_noise(model)
    return {
        "exploration": {name: getattr(noise, name).detach() for name in OF_NOISE} if noise is not None else {},
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 what Stable-Baselines3 draws from
        "torch": torch.get_rng_state(),
        "action_space": model.action_space.np_random.bit_generator.state,
    }


def restore_random(model: BaseAlgorithm, state: Mapping[str, Any]) -> None:
    """Put every random stream to where it was; to be done once more when the first rollout begins.

    Stable-Baselines3 draws state-dependent noise for a rollout before it calls back, so that a checkpoint taken there
    has that draw behind it, and a resumed learner would make it twice.

    Args:
        model: The learner.
        state: The entry `random` of what `capture` gave.
    """
    noise = _state_dependent_noise(model)
    for name, value in state["exploration"].items():
        setattr(noise, name, value)
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    model.action_space.np_random.bit_generator.state = state["action_space"]


def _state_dependent_noise(model: BaseAlgorithm) -> StateDependentNoiseDistribution | None:
    """What holds the matrices of state-dependent exploration, if the learner explores so."""
    distribution = getattr(model.policy, "action_dist", None)
    return distribution if isinstance(distribution, StateDependentNoiseDistribution) else None
