"""Errors in one line, data made safe to show, and addresses without the secrets in them."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus, unquote, unquote_plus

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


# Settings of an address that hold no secret, so that one can still see what was asked for; all others are hidden, since
# nobody can list the names that drivers and services give to passwords, tokens, keys and signatures.
_HARMLESS = frozenset(
    (
        "application_name", "charset", "connect_timeout", "database", "dbname", "driver", "host", "hostaddr",
        "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "mode", "port", "ssl", "sslmode",
        "target_session_attrs", "timeout", "uri", "user", "username",
    )
)  # fmt: skip
_SCHEME = re.compile(r"\w[\w+.-]*://")
_SETTING = re.compile(r"(?P<before>[?&;#](?P<name>[^=&;#?]+)=)(?P<value>[^&]*)")
_STARS = "***"
# Shorter passwords would be found by chance in other words.
_LEAST_SECRET = 4
# Parts of the addresses that this process has been given, as libraries may write them in their errors.
_secrets: set[str] = set()


def hidden_address(address: str) -> str:
    """Returns an address as errors and records may show it: credentials become stars.

    These are user and password before the host, even where the password holds quotes, spaces or an unquoted `/`; and
    every setting whose name is not known to be harmless, such as `?sslpassword=`. Where an `@` after a `?` leaves open
    which of the two it belongs to, only the scheme is shown.

    Args:
        address: The whole address and nothing else, before any quoting.
    """
    # Addresses of archives and caches are chained: zip://inside::https://user:password@host/outside.zip
    return "::".join(map(_hidden_link, re.split(r"::(?=\w[\w+.-]*://)", address)))


def hidden_word(word: str) -> str:
    """Returns a word of a command line as it may be shown: `hidden_address` for the address that it holds, if any."""
    found = _SCHEME.search(word)
    return word if found is None else word[: found.start()] + hidden_address(word[found.start() :])


def hidden_command(words: Iterable[str]) -> str:
    """Returns a command line as it may be shown, quoted for a shell after its addresses are taken apart."""
    return shlex.join(map(hidden_word, words))


def shown_uri(uri: str) -> str:
    """Returns an address for a person to open: without user, password and settings."""
    plain = hidden_address(uri).replace(f"{_STARS}@", "")
    return "::".join(re.split(r"[?#]", part, maxsplit=1)[0] for part in plain.split("::"))


def remember_address(address: str) -> None:
    """Has `hidden_credentials` hide the secrets of this address from now on, in whatever text they stand.

    Libraries write addresses into their errors quoted, unquoted, escaped or cut, so that no pattern finds them all.
    """
    secrets = [setting["value"] for setting in _SETTING.finditer(address) if not _is_harmless(setting)]
    _, _, rest = address.partition("://")
    for end in (rest.rpartition("@")[0], re.split(r"[?#]", rest, maxsplit=1)[0].rpartition("@")[0]):
        _, colon, password = end.partition(":")
        secrets += [end, password] if colon else []
    for secret in secrets:
        for plain in (secret, unquote(secret), unquote_plus(secret)):
            if len(plain) >= _LEAST_SECRET:
                _secrets.update((plain, quote(plain, safe=""), quote_plus(plain), _with_escapes(plain)))


def hidden_credentials(text: str) -> str:
    """Stars the credentials of every address in a text, such as a library's error; see `hidden_address`.

    The addresses that `remember_address` was told of are found in every form, others up to the next space.
    """
    for secret in sorted(_secrets, key=len, reverse=True):
        # A password that is a word, such as "postgres", is not looked for inside of others, such as "postgresql".
        start, end = (r"\b" if re.match(r"\w", edge) else "" for edge in (secret[0], secret[-1]))
        text = re.sub(f"{start}{re.escape(secret)}{end}", _STARS, text)
    return re.sub(rf"{_SCHEME.pattern}\S+", _hidden_in_text, text)


def _hidden_link(address: str) -> str:
    found = _SCHEME.match(address)
    if found is None:
        return address
    scheme, rest = found[0], address[found.end() :]
    place, *settings = re.split(r"(?=[?#])", rest, maxsplit=1)
    if any("@" in part for part in settings):
        return f"{scheme}{_STARS}"
    _, at, host = place.rpartition("@")
    shown = f"{_STARS}@{host}" if at else place
    return scheme + shown + "".join(_SETTING.sub(_hidden_setting, part) for part in settings)


def _hidden_in_text(found: re.Match[str]) -> str:
    # A quote or bracket around the address, and the mark that ends a sentence, belong to the text.
    end = re.search(r"[\'\")\]>}.,;:]*$", found[0])
    assert end is not None
    return hidden_address(found[0][: end.start()]) + found[0][end.start() :]


def _hidden_setting(setting: re.Match[str]) -> str:
    return setting[0] if _is_harmless(setting) else f"{setting['before']}{_STARS}"


def _is_harmless(setting: re.Match[str]) -> bool:
    # A value with more signs may hold settings of its own.
    return setting["name"].lower() in _HARMLESS and re.fullmatch(r"[\w./,:+-]*", setting["value"]) is not None


def _with_escapes(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')


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


def some_of(names: Sequence[str], most: int = 6) -> str:
    """Returns the first names with commas between them, and how many more there are."""
    more = "" if len(names) <= most else f" and {len(names) - most:,} more"
    return ", ".join(names[:most]) + more


def shown_number(value: float, digits: int = 4) -> str:
    """Returns a number as people write it, cut to some digits where it has a fraction.

    Example:
        >>> shown_number(4640510.0), shown_number(12.3456), shown_number(0.0000712)
        ('4,640,510', '12.35', '7.12e-5')
    """
    if abs(value) >= 1000 or (math.isfinite(value) and value == int(value)):
        return f"{value:,.0f}"
    return _plain_exponent(f"{value:.{digits}g}")


def shown_score(value: float | None) -> str:
    """Returns an objective's value: with 4 decimals, or whole where it is a large count; empty where there is none."""
    return "" if value is None else f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"


def _plain_exponent(text: str) -> str:
    return re.sub(r"e([+-])0+(?=\d)", r"e\1", text).replace("e+", "e")
