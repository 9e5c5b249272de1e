"""The checks on the Poisson-fill market as a user meets them, on trainings of a few seconds."""

from __future__ import annotations

import json

import pytest

from train import check_cartea_jaimungal, check_leaked_price
from train.check_leaked_price import PENALTIES, VOLATILE
from train.poisson.check_command import Options, checked
from train.poisson.market import PoissonVecEnv, play
from train.poisson.optimum import solve
from train.poisson.training import learn

CHECKS = {"cartea_jaimungal": check_cartea_jaimungal, "leaked_price": check_leaked_price}


@pytest.mark.parametrize("name", CHECKS)
def test_an_untrained_policy_fails_a_check_which_keeps_what_it_found(name, tmp_path, capsys):
    assert CHECKS[name].main(["--total-timesteps", "1", "--num-envs", "128", "--out", str(tmp_path)]) == 1
    assert "FAILED" in capsys.readouterr().out
    (run,) = tmp_path.iterdir()
    assert run.name.endswith(name)
    assert json.loads((run / "config.json").read_text())["config"]["hyperparameters"]["n_timesteps"] == 1
    assert json.loads((run / "result.json").read_text())["passed"] is False
    assert (run / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("option", ["--seed", "--total-timesteps", "--num-envs"])
def test_a_wrong_option_is_one_line_and_status_2(name, option, tmp_path, capsys):
    assert CHECKS[name].main([option, "-1", "--out", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_leak_is_made_use_of_within_fifty_thousand_steps():
    # The short training alone falls short of the 90 % of the check; without the leak nothing comes near to it.
    hyperparameters = checked("leaked_price", Options(total_timesteps=50_000))
    env = PoissonVecEnv(hyperparameters.num_envs, VOLATILE, PENALTIES, widest_start=0, leaked=True)
    course = learn(env, hyperparameters, 1, lambda policy: 0.0)
    earned = play(PoissonVecEnv(500, VOLATILE, PENALTIES, widest_start=0, leaked=True), course.policy, 1)
    blind = solve(VOLATILE, PENALTIES).value[0, PENALTIES.inventory_cap]
    assert earned.mean() - 4 * earned.std() / len(earned) ** 0.5 > blind
