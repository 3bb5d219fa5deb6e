"""Texts of others, made safe to show."""

from __future__ import annotations

import unicodedata

import pytest

from apertune.text import visible


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
