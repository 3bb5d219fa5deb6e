"""Other searches on this machine, known by their processes: a search that begins leaves them their processors.

A list of processes has no entries of searches that are dead, and shows those of other users, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from ...text import counted

# The modules that its processes run, by which they are known.
WORKER = "apertune.search.training.worker"
SENDER = "apertune.search.sending.sender"
# Set to anything, it lets a search take no notice of others.
ALONE_VARIABLE = "APERTUNE_IGNORE_OTHER_SEARCHES"


@dataclass(frozen=True)
class OtherSearch:
    """A search, promotion or rerun that trains on processors of this one."""

    process_id: int
    """Its supervisor."""
    study: str
    """The name of its study; empty for a promotion or a rerun, and before the study is open."""

    def words(self) -> str:
        """Returns how messages name it."""
        return f"study {self.study}, process {self.process_id}" if self.study else f"process {self.process_id}"


def other_searches() -> list[OtherSearch]:
    """Returns the other searches whose workers may use a processor that this process may use."""
    if os.environ.get(ALONE_VARIABLE):
        return []
    mine, at_work, studies = _processors(psutil.Process()), set[int](), dict[int, str]()
    for process in psutil.process_iter(["ppid", "cmdline"]):
        command, parent = process.info["cmdline"] or [], process.info["ppid"]
        if parent in (None, os.getpid(), os.getppid()):
            continue
        if WORKER in command and not mine.isdisjoint(_processors(process)):
            at_work.add(parent)
        elif SENDER in command[:-1]:
            studies[parent] = Path(command[command.index(SENDER) + 1]).parent.name
    return [OtherSearch(number, studies.get(number, "")) for number in sorted(at_work)]


def _processors(process: psutil.Process) -> set[int]:
    """Returns the numbers of the processors that a process may use; all of them where the system does not tell."""
    everywhere = set(range(psutil.cpu_count() or 1))
    try:
        return set(process.cpu_affinity() or everywhere)
    except (psutil.Error, AttributeError):
        return everywhere


def fair_processors(processors: int, others: int) -> int:
    """Returns how many of the processors are for one search where so many others run."""
    return max(1, processors // (1 + others))


def told_of_others(others: Iterable[OtherSearch], processors: int, choice: str) -> str:
    """Returns a line on other searches; empty where there are none.

    Args:
        others: The searches.
        processors: Processors of this machine.
        choice: `default` where their number decides how many workers start, `workers` where the user does, and `gpus`
            where each worker has a GPU.
    """
    found = list(others)
    if not found:
        return ""
    named = "; ".join(other.words() for other in found)
    run = f"{counted(len(found), 'other search', 'other searches')} ({named}) {'runs' if len(found) == 1 else 'run'}"
    fair = fair_processors(processors, len(found))
    if choice == "gpus":
        then = "a GPU that several use is shared: --gpus divides them"
    elif choice == "workers" or fair == processors:
        then = "all share its processors"
    else:
        then = f"this one takes {fair} of {counted(processors, 'processor')}: --workers says otherwise"
    return f"{run} on this machine, so {then}."
