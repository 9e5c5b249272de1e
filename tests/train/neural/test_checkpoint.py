"""A training that is interrupted and resumed ends byte for byte as one that was not."""

from __future__ import annotations

import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from evaluate.run_directory import RunDirectory
from tests.train.neural.small_training import ITERATION, plan
from train.neural import checkpoint
from train.neural.callbacks import Interruption, Milestones
from train.neural.checkpoint import FORMAT
from train.neural.training import Training, config_of, examination_of


def begun(tmp_path, name, **changes):
    chosen = plan(**changes)
    return Training.of(chosen, RunDirectory.create(tmp_path, name, config_of(chosen)), examination_of(chosen))


def resumed(training):
    """The training as another process would find it in its folder."""
    run = RunDirectory.open(training.run.path)
    return Training.of(training.plan, run, examination_of(training.plan), checkpoint.latest(run.path, trusted=True))


def interrupt_after(monkeypatch, timesteps):
    """Let the user press Ctrl-C as soon as so many steps are done; twice would end at once."""
    on_step = Milestones._on_step

    def watched(self):
        self._interruption.wanted |= self.num_timesteps >= timesteps
        return on_step(self)

    monkeypatch.setattr(Milestones, "_on_step", watched)


def flattened(value, place=""):
    """Every tensor of nested parameters as bytes, by its place."""
    if isinstance(value, dict):
        return {key: leaf for name in value for key, leaf in flattened(value[name], f"{place}/{name}").items()}
    if isinstance(value, list | tuple):
        return flattened(dict(enumerate(value)), place)
    return {place: value.numpy().tobytes() if hasattr(value, "numpy") else value}


def left_behind(training):
    """All that a finished training has come to: weights and optimisers, normalisation, markets, evaluations."""
    model = training.model
    env = model.get_env()
    return (
        flattened(model.get_parameters())
        | {"mean": env.obs_rms.mean.tobytes(), "return": float(env.ret_rms.var)}
        | {"observation": model._last_obs.tobytes(), "steps": model.num_timesteps, "updates": model._n_updates}
        | {f"{verdict.timesteps}": (verdict.means, verdict.gains) for verdict in training.history.verdicts}
        | {"best": training.history.best}
        | {name: tensor.tobytes() for name, tensor in training.best_actor.tensors.items()}
    )


def trained_at_once_and_in_two(tmp_path, monkeypatch, **changes):
    """A training of four iterations, and one of two and two with an interruption between."""
    whole = begun(tmp_path, "whole", **changes)
    whole.learn()
    cut = begun(tmp_path, "cut", **changes)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2 * ITERATION)
        with pytest.raises(KeyboardInterrupt):
            cut.learn()
    assert cut.model.num_timesteps == 2 * ITERATION
    rest = resumed(cut)
    assert rest.model.num_timesteps == 2 * ITERATION
    rest.learn()
    return whole, rest


@pytest.mark.parametrize(
    "changes",
    [
        {"algo": "ppo"},
        {"algo": "ppo", "mirrored": False},
        {"algo": "ppo", "scenarios": ("calm", "volatile"), "latencies": ("metro", "retail")},
        {"algo": "maskable_ppo"},
        {"algo": "sac"},
        {"algo": "td3"},
    ],
    ids=["ppo", "ppo not mirrored", "ppo mixed", "maskable_ppo", "sac", "td3"],
)
def test_two_iterations_and_two_more_after_resuming_are_four(tmp_path, monkeypatch, changes):
    whole, rest = trained_at_once_and_in_two(tmp_path, monkeypatch, **changes)
    assert left_behind(rest) == left_behind(whole)


@pytest.mark.parametrize("frequency", [-1, 4])
def test_state_dependent_noise_goes_on_too(tmp_path, monkeypatch, frequency):
    path = tmp_path / "noise.yml"
    text = "Sentinel-MM-v0: {n_envs: 8, n_timesteps: 512, normalize: true, use_sde: true, sde_sample_freq: FREQUENCY}\n"
    path.write_text(text.replace("FREQUENCY", str(frequency)))
    whole, rest = trained_at_once_and_in_two(tmp_path, monkeypatch, hyperparameters=path, mirrored=False)
    assert left_behind(rest) == left_behind(whole)


def test_a_run_killed_between_checkpoints_goes_on_from_the_last_one(tmp_path, monkeypatch):
    whole = begun(tmp_path, "whole")
    whole.learn()
    killed = begun(tmp_path, "killed")

    def die(self):
        if self.num_timesteps >= 3 * ITERATION:
            raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Milestones, "_on_rollout_end", die)
        with pytest.raises(SystemExit):
            killed.learn()
    rest = resumed(killed)
    assert rest.model.num_timesteps == 2 * ITERATION
    rest.learn()
    assert left_behind(rest) == left_behind(whole)


def test_a_checkpoint_that_cannot_be_finished_leaves_the_last_one_and_nothing_else(tmp_path):
    path = tmp_path / "checkpoints" / "last.pt"
    checkpoint.write(path, {"format": FORMAT})
    with pytest.raises(AttributeError, match="pickle"):
        checkpoint.write(path, {"format": lambda: 2})
    assert checkpoint.read(path) == {"format": FORMAT}
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_checkpoint_is_one_line_that_names_the_file(tmp_path):
    path = tmp_path / "last.pt"
    checkpoint.write(path, {"format": FORMAT, "padding": bytes(10_000)})
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(ValueError, match=r"last.pt: no readable checkpoint") as caught:
        checkpoint.read(path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    checkpoint.write(tmp_path / "last.pt", {"format": 1})
    with pytest.raises(ValueError, match=f"format of the checkpoint must be {FORMAT}, got 1"):
        checkpoint.read(tmp_path / "last.pt")


def test_a_checkpoint_is_read_only_where_the_user_says_that_it_is_their_own(tmp_path):
    assert checkpoint.latest(tmp_path, trusted=False) is None
    checkpoint.write(tmp_path / checkpoint.LAST, {"format": FORMAT})
    with pytest.raises(ValueError, match=r"last.pt is a pickle, .* add --trust if the run is your own"):
        checkpoint.latest(tmp_path, trusted=False)
    assert checkpoint.latest(tmp_path, trusted=True) == {"format": FORMAT}


def test_the_second_interruption_ends_at_once():
    with Interruption() as interruption:
        interruption._note(2, None)
        assert interruption.wanted
        with pytest.raises(KeyboardInterrupt):
            interruption._note(2, None)
