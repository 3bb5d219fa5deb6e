"""Warm starts: the best configurations of another study, made to fit, are tried first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import SettingError
from ..results import StudyResult
from ..studies.sampling import repair
from ..studies.study import Study
from ..studies.trial_records import TrialRecord

BEST = 5


def best_of(source: StudyResult) -> tuple[TrialRecord, ...]:
    """Returns the best complete trials of the source, best first.

    Raises:
        SettingError: The source has no complete trial.
    """
    complete = source.complete()
    if not complete:
        raise SettingError(f"--from-study {source.name}: that study has no complete trial to begin with")
    return tuple(complete[:BEST])


def warm_start(study: Study, source: str, best: Sequence[TrialRecord], say: Callable[[str], None]) -> None:
    """Enqueues the configurations of another study's best trials, once; values off the space take the nearest in it.

    Args:
        study: The study to begin.
        source: Name of the other study.
        best: Its trials to begin with.
        say: Takes lines for a person.

    Raises:
        SettingError: The source is the study itself.
    """
    if source == study.name:
        raise SettingError(f"--from-study must name another study, but got '{source}', the one that is searched")
    repaired = [repair(record.params, study.search_space) for record in best]
    added = study.enqueue([values for values, _ in repaired], source)
    if not added:
        return
    what = "best configuration" if added == 1 else f"{added} best configurations"
    say(f"Begins with the {what} of study {source} not tried here yet.")
    for note in dict.fromkeys(note for _, notes in repaired for note in notes):
        say(f"  {note}")
