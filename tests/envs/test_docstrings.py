"""The examples in the docstrings of the environments do what they say."""

from __future__ import annotations

import doctest

import pytest

from lobenv.envs.market_making import MarketMakingEnv
from lobenv.envs.vector import MarketMakingVectorEnv

FACES = [MarketMakingEnv, MarketMakingVectorEnv]


def check(face):
    tests = [test for test in doctest.DocTestFinder(recurse=False).find(face, face.__name__) if test.examples]
    assert tests, "there is an example"
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        assert runner.run(test).failed == 0


@pytest.mark.parametrize("face", FACES, ids=[face.__name__ for face in FACES])
def test_the_examples_of_a_face_are_right(face):
    check(face)


def test_the_examples_of_the_stable_baselines_face_are_right():
    pytest.importorskip("stable_baselines3")
    from lobenv.adapters.sb3 import SB3VecEnv

    check(SB3VecEnv)
