"""A stranger follows CONTRIBUTING.md word for word: a package with a kind of trader and a policy, and no fork."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.outside.walk import ROOT, process

QUICK = {"session": {"warm_up_s": 1, "duration_s": 30}}
ASLEEP = {**QUICK, "agents": {"copycats": {"mean_interval_s": 1e6}}}
UNTIL_S = 20.0


def market(folder: Path, scenario: str, overrides: dict[str, Any], *paths: Path, **variables: str) -> dict[str, Any]:
    """What `walk.run` says of a market in a process of its own."""
    arguments = ("-m", "tests.outside.walk", scenario, json.dumps(overrides), str(UNTIL_S))
    done = process(folder, *arguments, paths=paths, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def trading(package, installed) -> dict[str, Any]:
    return market(package, "market.yaml", QUICK, installed)


@pytest.fixture(scope="module")
def without(package) -> dict[str, Any]:
    """The same market without the package, and without its traders."""
    return market(package, "calm", QUICK)


def test_a_kind_of_an_installed_package_trades_and_is_told_of_it(trading):
    assert trading["strangers"] == 5
    assert trading["told"] == trading["traded"] > 0
    assert trading["comes_back"]


def test_its_traders_read_the_table_that_their_group_shares(trading):
    orders, shares = trading["orders"], trading["shares"]
    assert 100 * orders < shares < 300 * orders
    assert (shares - 100 * orders) % 200 == 0


def test_traders_of_another_package_shift_nobody_s_draws(package, installed, trading, without):
    for held in ("keys", "first_wakes", "fundamental"):
        assert trading[held] == without[held]
    assert trading["tape"] != without["tape"]
    asleep = market(package, "market.yaml", ASLEEP, installed)
    assert asleep["strangers"] == 5
    assert asleep["tape"] == without["tape"]


def test_the_cache_key_is_another_with_a_kind_that_was_added(trading, without):
    assert trading["cache_key"] != without["cache_key"]


@pytest.mark.slow
def test_the_compiled_market_with_a_kind_of_another_package_is_the_interpreted_one(package, installed, trading):
    compiled = {"NUMBA_DISABLE_JIT": "0", "LOBENV_CACHE_DIR": str(package / "cache")}
    found = market(package, "market.yaml", QUICK, installed, **compiled)
    assert found | {"cache_key": trading["cache_key"]} == trading  # how it is compiled is part of the key


def test_one_call_adds_the_kind_too_and_comes_too_late_once_a_market_has_run(package, trading):
    code = (
        "import json, script, lobenv; from tests.outside.walk import run; from my_traders import copycat;"
        f"print(json.dumps(run('market.yaml', {QUICK!r}, {UNTIL_S})));"
        "lobenv.register_agent(copycat.Copycat, state=copycat.STATE, wake=copycat.wake)"
    )
    done = process(package, "-c", code, paths=(package,))
    assert json.loads(done.stdout) == trading
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "lobenv.registry.RegistrationError: agent kind 'copycat' of my_traders.copycat cannot be added"
    )


def test_a_kind_that_comes_after_the_first_market_is_refused_in_one_line(package):
    code = f"from tests.outside.walk import run;run('calm', {QUICK!r}, 2.0);import script"
    done = process(package, "-c", code, paths=(package,))
    assert done.stderr.strip().splitlines()[-1] == (
        "lobenv.registry.RegistrationError: agent kind 'copycat' of my_traders.copycat cannot be added: "
        "the market has been compiled in this process; add it before the first market runs"
    )


def test_the_same_file_in_this_repository_is_the_same_kind(package, tmp_path, trading):
    shutil.copytree(ROOT / "lobenv", tmp_path / "lobenv", ignore=shutil.ignore_patterns("__pycache__"))
    agents = tmp_path / "lobenv" / "agents"
    shutil.copy(package / "my_traders" / "copycat.py", agents)
    table = (agents / "kinds.py").read_text()
    table = table.replace("    avellaneda_stoikov,\n", "    avellaneda_stoikov,\n    copycat,\n", 1)
    table = table.replace("    arbitrageur.KIND,\n)", "    arbitrageur.KIND,\n    copycat.KIND,\n)", 1)
    (agents / "kinds.py").write_text(table)
    inside = market(package, "market.yaml", QUICK, tmp_path)
    assert inside["tape"] == trading["tape"]


def test_a_policy_of_an_installed_package_is_loaded_by_its_address_and_plays(package, installed):
    code = (
        "import gymnasium as gym, numpy as np, policies; from lobenv.scenario import load;"
        "policy = policies.load('mine:steady?distance=3', policies.market_spec(load('calm')));"
        "policy.reset(1, 1);"
        f"env = gym.make('lobenv:Sentinel-MM-v0', overrides={QUICK!r});"
        "seen, _ = env.reset(seed=1);"
        "seen, *_ = env.step(policy.act(seen[None])[0]);"
        "print(isinstance(policy, policies.Policy), policy.name, seen.shape)"
    )
    done = process(package, "-c", code, paths=(installed,))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True mine:steady?distance=3 (")


REFUSED = {
    "policies.check('mien:steady')": "policy 'mien:steady': family must be one of rule, ppo, gp, tuned, mine, "
    "got 'mien', did you mean mine?",
    "policies.check('mine:still')": "policy 'mine:still': name must be steady, got 'still'",
    "load('calm', {'agents.x.kind': 'copycta'})": "overrides: agents.x: kind must be one of noise, retail, value, "
    "momentum, mean_reversion, market_maker, avellaneda_stoikov, institution, arbitrageur, copycat, "
    "got 'copycta', did you mean copycat?",
    "load('calm', {'agents.x': {'kind': 'copycat', 'size_shares': 3}})": "overrides: agents.x.size_shares: unknown "
    "key, did you mean sizes_shares?; allowed are books, computation_us, count, inventory_cap_shares, "
    "kind, label, latency, latency_by_venue, mean_interval_s, order_rate_per_s, self_trade_prevention, sizes_shares",
    "load('calm', {'agents.x': {'kind': 'copycat', 'sizes_shares': [1, 10**7]}})": "overrides: agents.x."
    "sizes_shares.1: must be a whole number >= 1 and <= 1000000, got 10000000",
    "load('calm', {'agents.x': {'kind': 'copycat', 'sizes_shares': ['many']}})": "overrides: agents.x.sizes_shares.0: "
    "must be a whole number >= 1 and <= 1000000, got 'many'",
}


def test_what_is_wrong_with_something_that_was_added_is_said_in_one_line(package, installed):
    code = (
        "import policies; from lobenv.scenario import load\n"
        f"for wrong in {list(REFUSED)!r}:\n"
        "    try: eval(wrong)\n"
        "    except ValueError as error: print(error)\n"
        "    else: print('accepted')"
    )
    done = process(package, "-c", code, paths=(installed,))
    assert done.stdout.splitlines() == list(REFUSED.values()), done.stderr


def test_an_entry_point_that_cannot_be_loaded_is_one_line_naming_package_and_kind(package, tmp_path):
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lobenv.agents]\nghost = no_such_module:KIND\n")
    done = process(package, "-c", "from lobenv.scenario import load; load('calm')", paths=(tmp_path,))
    assert done.stderr.strip().splitlines()[-1] == (
        "lobenv.registry.RegistrationError: agent kind 'ghost' of broken cannot be added: entry point "
        "no_such_module:KIND cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"
    )
