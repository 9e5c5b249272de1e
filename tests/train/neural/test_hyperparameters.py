"""Hyperparameters are read from files in RL Zoo's form, never evaluated, and wrong ones are refused in one line."""

from __future__ import annotations

import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from torch import nn

from lobenv import MARKET_MAKING
from train.neural.hyperparameters import ALGORITHMS, FOLDER, read

MINIMAL = "Some-v0:\n  n_envs: 4\n  n_timesteps: !!float 1e3\n"


def written(tmp_path, text):
    path = tmp_path / "some.yml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_the_files_that_come_with_it_are_read(algo):
    found = read(FOLDER / f"{algo}.yml", algo, MARKET_MAKING)
    assert found.normalize == {"clip_obs": 10.0, "clip_reward": 10.0}
    assert found.policy_kwargs["net_arch"] == ([32, 32] if algo == "ppo" else [64, 64])
    assert found.total_timesteps >= 100_000
    schedule = found.arguments(2)["learning_rate"]
    assert schedule(0.5) == pytest.approx(0.5 * schedule(1.0))


def test_calls_of_dict_are_read_as_the_mappings_they_stand_for(tmp_path):
    text = MINIMAL + '  policy_kwargs: "dict(net_arch=[8, 4], activation_fn=nn.ReLU, log_std_init=-2)"\n'
    found = read(written(tmp_path, text), "ppo", "Some-v0")
    assert found.policy_kwargs == {"net_arch": [8, 4], "activation_fn": "nn.ReLU", "log_std_init": -2}
    assert found.arguments(2)["policy_kwargs"]["activation_fn"] is nn.ReLU


def test_mappings_within_mappings_are_read_as_rl_zoo_writes_them(tmp_path):
    text = MINIMAL + '  policy_kwargs: "dict(net_arch=dict(pi=[8], vf=[16, 4]))"\n'
    assert read(written(tmp_path, text), "ppo", "Some-v0").policy_kwargs == {"net_arch": {"pi": [8], "vf": [16, 4]}}


@pytest.mark.parametrize(
    ("written_as", "read_as"),
    [
        ("true", {}),
        ("false", None),
        ('"dict(gamma=0.9)"', {"gamma": 0.9}),
        ("\"{'norm_reward': False}\"", {"norm_reward": False}),
    ],
)
def test_normalize_is_a_switch_or_arguments(tmp_path, written_as, read_as):
    assert read(written(tmp_path, MINIMAL + f"  normalize: {written_as}\n"), "ppo", "Some-v0").normalize == read_as


def test_lin_is_a_schedule_that_falls_to_zero(tmp_path):
    found = read(written(tmp_path, MINIMAL + "  learning_rate: lin_4.0e-3\n  clip_range: 0.1\n"), "ppo", "Some-v0")
    schedule = found.arguments(2)["learning_rate"]
    assert [schedule(left) for left in (1.0, 0.25, 0.0)] == pytest.approx([4e-3, 1e-3, 0.0])
    assert found.arguments(2)["clip_range"] == 0.1
    assert found.plain()["learning_rate"] == "lin_4.0e-3"


def test_noise_is_normal_and_as_wide_as_the_action(tmp_path):
    found = read(written(tmp_path, MINIMAL + "  noise_type: normal\n  noise_std: 0.2\n"), "td3", "Some-v0")
    noise = found.arguments(2)["action_noise"]
    assert noise._sigma.tolist() == [0.2, 0.2]


def test_changes_replace_what_the_file_says_and_those_of_the_policy_join_it(tmp_path):
    path = written(tmp_path, MINIMAL + '  gamma: 0.9\n  policy_kwargs: "dict(net_arch=[8], log_std_init=-2)"\n')
    found = read(path, "ppo", "Some-v0", {"gamma": 0.5, "n_envs": 2, "policy_kwargs": {"net_arch": [4]}})
    assert (found.settings, found.num_envs) == ({"gamma": 0.5}, 2)
    assert found.policy_kwargs == {"net_arch": [4], "log_std_init": -2}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("n_steps: 1\n  gama: 0.9", "gama is no hyperparameter of ppo: it has n_envs"),
        ("buffer_size: 100", "buffer_size is no hyperparameter of ppo"),
        ("learning_rate: 1e-3", r"learning_rate must be a number such as 1.0e-3, or a schedule lin_1.0e-3, got '1e-3'"),
        ("learning_rate: lin_fast", "learning_rate must be a number"),
        ("n_envs: 2.5", "n_envs must be a whole number of at least 1, got 2.5"),
        ("noise_type: ornstein\n  noise_std: 1", "noise_type must be normal, got 'ornstein'"),
        ("noise_type: normal", "noise_type and noise_std go together"),
        ("normalize: 3", "normalize must be true, false or dict"),
        ('policy_kwargs: "__import__(1)"', "policy_kwargs must be a mapping, or read dict"),
        ('policy_kwargs: "dict(net_arch=print(1))"', "policy_kwargs must be a mapping, or read dict"),
        ("policy_kwargs: 3", "policy_kwargs must be a mapping, or read dict"),
        ('policy_kwargs: "dict(squash_output=True)"', "policy_kwargs must be of net_arch, .*, got 'squash_output'"),
        ('policy_kwargs: "dict(net_arch=[])"', r"net_arch must list the widths of the hidden layers, got \[\]"),
        ("normalize: dict(clip_obz=3)", "normalize must be of norm_obs, .*, got 'clip_obz'"),
        ("batch_size: 0", "batch_size must be at least 2, got 0"),
        ("gae_lambda: -3", "gae_lambda must be from 0 to 1, got -3"),
        ("n_epochs: 1.5", "n_epochs must be a whole number, got 1.5"),
        ("gamma: lin_0.99", "gamma must be a number such as 1.0e-3, got 'lin_0.99'"),
        ("learning_rate: auto", "learning_rate must be a number"),
        ('policy_kwargs: "dict(activation_fn=4)"', "activation_fn must be one of nn.Tanh, nn.ReLU, got 4"),
    ],
)
def test_a_wrong_hyperparameter_is_one_line_that_names_file_and_key(tmp_path, line, message):
    text = MINIMAL.replace("  n_envs: 4\n", "") if line.startswith("n_envs") else MINIMAL
    with pytest.raises(ValueError, match=message) as caught:
        read(written(tmp_path, text + f"  {line}\n"), "ppo", "Some-v0")
    assert "some.yml: Some-v0: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_without_the_environment_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Other-v0: must be a key .* the file has Some-v0"):
        read(written(tmp_path, MINIMAL), "ppo", "Other-v0")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"none.yml: Some-v0: cannot be read: No such file"):
        read(tmp_path / "none.yml", "ppo", "Some-v0")


def test_an_unknown_algorithm_is_refused(tmp_path):
    with pytest.raises(ValueError, match="algo must be one of ppo, maskable_ppo, sac, td3, ddpg, got 'a2c'"):
        read(written(tmp_path, MINIMAL), "a2c", "Some-v0")
