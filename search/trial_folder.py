"""The folder of one trial: the names of everything in it, and what is removed when."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..files.replacing import replacing
from .messages import EpochEnded, TrialResult

ROUND_PREFIX = "round-"


@dataclass(frozen=True)
class TrialFolder:
    """Names everything that a trial leaves, for those who write it, read it, send it or remove it."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        """The last whole epoch, of a trial that has not ended."""
        return self.path / "checkpoint.npz"

    @property
    def artifacts(self) -> Path:
        """The folder of files to log: the evaluation, the examples of the augmentation, and the plots made of both."""
        return self.path / "artifacts"

    @property
    def augmentation(self) -> Path:
        """Examples of the augmentation as numbers, until a picture is made of them."""
        return augmentation_file(self.artifacts)

    @property
    def shown(self) -> Path:
        """The folder of copies to log with the run of the search."""
        return self.path / "shown"

    @property
    def model(self) -> Path:
        """The folder of the trained network, in MLflow's model format."""
        return self.path / "model"

    def round(self, number: int) -> TrialFolder:
        """Returns the folder of one fold or repeat, by its number from 1."""
        return TrialFolder(self.path / f"{ROUND_PREFIX}{number}")

    def show_round(self, number: int) -> None:
        """Moves artifacts and model of a round to where those of the trial are expected."""
        left = self.round(number)
        for source, target in ((left.artifacts, self.artifacts), (left.model, self.model)):
            if source.exists():
                shutil.rmtree(target, ignore_errors=True)
                source.rename(target)

    @property
    def _result(self) -> Path:
        return self.path / "result.json"

    def note_result(self, result: TrialResult, epochs: Sequence[EpochEnded] = ()) -> None:
        """Notes how a training ended, so that a trial or a promotion that is cut short later need not repeat it.

        Args:
            result: How it ended.
            epochs: The epochs before.

        Raises:
            OSError: The disk is full; nothing is noted then.
        """
        noted = {"result": asdict(result), "epochs": [asdict(event) for event in epochs]}
        with replacing(self._result, durable=True) as file:
            file.write(json.dumps(noted).encode())

    def noted_result(self) -> tuple[TrialResult, list[EpochEnded]] | None:
        """Returns the noted result and its epochs, or None if there is none that can be read."""
        try:
            noted = json.loads(self._result.read_text(encoding="utf-8"))
            return TrialResult(**noted["result"]), [EpochEnded(**event) for event in noted["epochs"]]
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def forget_checkpoint(self) -> None:
        """Removes the checkpoint, half of one that a kill left included."""
        for left in self.path.glob(f"{self.checkpoint.name}*"):
            left.unlink(missing_ok=True)

    def forget_progress(self) -> None:
        """Removes what the trial could have gone on from: its checkpoint and its rounds."""
        self.forget_checkpoint()
        for left in self.path.glob(f"{ROUND_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)

    def remove(self) -> None:
        """Removes the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def augmentation_file(artifacts: Path) -> Path:
    """Returns the file of augmented examples in a folder of artifacts."""
    return artifacts / "augmentation.npz"
