"""Addresses without the secrets in them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit


def hidden_credentials(text: str) -> str:
    """The text with the credentials of every URI in it starred: MLflow's errors show tracking URIs whole.

    Those before the host, unquoted `/` and `@` in a password included, and a password among the URI's settings.
    """
    text = re.sub(r"(\w[\w+.-]*://)[^\s'\"]*@", r"\1***@", text)
    return re.sub(r"([?&](?:password|passwd|token)=)[^&\s'\"]+", r"\1***", text)


def shown_uri(uri: str) -> str:
    """A tracking URI as it may be shown: without user, password and query."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", "")) if parts.netloc else uri


def first_line(error: BaseException) -> str:
    """The first line of a library's error, for a message of one line; its kind when it says nothing."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Returns a number with its noun, such as "1 trial" or "2,000 trials".

    Args:
        number: How many there are.
        noun: The noun in the singular.
        plural: Its plural, if it is not the noun with an "s".
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
