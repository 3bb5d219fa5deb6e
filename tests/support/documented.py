"""The commands that README and docs show, as tests read them out of the pages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from programs import REPOSITORY

PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "mlflow/*.md", "benchmarks/*.md")
    for path in REPOSITORY.glob(pattern)
    if path.name != "CHANGELOG.md"
)
BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
END_OF_COMMAND = {"&&", "||", "|", ";", "&", "<", ">", ">>"}


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    return [body for _, language, body in BLOCK.findall(text_of(page)) if language in languages]


def inline(page: str) -> list[str]:
    """Returns the code within a page's sentences and tables."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", BLOCK.sub("", text_of(page)))]


def commands_in(script: str) -> Iterator[list[str]]:
    """Yields the words behind each `apertune` of a script, up to the end of that command."""
    for line in script.replace("\\\n", " ").splitlines():
        if not re.search(r"(?<![-/.@\w])apertune ", line):
            continue
        # "one$ apertune ..." says on which machine a command is typed.
        lexer = shlex.shlex(re.sub(r"^\s*\w*\$ ", "", line), posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split = True
        words: list[str] | None = None
        for word in [*lexer, ";"]:
            if word in END_OF_COMMAND:
                if words is not None:
                    yield words
                words = None
            elif words is not None:
                words.append(word)
            elif word == "apertune":
                words = []


def documented() -> list[tuple[str, str]]:
    """Returns the page and the words of each documented command."""
    found = []
    for page in PAGES:
        scripts = [*blocks(page, "sh", ""), *(code for code in inline(page) if code.startswith("apertune "))]
        found += [(page, shlex.join(words)) for script in scripts for words in commands_in(script)]
    return list(dict.fromkeys(found))
