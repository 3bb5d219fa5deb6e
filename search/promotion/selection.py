"""The selection of a model: a confirmed winner, refitted or averaged with others, by validation alone."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import numpy as np

from ...errors import ApertuneError, ModelError, StudyError
from ..evaluation.decisions import Probabilities
from ..executors.base import Executor
from ..messages import TrialResult, TrialTask
from .ensemble import choose_ensemble
from .job import Job
from .source import TrainedNetwork, TrialSource, complete_trials, own_network, trial_source, validation_answers
from .training import (
    Confirmation,
    best_network,
    choose,
    confirmation_tasks,
    refit_task,
    train_all,
    trained_network,
)


@dataclass(frozen=True, eq=False)
class Selection:
    """The networks to promote."""

    winner: Confirmation
    confirmations: tuple[Confirmation, ...]
    members: tuple[tuple[TrainedNetwork, float], ...]
    """The networks and their weights in the average, whose sum is 1; mostly one network of weight 1."""

    probabilities: Probabilities
    """Their answers on the validation rows, float32 (rows, outputs). For a refitted network, the answers that its
    configuration gave before it was trained on those rows."""

    notes: tuple[str, ...]
    """Steps of the selection, one line per step."""


def select(job: Job, executor: Executor) -> Selection:
    """Confirms the top trials and chooses among them.

    Raises:
        ModelError: A model is damaged.
        StudyError: The study kept no model, and no training is asked for.
        ApertuneError: None of the trials could be trained again.
    """
    confirmations = _confirmed(job, executor)
    direction = job.metric.direction
    winner = choose(confirmations, direction)
    single = best_network(winner.networks, direction)
    origin = f"its training with seed {single.seed}" if single.seed is not None else "as the search trained it"
    note = f"Trial {winner.number} won on validation; its best network is {origin}."
    job.say(note)
    selection = Selection(winner, confirmations, ((single, 1.0),), single.probabilities, (note,))
    if job.settings.refit:
        return _refitted(job, executor, selection)
    if job.settings.ensemble is not None:
        return _averaged(job, selection)
    return selection


def _confirmed(job: Job, executor: Executor) -> tuple[Confirmation, ...]:
    """Confirms the trials; checks their own models first, so that damage is not found after hours of training."""
    seeds = job.settings.seeds
    trials = complete_trials(job.study)[: job.settings.top if seeds > 1 else 1]
    sources = [trial_source(job.home, job.study, trial) for trial in trials]
    own = {source.run_id: own_network(job, source) for source in sources if _takes_part(job, source)}
    if seeds == 1:
        if not own:
            kept = "kept no models" if job.study.definition.folds is None else "was validated on folds"
            raise StudyError(f"study '{job.study.name}' {kept}; give --seeds 2 or more, to train its trials again")
        return tuple(Confirmation(source, (), (own[source.run_id],)) for source in sources)
    tasks = confirmation_tasks(job.study, sources, job.view, seeds, job.trainings_folder)
    best = "the best trial" if len(sources) == 1 else f"the {len(sources)} best trials"
    job.say(f"Training {best} again with {seeds} fresh seeds{' each' if len(sources) > 1 else ''}.")
    results = _trained(job, executor, tasks)
    confirmations = []
    for number, source in enumerate(sources):
        mine = list(zip(tasks, results, strict=True))[number * seeds : (number + 1) * seeds]
        fresh = [trained_network(task, result, source.trial.number) for task, result in mine]
        networks = tuple(network for network in fresh if network is not None)
        values = tuple(network.value for network in networks)
        if networks and source.run_id in own:
            networks = (*networks, own[source.run_id])
        confirmations.append(Confirmation(source, values, networks))
    return tuple(confirmations)


def _trained(job: Job, executor: Executor, tasks: Sequence[TrialTask]) -> list[TrialResult]:
    return train_all(tasks, executor, job.say, hang_seconds=job.places.hang_seconds, show=job.show)


def _takes_part(job: Job, source: TrialSource) -> bool:
    """Returns whether the search's own network may be chosen; one of a fold has learned some validation images."""
    return source.keeps_model and job.study.definition.folds is None


def _refitted(job: Job, executor: Executor, selection: Selection) -> Selection:
    winner = selection.winner
    epochs = max(1, round(statistics.median(network.epochs for network in winner.networks)))
    seed = Random(f"refit/{winner.number}").randrange(2**31)
    task = refit_task(job.study, winner.source, job.view, epochs, seed, job.trainings_folder)
    note = f"Trained again on training and validation images together, for {epochs} epochs."
    job.say(note)
    (result,) = _trained(job, executor, [task])
    network = trained_network(task, result, winner.number)
    if network is None:
        raise ApertuneError(f"the refit of trial {winner.number} {result.outcome}: {result.reason}")
    return replace(selection, members=((network, 1.0),), notes=(*selection.notes, note))


def _averaged(job: Job, selection: Selection) -> Selection:
    """The ensemble, when it is really better than the single network."""
    assert job.settings.ensemble is not None
    (single, _), labels = selection.members[0], job.view.labels("validation")
    candidates = _candidates(job, selection)
    answers = [candidate.probabilities for candidate in candidates]
    choice = choose_ensemble(job.metric, labels, answers, single.probabilities, job.settings.ensemble, seed=0)
    gain = f"{choice.gain.value:+.4f} (95 % interval {choice.gain.low:+.4f} to {choice.gain.high:+.4f})"
    if not choice.better or len(choice.picks) == 1:
        note = f"No ensemble of {len(candidates)} networks is really better than the single one: {gain}."
        job.say(note)
        return replace(selection, notes=(*selection.notes, note))
    total = sum(choice.picks.values())
    members = tuple((candidates[number].fetch(), times / total) for number, times in choice.picks.items())
    note = f"An average of {len(members)} networks is better than the single one: {gain}."
    job.say(note)
    probabilities = np.sum([member.probabilities * weight for member, weight in members], axis=0)
    return replace(
        selection,
        members=members,
        probabilities=np.asarray(probabilities, np.float32),
        notes=(*selection.notes, note),
    )


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network that an ensemble may take in."""

    probabilities: Probabilities
    fetch: Callable[[], TrainedNetwork]
    """Fetches its files, which most candidates never need."""


def _candidates(job: Job, selection: Selection) -> list[Candidate]:
    """All networks there are: of every confirmation, and of every other complete trial."""
    confirmed = [network for confirmation in selection.confirmations for network in confirmation.networks]
    candidates = [Candidate(network.probabilities, partial(_itself, network)) for network in confirmed]
    known = {network.trial for network in confirmed if network.seed is None}
    for trial in complete_trials(job.study):
        if trial.number in known:
            continue
        source = trial_source(job.home, job.study, trial)
        if not _takes_part(job, source):
            continue
        try:
            answers = validation_answers(job.home, source.run_id, job.scratch / source.run_id)
        except ModelError as error:
            job.say(f"Trial {trial.number} is left out of the ensemble: {error}")
            continue
        candidates.append(Candidate(answers, partial(own_network, job, source)))
    return candidates


def _itself(network: TrainedNetwork) -> TrainedNetwork:
    return network
