"""One owner per study across machines: an advisory lock that PostgreSQL holds while the owner's connection lives.

The database says who holds the lock, by the connection's application name. When the database restarts, connection and
lock are gone; a thread takes the lock again at once, or reports that another search was faster.
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
# PostgreSQL notices a machine that lost its power after half a minute, not after its default of two hours.
KEEPALIVE = ("SET tcp_keepalives_idle = 10", "SET tcp_keepalives_interval = 5", "SET tcp_keepalives_count = 4")
LOCK = sqlalchemy.text("SELECT pg_try_advisory_lock(:key)")
HOLDER = sqlalchemy.text(
    "SELECT activity.application_name FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid) "
    "WHERE lock.locktype = 'advisory' AND lock.granted AND activity.datname = current_database() "
    "AND (lock.classid::bigint << 32) | lock.objid::bigint = :key"
)


class DatabaseLock:
    """The lock of one study.

    Args:
        url: The database's address.
        name: The study's name.
        holder: Name of the search that asks, for others to read; PostgreSQL keeps 63 bytes of it.
    """

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
        """Tries to take the lock; returns whether it did. Raises SQLAlchemyError if the database does not answer."""
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
        """Returns the owner's `holder`, or None without an owner. Raises SQLAlchemyError."""
        with self._engine.connect() as connection:
            held: str | None = connection.execute(HOLDER, {"key": self._key}).scalar()
        return held

    def keep(self, on_lost: Callable[[], None]) -> None:
        """Takes the lock again whenever the database restarts; calls `on_lost` if another search has it by then."""
        self._keeper = threading.Thread(target=self._keep, args=(on_lost,), daemon=True)
        self._keeper.start()

    def release(self) -> None:
        """Lets go of the lock and of the connection."""
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
                    logger.warning("the studies' database does not answer: %s", type(error).__name__)
                    self._connection.invalidate()
                    self._connection = None
                pause = RETRY_EVERY_S
