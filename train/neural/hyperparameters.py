"""Reads hyperparameters of learners from files in RL Zoo's form, and lays those of a command line on top.

A file maps ids of environments to hyperparameters. Those of the algorithm are named as its constructor names them;
`lin_X` is a schedule that falls from X to 0 over the training; `normalize` and `policy_kwargs` may be written as the
call `dict(...)`, as RL Zoo has it. Such a call is read, never evaluated.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from sb3_contrib import MaskablePPO
from stable_baselines3 import DDPG, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.utils import LinearSchedule
from torch import nn

FOLDER = Path(__file__).parents[1] / "hyperparams"
ALGORITHMS: Mapping[str, type[BaseAlgorithm]] = {
    "ppo": PPO,
    "maskable_ppo": MaskablePPO,
    "sac": SAC,
    "td3": TD3,
    "ddpg": DDPG,
}
ACTIVATIONS = {"nn.Tanh": nn.Tanh, "nn.ReLU": nn.ReLU}  # what `policies.ppo` runs
OF_THE_TRAINING = ("n_envs", "n_timesteps", "policy", "normalize", "policy_kwargs")
OF_THE_NOISE = ("noise_type", "noise_std")
OF_THE_POLICY = ("net_arch", "activation_fn", "log_std_init", "ortho_init")  # what the exported network can stand for
OF_THE_NORMALISATION = ("norm_obs", "norm_reward", "clip_obs", "clip_reward", "gamma", "epsilon")
SCHEDULED = ("learning_rate", "clip_range", "clip_range_vf")
AUTOMATIC = ("ent_coef", "target_entropy")  # SAC finds them by itself, where they begin with `auto`
# Smallest and largest value.
RANGES: Mapping[str, tuple[float, float]] = {
    "n_steps": (1, np.inf),
    "batch_size": (2, np.inf),
    "n_epochs": (1, np.inf),
    "gamma": (0, 1),
    "gae_lambda": (0, 1),
    "clip_range": (1e-9, np.inf),
    "learning_rate": (0, np.inf),
    "vf_coef": (0, np.inf),
    "max_grad_norm": (1e-9, np.inf),
    "tau": (0, 1),
    "buffer_size": (1, np.inf),
    "learning_starts": (0, np.inf),
    "train_freq": (1, np.inf),
    "gradient_steps": (-1, np.inf),
    "sde_sample_freq": (-1, np.inf),
}
WHOLE = ("n_steps", "batch_size", "n_epochs", "buffer_size", "learning_starts", "train_freq", "gradient_steps")
FALLING = "lin_"
GAMMA = 0.99  # of Stable-Baselines3, where a file does not say
NOT_OURS = (
    *("env", "policy", "policy_kwargs", "seed", "device", "verbose", "tensorboard_log", "action_noise"),
    *("rollout_buffer_class", "rollout_buffer_kwargs", "replay_buffer_class", "replay_buffer_kwargs"),
    *("stats_window_size", "_init_setup_model"),
)


@dataclass(frozen=True)
class Hyperparameters:
    """Everything that shapes a training besides its markets and its seed.

    Attributes:
        algo: Name of the algorithm, one of `ALGORITHMS`.
        num_envs: Markets that are stepped at once.
        total_timesteps: Steps of all markets together.
        policy: Stable-Baselines3's name of the policy class.
        normalize: Arguments of `VecNormalize`; None trains on natural units.
        policy_kwargs: Arguments of the policy class, activations by name.
        noise_std: Deviation of the action noise of DDPG and TD3; None for no noise.
        settings: Arguments of the algorithm, schedules as text.
    """

    algo: str
    num_envs: int
    total_timesteps: int
    policy: str
    normalize: Mapping[str, Any] | None
    policy_kwargs: Mapping[str, Any]
    noise_std: float | None
    settings: Mapping[str, Any]

    def arguments(self, actions: int) -> dict[str, Any]:
        """Keyword arguments of the algorithm's class.

        Args:
            actions: Width of the action.
        """
        arguments = {name: _schedule(value) for name, value in self.settings.items()}
        activation = self.policy_kwargs.get("activation_fn")
        chosen = {} if activation is None else {"activation_fn": ACTIVATIONS[activation]}
        arguments["policy_kwargs"] = {**self.policy_kwargs, **chosen}
        if self.noise_std is not None:
            arguments["action_noise"] = NormalActionNoise(np.zeros(actions), np.full(actions, self.noise_std))
        return arguments

    def plain(self) -> dict[str, Any]:
        """All of them as one flat mapping of plain values, for records."""
        named = {
            "algo": self.algo,
            "n_envs": self.num_envs,
            "n_timesteps": self.total_timesteps,
            "policy": self.policy,
            "normalize": None if self.normalize is None else dict(self.normalize),
            "policy_kwargs": dict(self.policy_kwargs),
        }
        noise = {} if self.noise_std is None else {"noise_std": self.noise_std}
        return named | noise | dict(self.settings)


def read(path: Path, algo: str, env_id: str, changes: Mapping[str, Any] | None = None) -> Hyperparameters:
    """The hyperparameters of a file for an algorithm and an environment.

    Args:
        path: YAML file.
        algo: One of `ALGORITHMS`.
        env_id: Key in the file.
        changes: Hyperparameters that replace or join the file's; those of `policy_kwargs` are laid on the file's.

    Raises:
        ValueError: One line naming file, key, value and what is allowed.
    """
    if algo not in ALGORITHMS:
        raise ValueError(f"algo must be one of {', '.join(ALGORITHMS)}, got {algo!r}")
    try:
        values = {name: _opened(name, value) for name, value in _entry(path, env_id).items()}
        values |= {name: value for name, value in (changes or {}).items() if name != "policy_kwargs"}
        values["policy_kwargs"] = values.get("policy_kwargs", {}) | (changes or {}).get("policy_kwargs", {})
        return _checked(algo, values)
    except ValueError as error:
        raise ValueError(f"{path}: {env_id}: {error}") from None


def usual(setting: str, env_id: str) -> str:
    """What the files of this folder say of a hyperparameter, algorithm by algorithm, in words for a command's help."""
    found: dict[str, list[str]] = {}
    for algo in ALGORITHMS:
        own = read(FOLDER / f"{algo}.yml", algo, env_id)
        values = {**own.plain(), **own.policy_kwargs}
        if setting in values:
            found.setdefault(str(values[setting]), []).append(algo)
    if not found:
        return "that of Stable-Baselines3"
    return "; ".join(f"{value} for {', '.join(algos)}" for value, algos in found.items())


