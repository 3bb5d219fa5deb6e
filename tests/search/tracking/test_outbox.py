from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from apertune.search.sending import sender
from apertune.search.sending.sender import Sender
from apertune.search.tracking.outbox import (
    Outbox,
    held_line,
    is_another_outbox,
    merged,
    open_runs,
    read_progress,
    unsent,
    unsent_bytes,
)
from apertune.search.tracking.records import (
    DatasetLogged,
    FilesLogged,
    MemoryTracker,
    MetricsLogged,
    ModelLogged,
    Record,
    RunEnded,
    RunStarted,
    StudyChanged,
    TagsSet,
    from_line,
    to_line,
)

RECORDS: list[Record] = [
    RunStarted("k", "digits", "digits #1", 5, "parent", {"state": "running"}, {"units": "32"}),
    DatasetLogged("k", "digits", "ab" * 32, "scikit-learn", {"train": "10"}),
    MetricsLogged("k", (("loss", 0.5, 1, 10), ("val_loss", 0.25, 1, 10))),
    TagsSet("k", {"state": "complete"}),
    FilesLogged("k", "somewhere", "plots", remove=True),
    ModelLogged("k", "somewhere", "model", {"best_accuracy": 0.9}),
    RunEnded("k", "FINISHED", 20),
    StudyChanged("k", "digits-convnet", ended=True),
]


def never(error: Exception) -> bool:
    return False


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_survives_its_line(record: Record) -> None:
    """Every kind of record reads back from its line as it was."""
    assert from_line(to_line(record)) == record


def test_a_cut_outbox_loses_the_last_record_alone(tmp_path: Path) -> None:
    """An outbox cut at any byte of its last record opens, keeps the records before it, and takes new ones."""
    path = tmp_path / "outbox.jsonl"
    with Outbox(path) as outbox:
        outbox.put(RECORDS[0])
        whole = path.stat().st_size
        outbox.put(RECORDS[6])
    content = path.read_bytes()
    for cut in range(whole, len(content)):
        path.write_bytes(content[:cut])
        with Outbox(path) as reopened:
            reopened.put(RECORDS[3])
        kept = [record for record, _ in unsent(path, 0) if record is not None]
        assert kept in ([RECORDS[0], RECORDS[3]], [RECORDS[0], RECORDS[6], RECORDS[3]])


def test_what_fails_is_sent_later_and_once(tmp_path: Path) -> None:
    """A server that refuses connections twice gets every record once, in order, and the reason is noted."""
    path = tmp_path / "outbox.jsonl"
    sendable = [RECORDS[0], RECORDS[2], RECORDS[6]]
    with Outbox(path) as outbox:
        outbox.put(*sendable)
    tracker = MemoryTracker(failures=2)
    sending = Sender(path, tracker, never)
    assert not sending.send()
    assert "the tracking server is down" in read_progress(path).problem
    assert not sending.send()
    assert sending.send()
    assert tracker.records == sendable
    assert unsent_bytes(path) == 0
    assert read_progress(path).run_ids == {"k": "k"}
    assert Sender(path, tracker, never).send()
    assert tracker.records == sendable


def test_a_refused_record_does_not_block_the_rest(tmp_path: Path) -> None:
    """A record that the server will never take is passed over, and the ones behind it are sent."""
    path = tmp_path / "outbox.jsonl"
    with Outbox(path) as outbox:
        outbox.put(FilesLogged("k", str(tmp_path / "missing")), RECORDS[6])
    tracker = MemoryTracker()
    assert Sender(path, tracker, lambda error: isinstance(error, FileNotFoundError)).send()
    assert tracker.records == [RECORDS[6]]


def test_neighbouring_metrics_become_one_call() -> None:
    """Metrics of one run in a row are merged; those of other runs are not, and the order stays."""
    first, second = MetricsLogged("a", (("loss", 1.0, 1, 1),)), MetricsLogged("a", (("loss", 0.5, 2, 2),))
    other = MetricsLogged("b", (("loss", 2.0, 1, 1),))
    both = MetricsLogged("a", first.points + second.points)
    assert merged([(first, 10), (None, 20), (second, 30), (other, 40), (first, 50)]) == [
        (both, 30), (other, 40), (first, 50),
    ]  # fmt: skip


