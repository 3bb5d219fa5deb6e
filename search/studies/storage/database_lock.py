"""One owner a study across machines: an advisory lock that PostgreSQL holds as long as the owner's connection lives.

The database says who holds it (the connection's application name). When the database restarts, the lock is gone with
its connection; a thread takes it again at once, and tells when another search was faster.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
RETRY_EVERY_S = 0.2
CONNECT_TIMEOUT_S = 10
# A machine that lost its power lets go of its studies after half a minute, not after PostgreSQL's two hours.
KEEPALIVE = ("SET tcp_keepalives_idle = 10", "SET tcp_keepalives_interval = 5", "SET tcp_keepalives_count = 4")
LOCK = sqlalchemy.text("SELECT pg_try_advisory_lock(:key)")
HOLDER = sqlalchemy.text(
    "SELECT activity.application_name FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid) "
    "WHERE lock.locktype = 'advisory' AND lock.granted AND activity.datname = current_database() "
    "AND (lock.classid::bigint << 32) | lock.objid::bigint = :key"
)


class DatabaseLock:
    """The lock of one study. name: the study's. holder: who asks, as others are told; at most 63 bytes of it are."""

    def __init__(self, url: str, name: str, holder: str) -> None:
        settings = {"application_name": holder, "connect_timeout": CONNECT_TIMEOUT_S}
        self._engine = sqlalchemy.create_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=settings
        )
        self._key = int.from_bytes(hashlib.sha256(f"apertune study {name}".encode()).digest()[:8], "big", signed=True)
        self._connection: sqlalchemy.Connection | None = None
        self._released = threading.Event()
        self._keeper: threading.Thread | None = None
        self.lost = False

    def acquire(self) -> bool:
        """Whether this is the owner now. Raises SQLAlchemyError when the database does not answer."""
        connection = self._engine.connect()
        try:
            for setting in KEEPALIVE:
                connection.exec_driver_sql(setting)
            if not connection.execute(LOCK, {"key": self._key}).scalar():
                connection.close()
                return False
        except SQLAlchemyError:
            connection.invalidate()
            raise
        self._connection = connection
        return True

    def holder(self) -> str | None:
        """What the owner called itself; None when there is none. Raises SQLAlchemyError."""
        with self._engine.connect() as connection:
            held: str | None = connection.execute(HOLDER, {"key": self._key}).scalar()
        return held

    def keep(self, on_lost: Callable[[], None]) -> None:
        """Takes the lock again whenever the database restarts; on_lost: called once if another has it by then."""
        self._keeper = threading.Thread(target=self._keep, args=(on_lost,), daemon=True)
        self._keeper.start()

    def release(self) -> None:
        self._released.set()
        if self._keeper is not None:
            self._keeper.join(CONNECT_TIMEOUT_S)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _keep(self, on_lost: Callable[[], None]) -> None:
        pause = LOOK_EVERY_S
        while not self._released.wait(pause):
            try:
                if self._connection is not None:
                    self._connection.exec_driver_sql("SELECT 1")
                elif not self.acquire():
                    self.lost = True
                    on_lost()
                    return
                pause = LOOK_EVERY_S
            except SQLAlchemyError as error:
                if self._connection is not None:
                    logger.warning("the study's database is away: %s", type(error).__name__)
                    self._connection.invalidate()
                    self._connection = None
                pause = RETRY_EVERY_S
