"""Linux and macOS are supported, Windows is refused; each system is pretended in a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REFUSAL = "Apertune runs on Linux and macOS, not on Windows; install it in the Windows Subsystem for Linux (WSL)"
# Names that Python has on Linux and not on macOS, by module.
LINUX_ONLY = {
    "os": "sched_getaffinity sched_setaffinity posix_fallocate posix_fadvise memfd_create pidfd_open eventfd splice "
    "copy_file_range getrandom setresuid O_TMPFILE O_DIRECT O_PATH",
    "select": "epoll",
    "signal": "SIGRTMIN SIGRTMAX SIGPWR SIGSTKFLT sigtimedwait sigwaitinfo",
    "resource": "prlimit",
}


def run_on(prelude: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command whose Python executes `prelude` before anything else."""
    (folder / "sitecustomize.py").write_text(prelude)
    search_path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": search_path}
    )


@pytest.mark.parametrize(
    "command",
    [[str(Path(sys.executable).with_name("apertune"))], [sys.executable, "-m", "apertune"]],
    ids=["script", "module"],
)
def test_the_command_refuses_windows_in_one_line(command: list[str], tmp_path: Path) -> None:
    """On Windows the command prints one line without a traceback and exits with status 2."""
    done = run_on("import sys; sys.platform = 'win32'", tmp_path, *command, "search", "digits")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"Error: {REFUSAL}\n")


def test_the_import_refuses_windows(tmp_path: Path) -> None:
    """On Windows `import apertune` raises an ImportError that a program can catch, with the same line."""
    program = "try:\n    import apertune\nexcept ImportError as error:\n    print(error)"
    done = run_on("import sys; sys.platform = 'win32'", tmp_path, sys.executable, "-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{REFUSAL}\n", "")


def test_the_start_needs_nothing_that_only_linux_has(tmp_path: Path) -> None:
    """Every command, the search and its workers can be imported without the functions that macOS lacks."""
    removed = "\n".join(
        f"import {module}\nfor name in {names.split()}:\n    vars({module}).pop(name, None)"
        for module, names in LINUX_ONLY.items()
    )
    program = (
        "import apertune.search.engine.launch, apertune.search.training.worker\n"
        "from apertune.cli import COMMANDS, cli\n"
        "print(all(cli.get_command(None, name) for name in COMMANDS))"
    )
    done = run_on(removed, tmp_path, sys.executable, "-c", program)
    assert (done.stdout, done.stderr) == ("True\n", "")
