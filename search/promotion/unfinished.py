"""Promotions that were killed: the next one, or a rollback, completes or undoes what they had begun.

MLflow has no transactions, so a promotion notes in the folder `promotions` what it is about to write, and crosses
that out at the end. The alias is what counts. Where it points to the new version the promotion is complete, and
its run is closed as finished; where it does not, version and model are deleted, and the run is closed as killed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import ApertuneError, StudyError
from ...files.replacing import replacing
from ...text import first_line, shown_uri
from ..settings import Home
from ..tracking.mlflow_store import Registry
from ..tracking.mlflow_tracker import MlflowTracker, NoSuchRunError
from ..tracking.records import KEY_TAG, STATE_TAG, ModelDropped, Record, RunEnded, TagsSet


@dataclass(frozen=True)
class Pending:
    """A note of everything that a promotion is about to write."""

    key: str
    """Tag of its run, its model and its version."""

    model: str
    alias: str
    store: str
    """MLflow's store, without credentials."""

    def note(self, home: Home) -> None:
        """Writes the note, whole or not at all, safe against power loss."""
        _folder(home).mkdir(parents=True, exist_ok=True)
        with replacing(self._path(home), durable=True) as file:
            file.write(json.dumps(asdict(self)).encode())

    def cross_out(self, home: Home) -> None:
        self._path(home).unlink(missing_ok=True)

    def _path(self, home: Home) -> Path:
        return _folder(home) / f"{self.key}.json"


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Keeps other promotions and rollbacks off the folder.

    Raises:
        StudyError: Another one is running.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home.root / "promotion.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise StudyError("another promotion or rollback is running in this folder; wait for its end") from None
    try:
        yield
    finally:
        lock.release()


def settle(home: Home, say: Callable[[str], None]) -> None:
    """Completes or undoes promotions of this folder and store that were killed. Call it within `alone`.

    Args:
        home: The folder and the store.
        say: Called with each line for the user.

    Raises:
        ApertuneError: MLflow cannot be asked.
    """
    for path in sorted(_folder(home).glob("*.json")):
        try:
            pending = Pending(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            path.unlink()
            continue
        if pending.store == shown_uri(home.tracking_uri):
            say(_settled(home, pending))


def _settled(home: Home, pending: Pending) -> str:
    registry = Registry(pending.model, home.tracking_uri)
    versions = registry.versions()
    mine = [number for number, tags in versions.items() if tags.get(KEY_TAG) == pending.key]
    complete = registry.aliases().get(pending.alias) in mine
    now = int(time.time() * 1000)
    if complete:
        _write(home, TagsSet(pending.key, {STATE_TAG: "complete"}), RunEnded(pending.key, "FINISHED", now))
        line = f"A promotion was killed when version {mine[0]} of {pending.model} was {pending.alias} already."
    else:
        # Versions that came after it tell that others have promoted meanwhile, and may have moved its alias on.
        for number in mine:
            if number == max(versions, key=int):
                registry.delete_version(number)
                _write(home, ModelDropped(pending.key))
        _write(home, TagsSet(pending.key, {STATE_TAG: "killed"}), RunEnded(pending.key, "KILLED", now))
        line = f"A promotion of {pending.model} was killed before its end; what it had written was removed."
    pending.cross_out(home)
    return line


def _write(home: Home, *records: Record) -> None:
    """Sends the records to MLflow; a run that was never begun needs no end."""
    tracker = MlflowTracker(home.tracking_uri, home.artifacts)
    try:
        for record in records:
            tracker.apply(record)
    except NoSuchRunError:
        return
    except Exception as error:
        # MLflow's client raises anything from its own errors to those of the connection.
        message = first_line(error)
        raise ApertuneError(f"MLflow did not take the end of a killed promotion: {message}") from error


def _folder(home: Home) -> Path:
    return home.root / "promotions"
