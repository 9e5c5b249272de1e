"""The options that a run keeps: what a command line may change when it is resumed, and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from evaluate.commands import default
from evaluate.stored_options import arguments_of, stored, with_stored


@dataclass(frozen=True)
class Options:
    seed: int = 1
    names: tuple[str, ...] = ("calm",)
    file: Annotated[Path | None, default("none")] = None
    out: Path = Path("runs")
    generations: int | None = None
    mirrored: bool | None = None
    quick: bool = False
    threads: int | None = None


CHANGEABLE = ("threads",)
RUN = Path("runs/it")


def resumed(options, own):
    config = json.loads(json.dumps({"options": stored(own, CHANGEABLE)}))
    return with_stored(options, config, RUN, "train.it", CHANGEABLE, ("generations",))


def test_a_run_brings_its_own_options_in_their_own_types():
    own = Options(seed=3, names=("a", "b"), file=Path("x.yml"), out=Path("elsewhere"), mirrored=False)
    assert resumed(Options(), own) == own


def test_what_changes_no_figure_is_the_command_lines():
    assert resumed(Options(threads=2), Options(seed=3, threads=8)) == Options(seed=3, threads=2)


def test_what_makes_a_run_longer_may_be_given_anew():
    assert resumed(Options(generations=9), Options(generations=5)).generations == 9
    assert resumed(Options(), Options(generations=5)).generations == 5


def test_what_the_run_has_may_be_said_again():
    assert resumed(Options(names=("a",)), Options(names=("a",))).names == ("a",)


def test_an_option_that_the_run_has_settled_is_refused_naming_both_values():
    with pytest.raises(ValueError, match=r"^seed of runs/it is 3 and stays so, got 4$"):
        resumed(Options(seed=4), Options(seed=3))


@pytest.mark.parametrize("config", [{}, {"options": None}, {"options": {"seed": 1}}])
def test_a_run_of_another_command_or_version_is_refused(config):
    with pytest.raises(ValueError, match=r"^runs/it must be a run of this version of train\.it"):
        with_stored(Options(), config, RUN, "train.it", CHANGEABLE)


def test_a_command_line_says_the_seed_and_what_differs_from_the_defaults():
    options = Options(names=("a", "b"), mirrored=False, quick=True, threads=2)
    assert arguments_of(options, CHANGEABLE) == ["--seed", "1", "--names", "a", "b", "--no-mirrored", "--quick"]
