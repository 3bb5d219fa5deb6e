"""Errors in one line, data made safe to show, and addresses without the secrets in them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

# Control characters, line separators, marks that turn the direction of writing, and halves of characters, which stand
# for bytes of a file name that are no text.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Returns a text that is safe to show: what a terminal would act on, or hide, is written as an escape.

    A name from a data set, such as a class or a file, could otherwise clear the screen, write over other lines, or make
    lines of its own.
    """
    return _UNSEEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    # Python reads the byte ff of a file name that is not UTF-8 as the lone half dcff.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else found[0].encode("unicode_escape").decode()


def hidden_credentials(text: str) -> str:
    """Stars the credentials of every URI in a text, since MLflow's errors show tracking URIs whole.

    These are user and password before the host, even where the password holds unquoted `/` and `@`, and a password
    among the URI's settings.
    """
    text = re.sub(r"(\w[\w+.-]*://)[^\s'\"]*@", r"\1***@", text)
    return re.sub(r"([?&](?:password|passwd|token)=)[^&\s'\"]+", r"\1***", text)


def shown_uri(uri: str) -> str:
    """Returns a tracking URI as it may be shown: without user, password and query."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", "")) if parts.netloc else uri


def first_line(error: BaseException, most: int = 200) -> str:
    """Returns the first line of an error's text, for a message of one line; the error's kind when it has no text.

    Credentials are starred before the line is cut: a cut address would show a password and no host to recognise it by.

    Args:
        error: Any library's error.
        most: Number of characters to keep.
    """
    return _line(error, 0, most)


def last_line(error: BaseException, most: int = 200) -> str:
    """Returns the last line of an error's text, which gives the reason after a traceback; else as `first_line`."""
    return _line(error, -1, most)


def named_line(error: BaseException, most: int = 300) -> str:
    """Returns the error's kind and the first line of its text, such as `TypeError: no number`; see `first_line`."""
    kind, line = type(error).__name__, first_line(error, most)
    return (kind if line == kind else f"{kind}: {line}")[:most]


def _line(error: BaseException, which: int, most: int) -> str:
    lines = str(error).strip().splitlines()
    return hidden_credentials(lines[which].strip() if lines else type(error).__name__)[:most]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Returns a number with its noun, such as "1 trial" or "2,000 trials".

    Args:
        number: How many there are.
        noun: The noun in the singular.
        plural: Its plural, if it is not the noun with an "s".
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
