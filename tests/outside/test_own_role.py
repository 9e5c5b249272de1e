"""A stranger adds a role as CONTRIBUTING.md says, word for word: it plays beside a maker, in a batch and alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lobenv.market.tables import ENDED, RUNNING
from tests.outside.walk import process


@pytest.fixture(scope="module")
def taking(package, installed) -> dict[str, Any]:
    done = process(package, "-m", "tests.outside.taking", paths=(installed,))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_role_of_an_installed_package_plays_in_a_batch_beside_a_maker(taking):
    beside = taking["beside"]
    assert beside["due"] == [[1, 1], [1, 0], [1, 1], [1, 0]]
    assert beside["sent"] == 12
    assert beside["maker"] > 0
    assert beside["ended"] == [ENDED, ENDED]


def test_it_acts_and_sees_as_its_own_file_says(taking):
    beside = taking["beside"]
    assert beside["positions"] == [-1.0, 0.0, 1.0]
    assert (beside["lowest"][1] > 0, beside["highest"][1] < 20) == (True, True)
    assert -1.0 <= beside["lowest"][2] < 0.0 < beside["highest"][2] <= 1.0


def test_its_reward_is_its_profit_and_its_position_is_closed_at_the_end(taking):
    beside = taking["beside"]
    assert beside["held"] == 0
    assert beside["paid"] == pytest.approx(beside["profit"], abs=1e-9)
    assert beside["paid"] != 0.0


def test_a_role_of_another_package_shifts_nobody_s_draws(taking):
    assert taking["shifts nobody"]


def test_its_own_end_ends_its_session_alone(taking):
    goal = taking["goal"]
    assert goal["status"] == [RUNNING, ENDED]
    assert 0 < goal["steps"] < 79
    assert goal["position"] == 0


def test_it_plays_in_a_plain_market_beside_a_maker(taking):
    plain = taking["plain"]
    assert plain["position"] == 100
    assert plain["quotes"] > 0
    assert plain["seen"] == [[[1, 3]], [[1, 35]]]


def test_a_scenario_that_names_it_comes_back_from_its_values(taking):
    assert (taking["comes back"], taking["written"], taking["learners"]) == (True, True, ["maker", "taker"])


def test_what_contributing_runs_runs(package, installed):
    done = process(package, str(package / "taking.py"), paths=(installed,))
    assert done.returncode == 0, done.stderr
    assert "taker" in done.stdout


@pytest.mark.slow
def test_the_compiled_market_with_a_role_of_another_package_is_the_interpreted_one(package, installed, taking):
    compiled = {"NUMBA_DISABLE_JIT": "0", "LOBENV_CACHE_DIR": str(package / "cache")}
    done = process(package, "-m", "tests.outside.taking", paths=(installed,), **compiled)
    assert json.loads(done.stdout) == taking, done.stderr


def test_one_call_adds_the_role_too_and_comes_too_late_once_a_market_has_run(package, taking):
    code = (
        "import json, script, lobenv; from dataclasses import replace; from tests.outside import taking;"
        "from my_traders.taker import ROLE, Taker; print(json.dumps(taking.told()));"
        "lobenv.register_role(ROLE);"
        "lobenv.register_role(replace(ROLE, parts=('profit',)))"
    )
    done = process(package, "-c", code, paths=(package,))
    assert json.loads(done.stdout) == taking
    assert done.stderr.strip().splitlines()[-1] == (
        "lobenv.registry.RegistrationError: role 'taker' of my_traders.taker cannot be added: "
        "my_traders.taker has one of that name already"
    )


def test_a_role_that_comes_after_the_first_market_is_refused_in_one_line(package):
    code = "from lobenv.simulation import Market; Market('calm').run(0.1); import script"
    script = "from my_traders.taker import ROLE; import lobenv; lobenv.register_role(ROLE)"
    done = process(package, "-c", code.replace("import script", script), paths=(package,))
    assert done.stderr.strip().splitlines()[-1] == (
        "lobenv.registry.RegistrationError: role 'taker' of my_traders.taker cannot be added: "
        "the market has been compiled in this process; add it before the first market runs"
    )


COMMON = "book, computation_us, count, decision_interval_s, latency, loss_limit, order_rate_per_s"
REFUSED = {
    "load('calm', {'learners.x.role': 'tkaer'})": "overrides: learners.x: role must be one of maker, taker, "
    "got 'tkaer', did you mean taker?",
    "load('calm', {'learners.x': {'size_shares': 3}})": "overrides: learners.x: role is missing; it must be one of "
    "maker, taker",
    "load('taking.yaml', {'learners.taker.sise_shares': 3})": "overrides: learners.taker.sise_shares: unknown key, "
    f"did you mean size_shares?; allowed are {COMMON}, profit_goal, role, size_shares",
    "load('taking.yaml', {'learners.taker.size_shares': 0})": "overrides: learners.taker.size_shares: must be a whole "
    "number of shares >= 1 and <= 1000000, got 0",
    "load('taking.yaml', {'fundamentals.SIM.price': 9e6, 'learners.taker.size_shares': 100_000})": "overrides: "
    "learners.taker.size_shares: must be <= ",
    "Batch(load('taking.yaml'), learners=('tacker',))": "learners: 'tacker' is not one of maker, taker, "
    "did you mean taker?",
    "Batch(load('taking.yaml'), task={'action': 'discrete'}, learners=('taker',))": "task: action: unknown key",
    "Batch(load('taking.yaml', {'learners.maker.count': 0}))": "learners: one must have the role maker, got taker",
    "Batch(load('taking.yaml', {'learners.taker.decision_interval_s': 1e4}), learners=('taker',))": "learners.taker."
    "decision_interval_s must be at most session.duration_s (600), got 10000",
}


def test_what_is_wrong_with_a_learner_of_it_is_said_in_one_line(package, installed):
    code = (
        "from lobenv.scenario import load; from lobenv.engine.batch import Batch\n"
        f"for wrong in {list(REFUSED)!r}:\n"
        "    try: eval(wrong)\n"
        "    except ValueError as error: print(error)\n"
        "    else: print('accepted')"
    )
    done = process(package, "-c", code, paths=(installed,))
    lines = done.stdout.splitlines()
    assert len(lines) == len(REFUSED), done.stderr
    for line, expected in zip(lines, REFUSED.values(), strict=True):
        assert expected in line
