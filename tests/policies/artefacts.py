"""Small learned policies made up for tests: sidecars of every family, weights, and their files."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np

from lobenv.scenario.loading import load
from policies import market_spec
from policies.artefact import write_artefact
from policies.ppo import CONTINUOUS, OUTPUTS, WEIGHTS, tensor_shapes
from policies.sidecar import (
    Interval,
    Network,
    NetworkParameters,
    NetworkSidecar,
    Normalisation,
    RuleParameters,
    RuleSidecar,
    Training,
    TrainingScenario,
    TreeParameters,
    TreeSidecar,
)

CALM = market_spec(load("calm"))
FIELDS = tuple(CALM.index)


def common(name="calm", *, markets=(CALM,)):
    """What a sidecar of any family says."""
    return {
        "name": name,
        "created": date(2026, 11, 21),
        "lobenv_version": "0.1.0",
        "env_id": "Sentinel-MM-v0",
        "scenarios": tuple(TrainingScenario(name=market.scenario, hash=market.scenario_hash) for market in markets),
        "order_size": 100,
        "max_offset_ticks": 20.0,
        "training": Training(command="python -m train.ppo", seeds=(1,), total_steps=1000, wall_seconds=2.5),
        "metrics": {"calm": {"pnl": Interval(mean=0.1 + 0.2, low=-1.0, high=2.0, episodes=64)}},
    }


def network(layers=(8, 6), activation: Any = "tanh", squash: Any = "clip", *, seed=0, fields=FIELDS):
    """Parameters of a network that saw observations of natural size."""
    draw = np.random.default_rng(seed)
    return NetworkParameters(
        network=Network(layers=layers, activation=activation, squash=squash),
        normalisation=Normalisation(
            mean=tuple(draw.normal(size=len(fields))),
            variance=tuple(draw.uniform(0.01, 50.0, len(fields))),
            epsilon=1e-8,
            clip=10.0,
        ),
    )


def weights(parameters, inputs, outputs=2, *, seed=0):
    """Weights of a network, such that its head spreads over [-1, 1] and a little beyond."""
    draw = np.random.default_rng(seed)
    shapes = tensor_shapes(parameters.network.layers, inputs, outputs)
    return {name: draw.normal(scale=0.5, size=shape).astype(np.float32) for name, shape in shapes.items()}


def safetensors(tensors):
    """The bytes of a safetensors file."""
    header, place = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": (place, place + array.nbytes)}
        place += array.nbytes
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(array.tobytes() for array in tensors.values())


def write_network(folder, *, action=CONTINUOUS, fields=FIELDS, seed=0, tensors=None, **changes):
    """A network in a folder."""
    squash = None if action.mode == "discrete" else "clip"
    parameters = network(squash=squash, fields=fields, seed=seed)
    sidecar = NetworkSidecar(
        **{**common(), "algorithm": "ppo", "observation": fields, "action": action, "parameters": parameters, **changes}
    )
    tensors = weights(parameters, len(fields), OUTPUTS[action.mode], seed=seed) if tensors is None else tensors
    return write_artefact(folder, sidecar, "# A network\n", {WEIGHTS: safetensors(tensors)})


def write_trees(folder, bid=("add", 2.0, "inventory"), ask=("sub", 2.0, "inventory"), **changes):
    """A pair of formulas in a folder."""
    parameters = TreeParameters(trees={"bid": bid, "ask": ask})
    shared = {**common(), "algorithm": "nsga2", "observation": ("inventory",), "parameters": parameters}
    return write_artefact(folder, TreeSidecar(**{**shared, **changes}), "# A pair of formulas\n")


def write_rule(folder, rule="rule:inventory_skewed?half_spread=4", **changes):
    """A tuned rule in a folder."""
    shared = {**common(), "algorithm": "nsga2", "observation": FIELDS, "parameters": RuleParameters(rule=rule)}
    return write_artefact(folder, RuleSidecar(**{**shared, **changes}), "# A tuned rule\n")
