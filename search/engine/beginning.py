"""Configurations that a search tries first: of another study, of all earlier ones, and of the shipped portfolio.

Each is made to fit the space: a value that it does not allow becomes the nearest that it does, or the default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import SettingError
from ...spaces.portfolio import RECORDED, TRANSFERRED, portfolio_of
from ...spaces.search_space.parameters import Values
from ...text import counted
from ..results import StudyResult, is_reference, read_studies
from ..settings import Home, SearchSettings
from ..strategies.translation import repair
from ..studies.study import Study
from ..studies.trial_records import PORTFOLIO, TrialRecord

BEST = 5
# The portfolio and earlier studies may take one in so many trials together.
PART_OF_TRIALS = 3
# Made to fit beyond those that are wanted, since some may turn out to be the same.
IN_RESERVE = 2

Fitted = Callable[[list[Values]], list[Values]]


def best_of(source: StudyResult) -> tuple[TrialRecord, ...]:
    """Returns the best complete trials of the source, best first.

    Raises:
        SettingError: The source has no complete trial.
    """
    complete = source.complete()
    if not complete:
        raise SettingError(f"--from-study {source.name}: that study has no complete trial to begin with")
    return tuple(complete[:BEST])


def begin(
    study: Study,
    settings: SearchSettings,
    home: Home,
    best: Sequence[TrialRecord],
    say: Callable[[str], None],
    fitted: Fitted = list,
) -> None:
    """Queues all that the settings ask to be tried first, each source once per study.

    Args:
        study: The study to begin.
        settings: Those of the search.
        home: Where earlier studies are.
        best: The best trials of `--from-study`.
        say: Takes lines for a person.
        fitted: Makes configurations keep within the limits, and leaves out those that cannot.

    Raises:
        SettingError: `--from-study` names the study itself.
    """
    if settings.from_study is not None:
        warm_start(study, settings.from_study, best, say, fitted)
    most = settings.trials // PART_OF_TRIALS
    if settings.from_studies == "all":
        most -= _queue(study, _best_of_each(study, home), "earlier studies", most, say, fitted)
    if settings.portfolio != "none" and study.is_new:
        _queue(study, portfolio_of(study.definition.space, study.definition.task), PORTFOLIO, most, say, fitted)


def _best_of_each(study: Study, home: Home) -> list[Values]:
    """Returns the best configuration of each other study of the same space, the latest study first."""
    others = [
        other
        for other in read_studies(home, None)
        if other.name != study.name and other.definition.space == study.definition.space and not is_reference(other)
    ]
    others.sort(key=lambda other: -other.updated)
    return [complete[0].params for other in others if (complete := other.complete())]


def _queue(
    study: Study,
    configurations: Sequence[Values],
    source: str,
    most: int,
    say: Callable[[str], None],
    fitted: Fitted,
) -> int:
    """Queues configurations, at most so many, and returns how many; a value left out is the default."""
    if most <= 0 or not configurations:
        return 0
    within = fitted([repair(values, study.search_space)[0] for values in configurations[: most + IN_RESERVE]])
    added = study.enqueue(within, source, most)
    if added:
        taken_over = source == PORTFOLIO and study.definition.space in TRANSFERRED
        whose = f"{source} of {RECORDED}, in what both spaces have," if taken_over else source
        say(f"Tries {counted(added, 'configuration')} of {whose} after the defaults.")
    return added


def warm_start(
    study: Study, source: str, best: Sequence[TrialRecord], say: Callable[[str], None], fitted: Fitted = list
) -> None:
    """Enqueues the configurations of another study's best trials, once; values off the space take the nearest in it.

    Args:
        study: The study to begin.
        source: Name of the other study.
        best: Its trials to begin with.
        say: Takes lines for a person.
        fitted: Makes configurations keep within the limits, and leaves out those that cannot.

    Raises:
        SettingError: The source is the study itself.
    """
    if source == study.name:
        raise SettingError(f"--from-study must name another study, but got '{source}', the one that is searched")
    repaired = [repair(record.params, study.search_space) for record in best]
    added = study.enqueue(fitted([values for values, _ in repaired]), source)
    if not added:
        return
    what = "best configuration" if added == 1 else f"{added} best configurations"
    say(f"Begins with the {what} of study {source} not tried here yet.")
    for note in dict.fromkeys(note for _, notes in repaired for note in notes):
        say(f"  {note}")
