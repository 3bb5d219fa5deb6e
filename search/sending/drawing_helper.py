"""A second process that draws evaluations of trials, for times when many wait at the sender.

The sender starts it as `python -m apertune.search.sending.drawing_helper`. It reads folders from standard input, one
per line, and writes each to standard output once it is drawn. It ends when its input closes, as happens when the sender
is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ...logs import log_to_standard_error
from ...processes import child_environment, module_command
from .drawing import draw_evaluation


class DrawingHelper:
    """The sender's end of that process, which starts when it is first needed and draws folders in order."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._handed: set[Path] = set()

    def hand_over(self, folders: Sequence[Path]) -> None:
        """Hands over folders to draw, without waiting; those handed over before are ignored."""
        folders = [folder for folder in folders if folder not in self._handed]
        if not folders:
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
            self._process.stdin.writelines(f"{json.dumps(str(folder))}\n" for folder in folders)
            self._process.stdin.flush()
        except BrokenPipeError:
            return
        self._handed.update(folders)

    def has_drawn(self, folder: Path) -> bool:
        """Waits for a folder; returns False if it was not handed over, or if the process died before it was drawn."""
        while folder in self._handed:
            assert self._process is not None
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            if not line:
                self._handed.clear()
                return False
            drawn = Path(json.loads(line))
            self._handed.discard(drawn)
            if drawn == folder:
                return True
        return False

    def close(self) -> None:
        """Waits until everything is drawn, and ends the process."""
        if self._process is not None:
            self._process.communicate()


def main() -> None:
    """Draws the folders named on standard input until it closes."""
    log_to_standard_error()
    for line in sys.stdin:
        draw_evaluation(Path(json.loads(line)))
        print(line, end="", flush=True)


if __name__ == "__main__":
    main()
