"""Begins a study with what another one found: its best configurations, made to fit, are tried first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import SettingError
from ..results import StudyResult
from ..studies.sampling import repair
from ..studies.study import Study
from ..studies.trial_records import TrialRecord

BEST = 5


def best_of(source: StudyResult) -> tuple[TrialRecord, ...]:
    """The source's best complete trials, best first. Raises SettingError when it has none."""
    complete = source.complete()
    if not complete:
        raise SettingError(f"--from-study {source.name}: that study has no complete trial to begin with")
    return tuple(complete[:BEST])


def warm_start(study: Study, source: str, best: Sequence[TrialRecord], say: Callable[[str], None]) -> None:
    """Enqueues the configurations of another study's best trials, once; values off the space take the nearest it has.

    source: the other study's name. Raises SettingError when that is the study itself.
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
