"""The policy for lost trainings: the signs of exhausted memory, the number of retries, and the final outcome.

It lies beside the executors, since workers, executors and the loop that trains all need it, and imports go one way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..messages import Outcome, TrialLost

# In what TensorFlow, JAX, PyTorch and the system's allocator say when memory ran out, in any case of letters.
OUT_OF_MEMORY_SIGNS = re.compile(
    r"resource_?exhausted|out_?of_?memory|out of memory|memoryerror|\boom when|allocate memory"
    r"|failed to allocate|alloc_failed",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Rule:
    """The consequence of one kind of loss."""

    retries: int
    """Losses of this kind after which the training is still tried again."""

    outcome: Outcome
    """Outcome of the training after one more loss."""


# A worker that was killed from outside says nothing against its trial.
KILLED = Rule(retries=100, outcome="failed")
CRASHED = Rule(retries=1, outcome="failed")
# By the kernel, or by the cluster: the next worker may find more room.
OUT_OF_MEMORY = Rule(retries=1, outcome="infeasible")
# An exception of the framework or of the user's code, which would come again.
RAISED = Rule(retries=0, outcome="failed")
RAISED_FOR_MEMORY = Rule(retries=0, outcome="infeasible")


def rule_of_loss(lost: TrialLost) -> Rule:
    """Returns the rule for a training whose worker is gone."""
    if lost.out_of_memory:
        return OUT_OF_MEMORY
    return KILLED if lost.killed else CRASHED


def rule_of_error(error: BaseException) -> Rule:
    """Returns the rule for a training that raised an exception."""
    text = f"{type(error).__name__}: {error}"
    return RAISED_FOR_MEMORY if OUT_OF_MEMORY_SIGNS.search(text) else RAISED


def counted_losses(lost: TrialLost, losses: int, crashes: int) -> int:
    """Returns the losses that count against a training: all of them if it was killed, else those of its own making.

    Args:
        lost: The latest loss.
        losses: All losses so far, this one included.
        crashes: Those of them that were no kills from outside.
    """
    return losses if lost.killed else crashes
