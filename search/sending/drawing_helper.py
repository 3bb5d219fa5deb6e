"""A second process that draws trials' evaluations, for when more wait than the sender draws alone.

Started by the sender as `python -m apertune.search.sending.drawing_helper`. It reads folders from standard input, one
a line, and writes each to standard output when it is drawn. It ends when its input closes, as a killed sender's does.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .drawing import draw_evaluation


class DrawingHelper:
    """Draws what it is handed, in order; started when first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._handed: set[Path] = set()

    def hand_over(self, folders: Sequence[Path]) -> None:
        folders = [folder for folder in folders if folder not in self._handed]
        if not folders:
            return
        if self._process is None:
            command = [sys.executable, "-m", "apertune.search.sending.drawing_helper"]
            environment = {**os.environ, "PYTHONSAFEPATH": "1"}
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        assert self._process.stdin is not None
        try:
            self._process.stdin.writelines(f"{json.dumps(str(folder))}\n" for folder in folders)
            self._process.stdin.flush()
        except BrokenPipeError:
            return
        self._handed.update(folders)

    def has_drawn(self, folder: Path) -> bool:
        """Waits for a folder that was handed over; False if it was not, or the process died before it was drawn."""
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
        if self._process is not None:
            self._process.communicate()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for line in sys.stdin:
        draw_evaluation(Path(json.loads(line)))
        print(line, end="", flush=True)


if __name__ == "__main__":
    main()