def _entry(path: Path, env_id: str) -> dict[str, Any]:
    """What a file says of an environment."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {' '.join(str(error).split())}") from None
    known = document if isinstance(document, dict) else {}
    if not isinstance(known.get(env_id), dict):
        raise ValueError(f"must be a key with a mapping of hyperparameters, the file has {', '.join(known) or 'none'}")
    return known[env_id]


def _opened(name: str, value: Any) -> Any:
    """A hyperparameter with the text `dict(...)` read as the mapping that it stands for."""
    if name == "policy_kwargs" and not isinstance(value, str | dict):
        raise ValueError(f"{name} must be a mapping, or read dict(name=value, ...), got {value!r}")
    if name not in ("normalize", "policy_kwargs") or not isinstance(value, str):
        return value
    try:
        read = _literal(ast.parse(value, mode="eval").body)
        if not isinstance(read, dict):
            raise SyntaxError
        return read
    except (SyntaxError, ValueError):
        raise ValueError(f"{name} must be a mapping, or read dict(name=value, ...), got {value!r}") from None


def _literal(node: ast.expr) -> Any:
    """The value of an expression without names other than `dict` and those of activations, which stay text."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {str(pair.arg): _literal(pair.value) for pair in node.keywords}
    text = ast.unparse(node)
    return text if text in ACTIVATIONS else ast.literal_eval(node)


