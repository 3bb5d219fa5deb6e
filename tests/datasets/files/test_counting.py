"""Files found, read and left out, in the first lines of what is said about a data set."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from click.testing import CliRunner

from apertune.cli.datasets import datasets
from apertune.datasets import LoadSettings, load


def test_files_are_counted_by_reason(make: SimpleNamespace, tmp_path: Path) -> None:
    """Texts, images without a class, and files that cannot be used are counted apart."""
    root = make.folders(tmp_path / "set", ("cat", "dog"), count=8)
    (root / "cat" / "notes.txt").write_text("about cats")
    (root / "dog" / "vectors.npy").write_bytes(bytes(40))
    (root / "dog" / "broken.jpg").write_bytes(b"no picture")
    make.save(root / "logo.png", seed=5)
    dataset = load("folders", root, LoadSettings(skip_bad=True))
    counts = dataset.files
    assert counts is not None
    assert (counts.found, counts.read, counts.bad) == (20, 16, 1)
    expected = {"not an image (.txt)": 1, "not an image (.npy)": 1, "not used, though an image": 1}
    assert counts.left_out == expected
    assert dataset.notes[0] == counts.words
    assert counts.words.startswith("20 files found, 16 read as images, 4 left out: ")


def test_describe_begins_with_the_files(make: SimpleNamespace, tmp_path: Path) -> None:
    """`datasets describe` says in its first line how many files were found, read and left out."""
    root = make.folders(tmp_path / "set", ("cat", "dog"), count=8)
    words = ["describe", "folders", "--data", str(root), "--html", str(tmp_path / "page.html")]
    answer = CliRunner().invoke(datasets, words)
    assert answer.output.splitlines()[0] == "16 files found, 16 read as images, none left out."


def test_describe_counts_left_out_files_once(make: SimpleNamespace, tmp_path: Path) -> None:
    """The count that a search would note on standard error stands in the first line alone."""
    root = make.folders(tmp_path / "set", ("cat", "dog"), count=8)
    (root / "cat" / "vectors.npy").write_bytes(bytes(40))
    words = ["describe", "folders", "--data", str(root), "--html", str(tmp_path / "page.html")]
    answer = CliRunner().invoke(datasets, words)
    assert answer.output.count("17 files found, 16 read as images") == 1
    assert "files found" not in answer.stderr
