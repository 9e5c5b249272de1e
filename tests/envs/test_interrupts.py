"""Ctrl-C in the middle of a step: every market stands at one decision, or the face refuses to go on."""

from __future__ import annotations

import pytest

from tests.envs.rollouts import fresh_process, make, near_touch

INTERRUPTED = """
import os, random, signal, sys, threading, time
import numpy as np
from lobenv.engine.batch import InterruptedMarketError
from lobenv.envs.vector import MarketMakingVectorEnv
from tests.envs.rollouts import LIVELY

envs = MarketMakingVectorEnv(130, scenario=LIVELY, threads=2, max_episode_steps=1_000)
actions = np.full((130, 2), -0.9, np.float32)
envs.reset(seed=1)
started = time.perf_counter()
for _ in range(5):
    envs.step(actions)
usual = (time.perf_counter() - started) / 5
rng = random.Random(1)
whole = refused = 0
while whole + refused < 60:
    envs.reset(seed=rng.randrange(1_000))
    killer = threading.Timer(rng.uniform(0.0, 3 * usual), os.kill, (os.getpid(), signal.SIGINT))
    try:
        killer.start()
        for _ in range(30):
            envs.step(actions)
        killer.join()
        time.sleep(0.01)
    except KeyboardInterrupt:
        pass
    killer.cancel()
    decisions = set(envs.batch.worlds.externals["decision"][:, 0].tolist())
    try:
        envs.step(actions)
    except InterruptedMarketError as error:
        assert "\\n" not in str(error), error
        refused += 1
        continue
    assert len(decisions) == 1, decisions
    whole += 1
envs.reset(seed=1)
envs.step(actions)
print(whole, refused)
"""


def test_after_ctrl_c_all_markets_stand_at_one_decision_or_a_step_is_refused():
    whole, refused = map(int, fresh_process(INTERRUPTED).split())
    assert whole + refused == 60  # the script holds each of them to the one or the other


def test_an_interrupted_step_needs_a_reset_or_a_snapshot(monkeypatch):
    env = make()
    env.reset(seed=1)
    kept = env.snapshot()

    def interrupt(*_):
        raise KeyboardInterrupt

    action = near_touch(1, 1)[0]
    with monkeypatch.context() as patch:
        patch.setattr(env.sessions.pictures, "mode", "ansi")
        patch.setattr(env.sessions.pictures, "remember", interrupt)
        with pytest.raises(KeyboardInterrupt):
            env.step(action)
    for refused in (lambda: env.step(action), env.snapshot):
        with pytest.raises(RuntimeError, match="the last step was interrupted") as caught:
            refused()
        assert "\n" not in str(caught.value)
    env.restore(kept)
    assert env.step(action)[2] is False
