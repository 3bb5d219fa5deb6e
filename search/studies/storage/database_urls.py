"""URLs of study storages: the kind of database they name, and the file of a SQLite database."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ....errors import MissingExtraError, SettingError
from ....text import hidden_address


def database_kind(url: str) -> str:
    """Returns SQLAlchemy's name of the kind, such as sqlite or postgresql. Raises SettingError for an invalid URL."""
    return _parsed(url).get_backend_name()


def check_driver(url: str) -> None:
    """Checks that there is a driver for a URL's database, without reaching the database.

    Raises:
        SettingError: For an invalid URL, and a kind of database or driver that is not known.
        MissingExtraError: The driver is not installed.
    """
    parsed = _parsed(url)
    try:
        parsed.get_dialect().import_dbapi()
    except NoSuchModuleError:
        hint = "; write postgresql instead of postgres" if parsed.drivername.partition("+")[0] == "postgres" else ""
        raise SettingError(
            "the storage's URL must begin with a database that SQLAlchemy knows, such as postgresql+psycopg or sqlite, "
            f"but got {parsed.drivername}{hint}"
        ) from None
    except ImportError as error:
        if parsed.get_backend_name() == "postgresql" and parsed.get_driver_name() == "psycopg":
            raise MissingExtraError("storage in PostgreSQL", "postgres") from None
        raise SettingError(
            f"the storage {hidden_address(url)} needs the driver {error.name or parsed.get_driver_name()}, which is "
            "not installed; install it, or write postgresql+psycopg for PostgreSQL"
        ) from None


def sqlite_file(url: str) -> Path | None:
    """Returns the file of a SQLite database, or None for another kind of database.

    Raises:
        SettingError: For an invalid URL, and for a database in memory, which would be lost with its search.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    try:
        # Only the driver knows which file it will open, and whether it takes the name for a URI.
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
