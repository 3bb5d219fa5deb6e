"""Addresses of tracking stores that are refused before anything is trained for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from apertune.errors import SettingError
from apertune.search.tracking.tracking_address import check_tracking_uri


@pytest.mark.parametrize(
    ("uri", "line"),
    [
        ("mlruns", "must name a server or a database, but got 'mlruns', a folder of files"),
        ("./mlruns", "must name a server or a database, but got './mlruns', a folder of files"),
        ("file:./mlruns", "must name a server or a database, but got 'file:./mlruns', a folder of files"),
        ("file:///tmp/mlruns", "a folder of files, which MLflow no longer takes; give a server such as http"),
        ("htp://x", "must begin with one of http, https, sqlite, postgresql, mysql, mssql, but got 'htp://x'"),
        ("ftp://x", "must begin with one of http, https, sqlite, postgresql, mysql, mssql, but got 'ftp://x'"),
        ("http://", "must name a host, but got 'http://'"),
        ("http://x:99999", "must name a host, but got 'http://x:99999'"),
        ("sqlite://", "names a database in memory"),
        ("sqlite:////", "must name a file, but / is a folder"),
        ("sqlite:////dev/null/x.db", "names a file below /dev/null, which is no folder"),
        ("sqlite:x.db", "is no database's address: 'sqlite:x.db'"),
        ("mysql+nothing://x/y", "names a driver that SQLAlchemy does not know: mysql+nothing"),
        ("postgresql://u:secret@[::1/x", "is no database's address: 'postgresql://***@[::1/x'"),
    ],
)
def test_an_address_without_a_store_is_refused(uri: str, line: str) -> None:
    """The line says what was given and what to give instead, without a password, and nothing is created."""
    with pytest.raises(SettingError, match="MLFLOW_TRACKING_URI") as refused:
        check_tracking_uri(uri)
    assert line in str(refused.value)
    assert "secret" not in str(refused.value)
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:5000", "https://user:secret@host/path", "sqlite:///new/mlflow.db", "sqlite:////tmp/x.db"],
)
def test_an_address_that_may_work_is_taken(uri: str) -> None:
    """A server need not answer, and a file need not exist."""
    check_tracking_uri(uri)
    assert not list(Path().iterdir())
