"""Begins a study with what another one found: its best configurations, made to fit, are tried first."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import SettingError
from .results import rank
from .studies.sampling import repair
from .studies.study import Study
from .studies.trial_records import TrialRecord

BEST = 5


def best_of(source: Study) -> list[TrialRecord]:
    """The source's best complete trials, best first. Raises SettingError when it has none."""
    complete = [record for record in source.records() if record.state == "complete"]
    if not complete:
        raise SettingError(f"--from-study {source.name}: that study has no complete trial to begin with")
    return sorted(complete, key=lambda record: rank(record, source.definition.direction))[:BEST]


def warm_start(study: Study, source: Study, say: Callable[[str], None]) -> None:
    """Enqueues the source's best complete configurations, once; values off the space take the nearest it has.

    Raises SettingError when the source is the study itself or has no complete trial.
    """
    if source.name == study.name:
        raise SettingError(f"--from-study must name another study, but got '{source.name}', the one that is searched")
    repaired = [repair(record.params, study.search_space) for record in best_of(source)]
    added = study.enqueue([values for values, _ in repaired], source.name)
    if not added:
        return
    say(f"Begins with the {added} best configurations of study {source.name} that are new here.")
    for note in dict.fromkeys(note for _, notes in repaired for note in notes):
        say(f"  {note}")