def test_a_study_that_changed_often_is_drawn_once() -> None:
    """The last of several changes of a study sent together is kept, at its place; other studies keep theirs."""
    early, late, other = StudyChanged("a", "digits"), StudyChanged("a", "digits", ended=True), StudyChanged("b", "cats")
    end = RunEnded("a", "FINISHED", 1)
    assert merged([(early, 10), (other, 20), (end, 30), (early, 40), (late, 50)]) == [
        (other, 20), (end, 30), (late, 50),
    ]  # fmt: skip


def test_what_was_taken_is_not_repeated(tmp_path: Path) -> None:
    """When a call fails, the calls before it are noted as sent, also for a sender started later."""

    class LosesTheFirstEnd(MemoryTracker):
        ends = 0

        def apply(self, record: Record) -> None:
            if isinstance(record, RunEnded):
                self.ends += 1
                if self.ends == 1:
                    raise ConnectionError("the reply was lost")
            super().apply(record)

    path, tracker = tmp_path / "outbox.jsonl", LosesTheFirstEnd()
    with Outbox(path) as outbox:
        outbox.put(RECORDS[0], RECORDS[6])
    assert not Sender(path, tracker, never).send()
    assert Sender(path, tracker, never).send()
    assert tracker.records == [RECORDS[0], RECORDS[6]]


def sent(path: Path) -> list[Record]:
    """Sends what is unsent with a sender that begins now; returns what it sends."""
    tracker = MemoryTracker()
    assert Sender(path, tracker, never).send()
    assert unsent_bytes(path) == 0
    return tracker.records


@pytest.mark.parametrize("kept", [0, 1, 2])
@pytest.mark.parametrize("longer", [False, True], ids=["shorter", "longer"])
def test_an_outbox_that_was_cut_is_sent_from_its_beginning(tmp_path: Path, kept: int, longer: bool) -> None:
    """An outbox that was deleted, cut or restored, and filled again to less or more than was sent, is sent whole."""
    path = tmp_path / "outbox.jsonl"
    with Outbox(path) as outbox:
        outbox.put(RECORDS[0], RECORDS[2], RECORDS[6])
    assert len(sent(path)) == 3
    old = path.read_bytes().splitlines(keepends=True)[:kept]
    path.unlink()
    if old:
        path.write_bytes(b"".join(old))
    new: list[Record] = [TagsSet("l", {"n": "x" * (2000 if longer else 1)}), RunEnded("l", "KILLED", 30)]
    with Outbox(path) as outbox:
        outbox.put(*new)
    assert is_another_outbox(path)
    assert unsent_bytes(path) == path.stat().st_size
    assert sent(path) == [record for record, _ in unsent(path, 0)]
    assert not is_another_outbox(path)


def test_an_outbox_cut_while_it_is_sent_is_sent_from_its_beginning(tmp_path: Path) -> None:
    """A sender at work notices it, too."""
    path, tracker = tmp_path / "outbox.jsonl", MemoryTracker()
    with Outbox(path) as outbox:
        outbox.put(RECORDS[0], RECORDS[2])
    sending = Sender(path, tracker, never)
    assert sending.send()
    path.write_text(to_line(RECORDS[6]) + "\n")
    assert sending.send()
    assert tracker.records == [RECORDS[0], RECORDS[2], RECORDS[6]]
    assert unsent_bytes(path) == 0


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_an_outbox_deleted_during_a_search_is_put_back(tmp_path: Path, replaced: bool) -> None:
    """It has again all that was in it, sent or not, and what comes."""
    path = tmp_path / "study" / "outbox.jsonl"
    with Outbox(path) as outbox:
        outbox.put(RECORDS[0], RECORDS[2])
        if replaced:
            path.with_name("other").write_text(to_line(RECORDS[3]) + "\n")
            path.with_name("other").rename(path)
        else:
            shutil.rmtree(path.parent)
        outbox.put(RECORDS[6])
        outbox.put(RECORDS[3])
    assert [record for record, _ in unsent(path, 0)] == [RECORDS[0], RECORDS[2], RECORDS[6], RECORDS[3]]


