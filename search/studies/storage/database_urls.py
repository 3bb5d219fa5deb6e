"""What the URL of a study storage names: a kind of database, and the file of a SQLite one."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ....errors import SettingError


def database_kind(url: str) -> str:
    """SQLAlchemy's name of it, such as sqlite or postgresql. Raises SettingError for a URL that is none."""
    return _parsed(url).get_backend_name()


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database, whatever name it is opened by; None for another kind of database.

    Raises SettingError for a URL that is none, and for a database in memory, which would go with its search.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    try:
        # The driver knows best which file it is going to open, and whether it takes the name for a URI.
        (name, *_), options = parsed.get_dialect()().create_connect_args(parsed)
    except ArgumentError:
        raise _no_url() from None
    if options.get("uri"):
        uri = urlsplit(name)
        name = "" if "memory" in parse_qs(uri.query).get("mode", ()) else unquote(uri.path)
    if name in ("", ":memory:"):
        raise SettingError(
            "studies are kept in a file or by a server, but the storage names a database in memory; name one such as "
            "sqlite:///studies.db"
        )
    return Path(name).resolve()


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise _no_url() from None


def _no_url() -> SettingError:
    return SettingError(
        "the storage must be a database URL such as sqlite:///studies.db or postgresql+psycopg://user@host/name"
    )