def _checked(algo: str, values: Mapping[str, Any]) -> Hyperparameters:
    settings = {name: value for name, value in values.items() if name not in (*OF_THE_TRAINING, *OF_THE_NOISE)}
    _check_names(algo, values)
    for name, value in settings.items():
        _check_value(name, value)
    _check_policy(values["policy_kwargs"])
    normalize = values.get("normalize", False)
    _check_normalisation(normalize)
    return Hyperparameters(
        algo=algo,
        num_envs=_count(values, "n_envs"),
        total_timesteps=_count(values, "n_timesteps"),
        policy=str(values.get("policy", "MlpPolicy")),
        normalize=({} if normalize is True else normalize) if normalize is not False else None,
        policy_kwargs=values["policy_kwargs"],
        noise_std=float(values["noise_std"]) if values.get("noise_type") == "normal" else None,
        settings=settings,
    )


@cache
def _arguments_of(algo: str) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(ALGORITHMS[algo]).parameters if name not in NOT_OURS)


def _check_names(algo: str, values: Mapping[str, Any]) -> None:
    allowed = (*OF_THE_TRAINING, *OF_THE_NOISE, *_arguments_of(algo))
    for name in values:
        if name not in allowed:
            raise ValueError(f"{name} is no hyperparameter of {algo}: it has {', '.join(allowed)}")
    if values.get("use_sde") and algo not in ("ppo", "maskable_ppo"):
        raise ValueError(f"use_sde goes with ppo, got it with {algo}")  # SAC bounds its mean by a layer of its own
    if values.get("noise_type", "normal") != "normal":
        raise ValueError(f"noise_type must be normal, got {values['noise_type']!r}")
    if ("noise_type" in values) != ("noise_std" in values):
        raise ValueError("noise_type and noise_std go together, got one of them")


def _check_policy(kwargs: Mapping[str, Any]) -> None:
    """Refuse what would be trained and not exported, or the other way round."""
    for name in kwargs:
        if name not in OF_THE_POLICY:
            raise ValueError(f"policy_kwargs must be of {', '.join(OF_THE_POLICY)}, got {name!r}")
    activation, widths = kwargs.get("activation_fn"), kwargs.get("net_arch", [64, 64])
    if activation is not None and activation not in ACTIVATIONS:
        raise ValueError(f"policy_kwargs: activation_fn must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
    for layers in widths.values() if isinstance(widths, dict) else (widths,):
        whole = isinstance(layers, list) and all(isinstance(width, int) and width > 0 for width in layers)
        if not whole or not layers:
            raise ValueError(f"policy_kwargs: net_arch must list the widths of the hidden layers, got {widths!r}")


def _check_normalisation(normalize: Any) -> None:
    if not isinstance(normalize, bool | dict):
        raise ValueError(f"normalize must be true, false or dict(name=value, ...), got {normalize!r}")
    for name in normalize if isinstance(normalize, dict) else ():
        if name not in OF_THE_NORMALISATION:
            raise ValueError(f"normalize must be of {', '.join(OF_THE_NORMALISATION)}, got {name!r}")


def _check_value(name: str, value: Any) -> None:
    """Refuse numbers out of range, and text that is neither a schedule nor automatic, as YAML reads 1e-3."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = RANGES.get(name, (-np.inf, np.inf))
        if not low <= value <= high:
            allowed = f"at least {low:g}" if np.isinf(high) else f"from {low:g} to {high:g}"
            raise ValueError(f"{name} must be {allowed}, got {value!r}")
        if name in WHOLE and value != int(value):
            raise ValueError(f"{name} must be a whole number, got {value!r}")
        return
    if not isinstance(value, str) or (name in AUTOMATIC and value.startswith("auto")):
        return
    if name not in SCHEDULED:
        raise ValueError(f"{name} must be a number such as 1.0e-3, got {value!r}")
    try:
        if not value.startswith(FALLING) or float(value.removeprefix(FALLING)) < 0:
            raise ValueError
    except ValueError:
        raise ValueError(f"{name} must be a number such as 1.0e-3, or a schedule lin_1.0e-3, got {value!r}") from None


def _count(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1 or value != int(value):
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def _schedule(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FALLING):
        return LinearSchedule(float(value.removeprefix(FALLING)), 0.0, 1.0)
    return value
