"""A PostgreSQL server of the tests' own, which can be stopped and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

BINARIES = "/usr/lib/postgresql"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """A running server on loopback; `password` is that of its only user, mlflow, who may do everything."""

    def __init__(self, folder: Path, binaries: Path, password: str) -> None:
        self.password = password
        self.port = free_port()
        self._folder = folder
        self._binaries = binaries
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.getuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def address(self, database: str, driver: str = "postgresql+psycopg") -> str:
        return f"{driver}://mlflow:{self.password}@127.0.0.1:{self.port}/{database}"

    def make(self, databases: Sequence[str]) -> None:
        password_file = self._folder / "password"
        password_file.write_text(self.password)
        if self._user:
            account = pwd.getpwnam(self._user)
            for path in (self._folder, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        settings = ["--username=mlflow", "--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync"]
        command = [str(self._binaries / "initdb"), *settings, "-D", str(self._folder / "data")]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd=self._folder)
        self.start()
        with psycopg.connect(self.address("postgres", "postgresql"), autocommit=True) as connection:
            for name in databases:
                connection.execute(f"CREATE DATABASE {name}".encode())

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        place = ["-D", str(self._folder / "data"), "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), *place], stdout=log, stderr=log, user=self._user, cwd=self._folder
            )
        for _ in range(150):
            assert self._process.poll() is None, (self._folder / "log").read_text()
            try:
                psycopg.connect(self.address("postgres", "postgresql")).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.2)
        raise AssertionError("PostgreSQL did not answer")

    def stop(self) -> None:
        """Stops the server at once, and closes every connection."""
        if self._process is not None:
            self._process.send_signal(2)
            self._process.wait(30)
            self._process = None

    def dump(self, database: str) -> str:
        """Returns everything in the database, as text."""
        command = [str(self._binaries / "pg_dump"), "--inserts", self.address(database, "postgresql")]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def postgres_server(password: str, databases: Sequence[str]) -> Iterator[PostgresServer]:
    """A new server; skips the test where PostgreSQL is not installed."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip(f"PostgreSQL's initdb and postgres are neither on the path nor under {BINARIES}")
    folder = Path(tempfile.mkdtemp(prefix="apertune-"))
    server = PostgresServer(folder, binaries, password)
    try:
        server.make(databases)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _binaries() -> Path | None:
    found = shutil.which("postgres")
    folders = sorted(Path(BINARIES).glob("*/bin"), reverse=True) + ([Path(found).resolve().parent] if found else [])
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_dump").exists()), None)
