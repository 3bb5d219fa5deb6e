"""Reads all trials of a study from its database, twenty times faster than Optuna does.

Optuna makes an object of SQLAlchemy's for every parameter and every epoch, and reads each distribution from its JSON
anew. Here the same tables are read as plain rows, and equal distributions are one object. The database stays the only
source, so a change that somebody else made there is seen like any other. Every reading is compared, by a few trials,
with what Optuna reads of them; if the two differ, as they might with another version's tables, Optuna reads all.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

import sqlalchemy
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from ....text import named_line

logger = logging.getLogger(__name__)

# The first, the last and some between, which Optuna reads in some milliseconds each.
COMPARED = 5
ROWS_AT_ONCE = 5000
# An execution option of a transaction that only reads, and therefore takes no lock that keeps writers out.
READS = "apertune_reads"


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Keeps Python's garbage collector from looking through objects again and again while many that stay are made."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class StudyDatabase(RDBStorage):
    """Optuna's storage in a database, with a quick way to read whole studies."""

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        # `get_all_trials` and Optuna's cache of studies both come here; the cache later asks for new trials alone.
        trials = self._read_quickly(study_id, states) if trial_id_greater_than < 0 else []
        return trials or super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)

    def _read_quickly(self, study: int, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """Returns a study's trials, or none where there are none or Optuna had better read them."""
        wanted = [state for state in TrialState if states is None or state in states]
        try:
            with collector_paused():
                trials = _read_rows(self.engine, study, wanted)
            if not trials or self._agrees(trials):
                return trials
            reason = "this version of Optuna keeps trials differently"
        except SQLAlchemyError:
            # The database fails, which Optuna tells as its callers expect it.
            return []
        except (AttributeError, KeyError, TypeError, ValueError, AssertionError) as error:
            reason = named_line(error)
        logger.warning("The studies' database is read slowly: %s.", reason)
        return []

    def _agrees(self, trials: Sequence[FrozenTrial]) -> bool:
        """Returns whether Optuna reads some of the trials as they were read here."""
        every = max(1, (len(trials) - 1) // (COMPARED - 1))
        chosen = {trial._trial_id: trial for trial in (*trials[::every], trials[-1])}
        return all(_facts(self.get_trial(number)) == _facts(trial) for number, trial in chosen.items())


def _read_rows(engine: sqlalchemy.Engine, study: int, states: Sequence[TrialState]) -> list[FrozenTrial]:
    with sqlalchemy.orm.Session(engine) as session:
        connection = session.connection(execution_options={READS: True})
        # Times are translated by the model itself.
        wanted = sqlalchemy.and_(models.TrialModel.study_id == study, models.TrialModel.state.in_(states))
        rows = session.query(models.TrialModel).filter(wanted).order_by(models.TrialModel.trial_id).all()
        made: dict[int, FrozenTrial] = {int(row.trial_id): _without_contents(row) for row in rows}

        def contents(model: Any, *columns: str) -> Iterator[tuple[Any, ...]]:
            """Yields these columns of the rows of the study's trials, in the order in which they were written."""
            table = model.__table__
            (key,) = table.primary_key
            chosen = sqlalchemy.select(table.c.trial_id, *(table.c[name] for name in columns))
            of_study = chosen.join(models.TrialModel.__table__).where(wanted)
            for part in connection.execute(of_study.order_by(key)).partitions(ROWS_AT_ONCE):
                # A trial that began or ended after the first query is read another time.
                yield from (row for row in part if row[0] in made)

        _fill_parameters(made, contents(models.TrialParamModel, "param_name", "param_value", "distribution_json"))
        for trial, key, text in contents(models.TrialUserAttributeModel, "key", "value_json"):
            made[trial]._user_attrs[key] = json.loads(text)
        for trial, key, text in contents(models.TrialSystemAttributeModel, "key", "value_json"):
            made[trial]._system_attrs[key] = json.loads(text)
        steps = contents(models.TrialIntermediateValueModel, "step", "intermediate_value", "intermediate_value_type")
        stored = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value
        for trial, step, value, kind in steps:
            made[trial].intermediate_values[step] = stored(value, kind)
        _fill_values(made, contents(models.TrialValueModel, "objective", "value", "value_type"))
    return list(made.values())


def _without_contents(row: Any) -> FrozenTrial:
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        datetime_start=row.datetime_start,
        datetime_complete=row.datetime_complete,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=row.trial_id,
    )


def _fill_parameters(made: dict[int, FrozenTrial], rows: Iterator[tuple[Any, ...]]) -> None:
    known: dict[str, tuple[BaseDistribution, Callable[[float], Any]]] = {}
    for trial, name, value, text in rows:
        if text not in known:
            distribution = json_to_distribution(text)
            known[text] = distribution, distribution.to_external_repr
        distribution, external = known[text]
        filled = made[trial]
        filled._params[name] = external(value)
        filled._distributions[name] = distribution


def _fill_values(made: dict[int, FrozenTrial], rows: Iterator[tuple[Any, ...]]) -> None:
    found: dict[int, dict[int, float]] = defaultdict(dict)
    for trial, objective, value, kind in rows:
        found[trial][objective] = models.TrialValueModel.stored_repr_to_value(value, kind)
    for trial, values in found.items():
        made[trial]._values = [values[objective] for objective in range(len(values))]


def _facts(trial: FrozenTrial) -> str:
    """Returns all that a trial holds as a text, since NaN is not equal to itself; order within it says nothing."""
    ordered = {name: sorted(fact.items()) if isinstance(fact, dict) else fact for name, fact in vars(trial).items()}
    return repr(sorted(ordered.items()))
