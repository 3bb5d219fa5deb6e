"""A second process that draws evaluations of trials, for times when many wait at the sender.

The sender starts it as `python -m apertune.search.sending.drawing_helper`. It reads a folder per line from standard
input, with whether few plots are wanted, and writes the line to standard output once they are drawn. It ends when its
input closes, as happens when the sender is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ...logs import log_to_standard_error
from ...processes import child_environment, leave, module_command
from .drawing import draw_evaluation


class DrawingHelper:
    """The sender's end of that process, which starts when it is first needed and draws folders in order."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._handed: set[Path] = set()

    def hand_over(self, few_plots: Mapping[Path, bool]) -> None:
        """Hands over evaluations to draw, without waiting; those handed over before are ignored.

        Args:
            few_plots: Folders of evaluations, each with whether only a few plots of it are wanted.
        """
        new = {folder: few for folder, few in few_plots.items() if folder not in self._handed}
        if not new:
            return
        if self._process is None:
            self._process = subprocess.Popen(
                module_command("apertune.search.sending.drawing_helper"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=child_environment(),
            )
        assert self._process.stdin is not None
        try:
            self._process.stdin.writelines(f"{json.dumps([str(folder), few])}\n" for folder, few in new.items())
            self._process.stdin.flush()
        except BrokenPipeError:
            return
        self._handed.update(new)

    def has_drawn(self, folder: Path) -> bool:
        """Waits for a folder; returns False if it was not handed over, or if the process died before it was drawn."""
        while folder in self._handed:
            assert self._process is not None
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            if not line:
                self._handed.clear()
                return False
            drawn = Path(json.loads(line)[0])
            self._handed.discard(drawn)
            if drawn == folder:
                return True
        return False

    def close(self) -> None:
        """Waits until everything is drawn, and ends the process."""
        if self._process is not None:
            self._process.communicate()


def main() -> None:
    """Draws the evaluations named on standard input until it closes."""
    log_to_standard_error()
    for line in sys.stdin:
        folder, few = json.loads(line)
        draw_evaluation(Path(folder), few=few)
        print(line, end="", flush=True)
    leave()


if __name__ == "__main__":
    main()
