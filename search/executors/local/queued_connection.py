"""The supervisor's end of a connection to a worker, on which sending never waits for the worker to read."""

from __future__ import annotations

import contextlib
import pickle
import queue
import socket
import threading
from multiprocessing.connection import Connection
from typing import Any


class QueuedConnection:
    """A `Connection` whose messages are queued and sent, in order, by a thread of its own.

    A socket holds some 100 KB and a task may be megabytes, so a plain `send` would wait for a worker that still
    imports its framework, and for ever for one that hangs. The other side may be a plain `Connection`. `send` may be
    called from any thread, the other methods from one.

    Args:
        end: One end of a socket pair; it is taken over.
    """

    def __init__(self, end: socket.socket) -> None:
        self._connection = Connection(end.detach())
        self._unsent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def send(self, message: object) -> None:
        """Queues a message and returns at once; whoever reads notices that the other side is gone.

        Raises:
            PicklingError: The message cannot be pickled.
        """
        self._unsent.put(pickle.dumps(message))

    def poll(self) -> bool:
        """Returns whether there is something to receive, or the other side is gone."""
        return self._connection.poll()

    def recv(self) -> Any:
        """Waits for a message.

        Raises:
            EOFError, OSError: The other side is gone.
        """
        return self._connection.recv()

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        """Closes the connection and ends the thread; messages that are not sent are dropped. May be called again."""
        if self._connection.closed:
            return
        self._unsent.put(None)
        end = socket.socket(fileno=self._connection.fileno())
        # Frees a sender in the middle of a message even where a child of the worker still holds the other end.
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.detach()
        # Before its number, which the next file opened may get, is free: the sender must not write into that.
        self._sender.join()
        self._connection.close()

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            while (message := self._unsent.get()) is not None:
                self._connection.send_bytes(message)
