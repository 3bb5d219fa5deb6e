"""Texts of others, and addresses, made safe to show."""

from __future__ import annotations

import json
import shlex
import unicodedata
from urllib.parse import quote, quote_plus

import pytest

from apertune import text as text_module
from apertune.search import SearchSettings
from apertune.search.settings import make_home
from apertune.text import (
    first_line,
    hidden_address,
    hidden_command,
    hidden_credentials,
    shown_number,
    shown_score,
    shown_uri,
    visible,
)

# Passwords that a shell, a pattern or a parser would take apart, each with parts that must not be seen.
PASSWORDS = [
    "s3'cret'word",
    's3"cret',
    "s3 cret word",
    "s3/cret@word",
    "s3%27cret",
    "s3$cret`w`",
    "s3\\cret",
    "s3:cret",
]


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins without addresses that others have used."""
    monkeypatch.setattr(text_module, "_secrets", set())


def assert_hidden(shown: str) -> None:
    """Asserts that no part of any password is in a text."""
    assert "s3" not in shown
    assert "cret" not in shown
    assert "word" not in shown.replace("password", "")


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_in_an_address_is_hidden_whole(password: str) -> None:
    """Quotes, spaces, slashes, escapes: a password before the host goes in full, and the host and name stay."""
    shown = hidden_address(f"postgresql+psycopg://me:{password}@db:5432/studies?sslmode=require")
    assert shown == "postgresql+psycopg://***@db:5432/studies?sslmode=require"
    assert shown_uri(f"https://me:{password}@host/mlflow?a=b#c") == "https://host/mlflow"


@pytest.mark.parametrize("password", ["s3?cret@word", "s3#cret", "s3@cret?word"])
def test_an_address_that_can_be_read_in_two_ways_shows_its_scheme_alone(password: str) -> None:
    """An unquoted ? or # in a password leaves open where it ends."""
    for address in (f"postgresql://me:{password}@db/x", f"postgresql://db/x?sslpassword={password}@more"):
        assert hidden_address(address) == "postgresql://***"
        assert shown_uri(address) == "postgresql://***"


@pytest.mark.parametrize(
    "name",
    [
        "password", "sslpassword", "passfile", "PWD", "token", "access_token", "sig", "X-Amz-Signature", "sslkey",
        "options", "odbc_connect", "pass%77ord", "anything",
    ],
)  # fmt: skip
@pytest.mark.parametrize("password", [p for p in PASSWORDS if "@" not in p])
def test_a_setting_that_is_not_known_to_be_harmless_is_hidden(name: str, password: str) -> None:
    """Drivers and services call their secrets by many names, so only settings known to be harmless are shown."""
    assert (
        hidden_address(f"postgresql://db/x?user=me&{name}={password}&sslmode=require")
        == f"postgresql://db/x?user=me&{name}=***&sslmode=require"
    )
    assert hidden_address(f"https://h/a.zip#{name}={password}") == f"https://h/a.zip#{name}=***"
    assert hidden_address(f"mssql://h/x?mode=a;{name}={password}") == "mssql://h/x?mode=***"


def test_addresses_in_a_chain_are_taken_apart_one_by_one() -> None:
    """The parts of a chained address keep what is no secret."""
    address = "zip://inside::https://me:s3cret@host/outside.zip?sig=s3cret"
    assert hidden_address(address) == "zip://inside::https://***@host/outside.zip?sig=***"
    assert shown_uri(address) == "zip://inside::https://host/outside.zip"


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_command_is_quoted_after_its_addresses_are_taken_apart(password: str) -> None:
    """A flag's address is recognised with its flag and without, and what remains is a command that a shell reads."""
    for words in (
        ["apertune", "studies", "--storage", f"postgresql://me:{password}@db/x"],
        ["apertune", "studies", f"--storage=postgresql://me:{password}@db/x"],
    ):
        shown = hidden_command(words)
        assert_hidden(shown)
        assert shlex.split(shown)[-1].endswith("postgresql://***@db/x")
    settings = hidden_command(
        ["apertune", f"--storage=postgresql://db/x?sslpassword={password.replace('@', '')}", "a b"]
    )
    assert_hidden(settings)
    assert settings.endswith("'a b'")


@pytest.mark.parametrize("password", [*PASSWORDS, "s3?cret@word"])
def test_a_library_may_write_an_address_in_any_form(password: str) -> None:
    """Secrets of the addresses in use are found in errors that quote, escape, encode or cut them."""
    home = make_home(
        {"MLFLOW_TRACKING_URI": f"http://me:{password}@server"}, storage="postgresql://db/x?sslpassword=s3cret2"
    )
    forms = [password, repr(password), json.dumps(password), quote(password, safe=""), quote_plus(password)]
    for form in [*forms, repr(home.tracking_uri), f"me:{password}", "sslpassword s3cret2 is wrong", home.storage]:
        shown = first_line(RuntimeError(f"cannot sign in: {form}, says the server"))
        assert_hidden(shown)
        assert shown.startswith("cannot sign in: ")
        assert shown.endswith("says the server")


def test_a_password_that_is_a_common_word_spares_other_words() -> None:
    """The password "postgres" is hidden where it stands alone, and the scheme stays readable."""
    make_home({}, storage="postgresql://postgres:postgres@db/x")
    assert hidden_credentials("postgresql://db/x refuses postgres") == "postgresql://db/x refuses ***"


def test_settings_do_not_show_their_addresses() -> None:
    """A settings object in a traceback or a notebook shows no address that may hold a password."""
    assert_hidden(repr(SearchSettings(storage="postgresql://me:s3cret@db/x")))
    assert_hidden(repr(make_home({"MLFLOW_TRACKING_URI": "http://me:s3cret@h"}, storage="postgresql://me:s3cret@db/x")))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("one\nError: two\r", "one\\nError: two\\r"),
        ("\x9b31mred", "\\x9b31mred"),
        ("photo\u202egnp.exe", "photo\\u202egnp.exe"),
        ("a\u2028b", "a\\u2028b"),
        # A file name that is not UTF-8, as Python reads it, and a half that is no byte.
        (b"caf\xe9.png".decode(errors="surrogateescape"), "caf\\xe9.png"),
        ("\ud83d", "\\ud83d"),
        ("[bold]Éclair :smile: 猫 👩‍🚀 שלום", "[bold]Éclair :smile: 猫 👩‍🚀 שלום"),  # joined on purpose
    ],
)
def test_what_a_terminal_acts_on_is_shown(text: str, shown: str) -> None:
    """Control characters, turned writing and bytes that are no text become escapes; every other text stays as it is."""
    assert visible(text) == shown


def test_no_control_character_is_forgotten() -> None:
    """No character that Unicode counts among controls, separators of lines, or halves comes through."""
    for code in range(0x110000):
        if unicodedata.category(chr(code)) in ("Cc", "Cs", "Zl", "Zp"):
            assert visible(chr(code)).isascii(), hex(code)
            assert visible(chr(code)).isprintable(), hex(code)


def test_numbers_are_written_as_people_do() -> None:
    """Counts have commas and no exponent, scores 4 decimals, and small numbers a short exponent."""
    assert [shown_number(value) for value in (4640510.0, 12, 1234.56, 12.3456, 0.0000712, float("inf"))] == [
        "4,640,510",
        "12",
        "1,235",
        "12.35",
        "7.12e-5",
        "inf",
    ]
    assert [shown_score(value) for value in (0.98765, 4640510.0, None)] == ["0.9877", "4,640,510", ""]
