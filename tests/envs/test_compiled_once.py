"""One compiled program drives every market, whatever its face: a second signature is a second minute to compile."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from lobenv.compiled import JIT_ENABLED
from lobenv.engine.batch import Batch
from lobenv.engine.step import advance
from lobenv.envs.vector import MarketMakingVectorEnv
from lobenv.scenario import external_of, load
from tests.envs.rollouts import LIVELY, make, near_touch, sampled


@pytest.mark.skipif(not JIT_ENABLED, reason="nothing is compiled under NUMBA_DISABLE_JIT")
def test_every_face_and_every_copy_runs_the_same_compiled_program():
    for action in ("continuous", "discrete", "multidiscrete"):
        env = make(action=action, latency="geo", fees="nasdaq")
        env.reset(seed=1)
        for copied in (env, copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
            for choice in sampled(env.action_space, 1, 3):
                copied.step(choice)
            copied.restore(pickle.loads(pickle.dumps(env.snapshot())))
    envs = MarketMakingVectorEnv(130, scenario=LIVELY, threads=2)
    envs.reset(seed=[*range(130)])
    envs.step(near_touch(1, 130))
    envs.close()
    scenario = load(LIVELY)
    pair = Batch(
        scenario, 2, externals=(external_of(scenario), replace(external_of(scenario), name="rival")), tape=True
    )
    pair.reset(np.arange(2), np.arange(2, dtype=np.uint64))
    pair.step(np.zeros((2, 2, 2)))
    assert len(advance.signatures) == 1  # pyright: ignore[reportFunctionMemberAccess]
