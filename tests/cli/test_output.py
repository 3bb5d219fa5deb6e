"""Names of others reach a terminal as they are: no markup, no escape sequences, no lines of their own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from apertune import cli
from apertune.cli import output, progress
from apertune.cli.dataset_options import progress_bar
from apertune.cli.datasets import datasets
from apertune.cli.output import print_json, print_line, print_table
from apertune.cli.predict import predict

HOSTILE = "[/cpu:0] [old] :car: \x1b[2J\x07\u202e\n=1 [bold]"
SHOWN = "[/cpu:0] [old] :car: \\x1b[2J\\x07\\u202e\\n=1 [bold]"


def assert_shown(text: str) -> None:
    """Asserts that the hostile name is in a text as it is, and that nothing but line ends is unprintable."""
    assert SHOWN in text
    assert all(character.isprintable() for line in text.splitlines() for character in line)


def test_every_part_of_a_table_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Title, head and cells show markup as it is; a closing tag, of a device's name for example, is no error."""
    for title, column, cell in ((HOSTILE, "a", "b"), ("a", HOSTILE, "b"), ("a", "b", HOSTILE)):
        print_table([column, "wide enough for a title"], [[cell, "-" * 80]], title=title)
        assert_shown(capsys.readouterr().out)


@pytest.mark.parametrize("err", [False, True])
def test_a_line_is_one_line(capsys: pytest.CaptureFixture[str], err: bool) -> None:
    """A line end in a name makes no second line, which could pass for one of Apertune's."""
    print_line(f"Error: {HOSTILE}", err=err)
    printed = capsys.readouterr()
    shown, empty = (printed.err, printed.out) if err else (printed.out, printed.err)
    assert_shown(shown)
    assert (len(shown.splitlines()), empty) == (1, "")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  one two three four five", ["  one two three", "    four five"]),
        (f"name-of-one-class {'x' * 30}", ["name-of-one-class", f"  {'x' * 30}"]),
        ("Promote:  apertune promote digits", ["Promote:  apertune promote digits"]),
        ("see http://127.0.0.1:5000/ for more", ["see http://127.0.0.1:5000/ for more"]),
    ],
)
def test_a_sentence_is_broken_between_words(
    line: str, shown: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a narrow terminal, no word is cut; what is to be copied stays in one line, and so does all in a file."""
    monkeypatch.setenv("COLUMNS", "18")
    print_line(line)
    assert capsys.readouterr().out == f"{line}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_line(line)
    assert click.unstyle(capsys.readouterr().out).splitlines() == shown


def test_json_holds_the_names_whole_and_writes_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    """A JSON document gives names back exactly, bytes that are no text included, and is safe in a terminal."""
    names = [HOSTILE, "\x9b31m", "caf\udce9", "é", "a\u2028b"]
    print_json({"names": names})
    text = capsys.readouterr().out
    assert json.loads(text) == {"names": names}
    assert "é" in text
    assert all(character.isprintable() for line in text.split("\n") for character in line)


def test_json_is_valid_where_the_terminal_lacks_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal without Unicode gets JSON in ASCII, not an error in the middle of the document."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    print_json({"class": "猫é"})
    sys.stdout.flush()
    assert json.loads(written.getvalue().decode("ascii")) == {"class": "猫é"}


def test_the_lines_of_a_search_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The display of a search shows every line as it is."""
    progress.SearchDisplay().say(f"trial 3 failed ({HOSTILE})")
    assert_shown(capsys.readouterr().err)


def test_the_stage_of_a_progress_bar_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar whose stage is a file name, such as a video's, shows it as it is and does not fail."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    with progress_bar() as report:
        report(HOSTILE, 1, 2)
    assert SHOWN in terminal.getvalue()
    assert output.open_console(stderr=True).render_str(HOSTILE).plain.startswith("[/cpu:0]")


def test_predict_prints_the_path_that_was_given(shades_model: Path, tmp_path: Path) -> None:
    """Brackets in a folder's name are part of the path, in tables, CSV and errors."""
    folder = tmp_path / "photos [old] \x1b[31m"
    folder.mkdir()
    Image.new("L", (12, 12), 20).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no picture")
    for flags in ([], ["--csv"]):
        run = CliRunner().invoke(predict, [str(shades_model), str(folder), *flags])
        assert run.exit_code == 2
        assert "photos [old] \\x1b[31m/a.png" in run.stdout
        assert "photos [old] \\x1b[31m/b.png: not an image" in run.stderr


def test_classes_of_a_data_set_are_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders whose names hold markup and escape sequences are counted under these names."""
    monkeypatch.chdir(tmp_path)
    for name in ("[bold] \x1b[2J", ":cat: =1"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for place in range(12):
            Image.new("L", (12, 12), 10 * place).save(tmp_path / "data" / name / f"{place}.png")
    run = CliRunner().invoke(datasets, ["describe", "folders", "--data", str(tmp_path / "data")])
    assert run.exit_code == 0, run.exception
    assert "[bold] \\x1b[2J" in run.stdout
    assert ":cat: =1" in run.stdout
    assert "\x1b" not in run.stdout


def test_a_terminal_that_lacks_a_letter_is_no_error(tmp_path: Path) -> None:
    """Standard output in another encoding gets escapes for the letters that it lacks."""
    for name in ("猫", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for place in range(12):
            Image.new("L", (12, 12), 10 * place).save(tmp_path / "data" / name / f"{place}.png")
    command = [sys.executable, "-m", "apertune", "datasets", "describe", "folders", "--data", str(tmp_path / "data")]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\\u732b" in done.stdout


def test_warnings_of_libraries_are_text(tmp_path: Path) -> None:
    """A library's warning that names a file, raised or logged, is shown with control characters visible."""
    program = tmp_path / "warn.py"
    program.write_text(
        "import sys, warnings, logging\n"
        "from apertune import cli\n"
        "sys.argv = ['apertune', 'spaces', 'list']\n"
        "kept = cli.cli.main\n"
        "def main(**how):\n"
        "    warnings.warn('Glyph \\x1b[2J')\n"
        "    logging.getLogger('elsewhere').warning('cannot read \\x1b[3J')\n"
        "cli.cli.main = main\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    assert "Glyph \\x1b[2J" in done.stderr
    assert "cannot read \\x1b[3J" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_wrong_flag_is_shown_as_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistaken flag that was pasted with an escape sequence is shown with it visible, by click's own refusal, too."""
    monkeypatch.setattr(sys, "argv", ["apertune", "studies", "--\x1b[2Jjson"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    shown = capsys.readouterr().err
    assert end.value.code == 2
    assert "--\\x1b[2Jjson" in shown
    assert "\x1b" not in shown


def test_progress_without_a_rate_has_no_brackets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As long as no rate is known, a line of progress shows the share alone."""
    monkeypatch.setattr("apertune.cli.dataset_options._PlainProgress.seconds_between", -1.0)
    with progress_bar() as report:
        report("decoding", 1, 4)
    assert capsys.readouterr().err == "decoding: 25 %\n"
