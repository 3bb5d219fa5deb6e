"""The words of a study's data, kept beside it."""

from __future__ import annotations

from pathlib import Path

from apertune.search.studies.data_source import FILE, DataSource, note_source, read_source


def test_words_come_back_as_they_were_kept(tmp_path: Path) -> None:
    """Kept words are read back, by their owner alone; where the folder is not there, none are kept."""
    source = DataSource("folders", {"data": "x", "limit": 3, "skip_bad": True, "classes": ["a", "b"]})
    note_source(tmp_path, source)
    assert read_source(tmp_path) == source
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    note_source(tmp_path / "none", source)
    assert read_source(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_a_broken_file_says_nothing(tmp_path: Path) -> None:
    """Half a file, or one of another form, counts as none."""
    for text in ("{", "[]", '{"dataset": "x"}'):
        (tmp_path / FILE).write_text(text, encoding="utf-8")
        assert read_source(tmp_path) is None