@pytest.mark.parametrize(
    "text", ["", "[]", "7", '{"offset": "x"}', '{"offset": 1, "run_ids": 7}', '{"offset": 1, "held": [{"begin": 1}]}',
             '{"offset": null}', '{"offset": 99999}', '{"offset": 3, "mark": 7}'],
)  # fmt: skip
def test_a_damaged_progress_file_begins_anew(tmp_path: Path, text: str) -> None:
    """Whatever stands in the progress file, everything is sent."""
    path = tmp_path / "outbox.jsonl"
    with Outbox(path) as outbox:
        outbox.put(RECORDS[0], RECORDS[6])
    path.with_name("outbox.jsonl.sent").write_text(text)
    assert sent(path) == [RECORDS[0], RECORDS[6]]


def test_progress_is_noted_per_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that is killed between two records leaves the next one to begin at the second."""
    monkeypatch.setattr(sender, "NOTE_EVERY_S", 0.0)

    class Killed(MemoryTracker):
        def apply(self, record: Record) -> None:
            if len(self.records) == 2:
                raise KeyboardInterrupt
            super().apply(record)

    path = tmp_path / "outbox.jsonl"
    with Outbox(path) as outbox:
        outbox.put(RECORDS[0], RECORDS[3], RECORDS[6])
    with pytest.raises(KeyboardInterrupt):
        Sender(path, Killed(), never).send()
    assert sent(path) == [RECORDS[6]]


def test_a_record_that_fails_alone_holds_up_no_other(tmp_path: Path) -> None:
    """After some tries the records behind it are sent; it stays unsent, is named, and is tried again."""

    class Choking(MemoryTracker):
        chokes = True

        def apply(self, record: Record) -> None:
            if self.chokes and record == RECORDS[3]:
                raise OSError("no answer")
            super().apply(record)

    path, tracker = tmp_path / "outbox.jsonl", Choking()
    with Outbox(path) as outbox:
        outbox.put(RECORDS[0], RECORDS[3], RECORDS[6])
    sending = Sender(path, tracker, never)
    assert [sending.send() for _ in range(3)] == [False, False, True]
    assert tracker.records == [RECORDS[0], RECORDS[6]]
    (held,) = read_progress(path).held
    assert (held.key, held.kind, held.problem) == ("k", "TagsSet", "OSError: no answer")
    assert "1 record of 1 run" in held_line(read_progress(path))
    tracker.chokes = False
    assert sending.send(again=True)
    # Records that followed are applied again, since they count last.
    assert tracker.records == [RECORDS[0], RECORDS[6], RECORDS[3], RECORDS[6]]
    assert unsent_bytes(path) == 0


@pytest.mark.parametrize("cut", [None, "begun", "ended"])
def test_runs_that_are_open_are_found_in_a_damaged_outbox(tmp_path: Path, cut: str | None) -> None:
    """The latest beginning of a run that began again counts; a line that was cut neither begins nor ends a run."""
    path = tmp_path / "outbox.jsonl"
    begun = [RunStarted("a", "e", "first", 1), RunStarted("b", "e", "other", 2), RunStarted("a", "e", "again", 3)]
    lines = [to_line(record) for record in (begun[0], begun[1], RunEnded("b", "FINISHED", 4), begun[2])]
    if cut == "begun":
        lines[3] = lines[3][:-9]
    elif cut == "ended":
        lines[2] = lines[2][:-9]
    path.write_text("".join(f"{line}\n" for line in lines))
    expected = {"a": begun[0] if cut == "begun" else begun[2], **({"b": begun[1]} if cut == "ended" else {})}
    assert open_runs(path) == expected
