"""TensorBoard's files of a training, in which a resumed run goes on where its checkpoint stands: no step twice."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from torch.utils.tensorboard.writer import SummaryWriter


class _PurgingOutput(TensorBoardOutputFormat):
    """As its base class, and what an earlier process wrote from a step on is shown no more."""

    def __init__(self, folder: Path, purge_step: int) -> None:
        # The base class would open a writer of its own, which purges nothing.
        self.writer = SummaryWriter(str(folder), purge_step=purge_step)
        self._is_closed = False


def logger_in(folder: Path, first_step: int) -> Logger:
    """A logger of Stable-Baselines3 that writes TensorBoard's files alone.

    Args:
        folder: Of the event files.
        first_step: First step that is to come; what an earlier process wrote of it and of later ones is purged.
    """
    return Logger(str(folder), [_PurgingOutput(folder, first_step)])
