"""The next configuration of a study: one that was not tried before, or one that was begun and not ended."""

from __future__ import annotations

from functools import partial

from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, Trial, TrialState

from ...spaces.search_space.parameters import SearchSpace, Values
from ..strategies.translation import draw_untried, identity_of, suggest, to_optuna
from .frozen_trials import REPEATED, TrialReader
from .storage.owned_storage import OwnedStorage
from .storage.patience import persistently
from .trial_records import ORIGIN, RecordFile

# A sampler that proposes tried configurations this many times in a row is replaced by a random draw.
PROPOSALS = 5
WARM_STARTED = "warm_started"


def begun_trials(study: OptunaStudy) -> list[FrozenTrial]:
    """Returns every trial that has begun, by number, without proposals that were set aside."""
    return [
        frozen
        for frozen in study.get_trials(deepcopy=False)
        if frozen.state is not TrialState.WAITING and REPEATED not in frozen.user_attrs
    ]


class Asking:
    """Draws configurations from one study.

    Args:
        study: Optuna's study.
        search_space: The space to draw from.
        reader: Reads the study's trials.
        file: The owner's file of ended trials, which notes proposals that are set aside; None without an owner.
    """

    def __init__(
        self, study: OptunaStudy, search_space: SearchSpace, reader: TrialReader, file: RecordFile | None = None
    ) -> None:
        self._study = study
        self._search_space = search_space
        self._reader = reader
        self._file = file
        self._tried: set[str] | None = None

    def untried(self) -> tuple[Trial, Values] | None:
        """Returns a new trial of a configuration that was not tried before, or None when all were."""
        tried = self._known()
        for _ in range(PROPOSALS):
            trial, values = self._draw()
            if identity_of(values) not in tried:
                return self._begin(trial, values)
            self._set_aside(trial)
        untried = draw_untried(self._search_space, tried, seed=len(tried))
        if untried is None:
            return None
        persistently(lambda: self._study.enqueue_trial(to_optuna(self._search_space, untried)))
        return self._begin(*self._draw())

    def _begin(self, trial: Trial, values: Values) -> tuple[Trial, Values]:
        self._known().add(identity_of(values))
        return trial, values

    def _draw(self) -> tuple[Trial, Values]:
        trial = persistently(self._study.ask)
        values = persistently(lambda: suggest(trial, self._search_space))
        if isinstance(storage := trial.storage, OwnedStorage):
            persistently(storage.flush)
        return trial, values

    def _set_aside(self, trial: Trial) -> None:
        """Marks a proposal that repeats an earlier trial: it has no outcome, and no count includes it."""

        def record() -> None:
            if not trial.storage.get_trial(trial._trial_id).state.is_finished():
                trial.set_user_attr(REPEATED, True)
                if self._file is not None:
                    self._file.set_aside(trial.number)
                self._study.tell(trial, state=TrialState.FAIL)

        persistently(record)

    def _known(self) -> set[str]:
        """Returns the identities of all configurations that were tried or are being tried."""
        if self._tried is None:
            drawn = (self._reader.values(frozen) for frozen in begun_trials(self._study))
            self._tried = {identity_of(values) for values in drawn if values is not None}
        return self._tried

    def enqueue(self, configurations: list[Values], source: str, most: int | None = None) -> int:
        """Queues configurations to be tried next, unless this was done before for the same source.

        Args:
            configurations: The values, by parameter name, in the order to try them.
            source: Name of the place that they come from.
            most: How many to queue at most; None for all.

        Returns:
            How many were queued: those that were neither tried nor queued before.
        """
        known = {*self._study.user_attrs.get(WARM_STARTED, ())}
        if source in known:
            return 0
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        queued = [trial.system_attrs.get("fixed_params", {}) for trial in waiting]
        added = 0
        for values in configurations:
            if added == most:
                break
            params = to_optuna(self._search_space, values)
            if params not in queued and identity_of(values) not in self._known():
                persistently(partial(self._study.enqueue_trial, params, user_attrs={ORIGIN: source}))
                queued.append(params)
                added += 1
        persistently(lambda: self._study.set_user_attr(WARM_STARTED, sorted({*known, source})))
        return added

    def orphans(self) -> list[tuple[Trial, Values]]:
        """Returns trials that a dead supervisor left running, with the values they had.

        A trial that repeats an earlier one is set aside, as its supervisor was about to do.
        """
        known: set[str] = set()
        left = []
        for frozen in self._study.get_trials(deepcopy=False):
            running = frozen.state is TrialState.RUNNING
            repeated = REPEATED in frozen.user_attrs
            if frozen.state is TrialState.WAITING or (repeated and not running):
                continue
            values = self._reader.values(frozen)
            if running:
                trial = Trial(self._study, frozen._trial_id)
                if values is None and not repeated:
                    # The supervisor was killed while it drew the values: draw the rest.
                    values = self._drawn_to_the_end(trial)
                if values is None or repeated or identity_of(values) in known:
                    self._set_aside(trial)
                    continue
                left.append((trial, values))
            if values is not None:
                known.add(identity_of(values))
        self._tried = known
        return left

    def _drawn_to_the_end(self, trial: Trial) -> Values:
        return persistently(lambda: suggest(trial, self._search_space))
