"""Random streams: the published generator, the laws drawn from it, and streams that no one else can shift."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lobenv.agents.noise import Noise
from lobenv.agents.retail import Retail
from lobenv.compiled import JIT_ENABLED
from lobenv.market import streams
from lobenv.scenario.config import Book
from tests.market.driver import Market, small_template, trader
from tests.market.parts import BITS, EXPONENTIAL, GEOMETRIC, INTEGER, NORMAL, UNIFORM, draw, keys

N = 200_000 if JIT_ENABLED else 20_000


def numbers(law, parameter=0.0, count=N, state=20_240_611, stream=0, states=None):
    states = np.full(1, state, np.uint64) if states is None else states
    bits, out = np.zeros(count, np.uint64), np.zeros(count)
    draw(states, stream, law, float(parameter), bits, out)
    return bits if law == BITS else out


def within(sample, mean, deviation, errors=4.5):
    """Whether the sample's mean is within so many standard errors of the law's."""
    return abs(sample.mean() - mean) < errors * deviation / math.sqrt(len(sample))


def test_the_generator_is_splitmix64():
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert numbers(BITS, count=5, state=1_234_567).tolist() == expected


def test_uniform_numbers_are_even_over_the_unit_interval():
    sample = numbers(UNIFORM)
    assert sample.min() >= 0.0
    assert sample.max() < 1.0
    assert within(sample, 0.5, math.sqrt(1 / 12))
    counts = np.histogram(sample, bins=20, range=(0, 1))[0]
    chi_square = ((counts - N / 20) ** 2 / (N / 20)).sum()
    assert chi_square < 50  # the 0.99987 quantile at 19 degrees of freedom


def test_uniform_numbers_have_53_bits():
    sample = numbers(UNIFORM, count=1_000)
    assert np.array_equal(sample * 2**53, np.floor(sample * 2**53))
    assert (np.floor(sample * 2**53) % 2).any()


def test_successive_uniform_numbers_are_uncorrelated():
    sample = numbers(UNIFORM) - 0.5
    for lag in (1, 2, 7):
        assert abs(12 * (sample[lag:] * sample[:-lag]).mean()) < 5 / math.sqrt(N)


def test_integers_take_each_value_equally_often():
    sample = numbers(INTEGER, 7)
    values, counts = np.unique(sample, return_counts=True)
    assert values.tolist() == list(range(7))
    assert ((counts - N / 7) ** 2 / (N / 7)).sum() < 30


def test_exponential_numbers_have_their_mean_and_median():
    sample = numbers(EXPONENTIAL, 3.0)
    assert sample.min() >= 0.0
    assert within(sample, 3.0, 3.0)
    assert within(sample < 3.0 * math.log(2.0), 0.5, 0.5)


def test_normal_numbers_have_the_moments_and_tails_of_the_normal_law():
    sample = numbers(NORMAL)
    assert within(sample, 0.0, 1.0)
    assert within(sample**2, 1.0, math.sqrt(2))
    assert within(sample**3, 0.0, math.sqrt(15))
    for threshold in (-1.0, 0.0, 2.0):
        share = 0.5 * math.erfc(threshold / math.sqrt(2))
        assert within(sample > threshold, share, math.sqrt(share * (1 - share)))


def test_geometric_numbers_count_failures_before_a_success():
    p = 0.2
    sample = numbers(GEOMETRIC, p)
    assert sample.min() == 0
    assert within(sample, (1 - p) / p, math.sqrt(1 - p) / p)
    assert within(sample == 3, p * (1 - p) ** 3, 0.31)


def test_drawing_from_one_stream_leaves_the_others_alone():
    states = np.array([1, 2, 3], np.uint64)
    numbers(NORMAL, count=10, stream=1, states=states)
    assert states[[0, 2]].tolist() == [1, 3]
    assert states[1] != 2


def test_keys_differ_by_seed_role_and_index():
    indices = np.arange(500, dtype=np.int64)
    out = np.zeros(500, np.uint64)
    seen = set()
    for seed in range(5):
        for role in range(1, 9):
            keys(np.uint64(seed), role, indices, out)
            seen.update(out.tolist())
    assert len(seen) == 5 * 8 * 500


def test_neighbouring_keys_give_unrelated_streams():
    indices, out = np.arange(2_000, dtype=np.int64), np.zeros(2_000, np.uint64)
    keys(np.uint64(1), streams.AGENT_ROLE, indices, out)
    firsts = np.array([numbers(UNIFORM, count=1, state=int(key))[0] for key in out])
    assert within(firsts, 0.5, math.sqrt(1 / 12))
    assert abs(np.corrcoef(firsts[1:], firsts[:-1])[0, 1]) < 5 / math.sqrt(len(firsts))


# ---------------------------------------------------------------- whose stream is whose


def keyed(template, seed=5):
    """Identity of each agent -> its key and the states of its links before anything has happened."""
    world = Market(template, seed).world
    return {
        int(agent["identity"]): (int(agent["key"]), world.streams[session["stream"]].tolist())
        for agent, session in zip(world.agents, world.sessions, strict=True)
    }


def groups(**groups):
    return {"session": {"open_s": 1.0}, "agents": groups}


def test_another_group_of_agents_shifts_nobody_elses_streams():
    few = keyed(small_template(**groups(noise=Noise(count=3))))
    more = keyed(small_template(trader(1), trader(2), trader(3), **groups(early=Retail(count=4), noise=Noise(count=5))))
    assert few.items() <= more.items()
    assert len(more) == len(few) + 1 + 4 + 2


def test_a_group_is_known_by_its_name_and_not_by_its_place():
    one = keyed(small_template(**groups(a=Noise(count=2), b=Noise(count=2))))
    other = keyed(small_template(**groups(b=Noise(count=2), a=Noise(count=2))))
    assert one == other


def test_no_two_streams_of_a_market_begin_alike():
    template = small_template(
        books=(Book(), Book(name="second")), **groups(noise=Noise(count=20), retail=Retail(count=20))
    )
    world = Market(template).world
    assert len(set(world.streams.tolist())) == len(world.streams)


@pytest.mark.parametrize("field", [0, 1])
def test_another_seed_gives_every_agent_and_link_another_stream(field):
    template = small_template(**groups(noise=Noise(count=5)))
    one, other = keyed(template, 5), keyed(template, 6)
    assert all(one[identity][field] != other[identity][field] for identity in one)
