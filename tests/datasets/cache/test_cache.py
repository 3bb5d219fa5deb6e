"""Entries of the cache are complete or absent, built once, and rebuilt when they should be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from apertune.datasets import LoadSettings, load
from apertune.datasets.arrays import EntryArrays
from apertune.datasets.cache import entries as cache
from apertune.errors import DatasetError, SettingError

SLOW_LOAD = """
import sys
from apertune.datasets import load
stages = []
dataset = load("folders", sys.argv[1], progress=lambda *report: stages.append(report))
print(len(stages) > 0, dataset.fingerprint)
"""


def _stages(data: Path) -> list[str]:
    stages: list[str] = []
    load("folders", data, progress=lambda stage, done, total: stages.append(stage))
    return stages


def test_decoded_once(make: SimpleNamespace, tmp_path: Path) -> None:
    """Images are decoded again only when a file was changed or added; without the added file the old entry serves."""
    root = make.folders(tmp_path / "a", count=4)
    assert "decoding" in _stages(root)
    assert _stages(root) == []
    make.save(root / "Negative" / "photo 0.JPG", seed=4711)
    assert "decoding" in _stages(root)
    make.save(root / "Negative" / "new.jpg", seed=4712)
    assert "decoding" in _stages(root)
    (root / "Negative" / "new.jpg").unlink()
    assert _stages(root) == []


def test_two_processes(make: SimpleNamespace, tmp_path: Path) -> None:
    """When two processes ask at once, one decodes, and both get the same data set."""
    root = make.folders(tmp_path / "a", count=40)
    command = [sys.executable, "-c", SLOW_LOAD, str(root)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=60)[0].split() for process in running]
    assert sorted(answer[0] for answer in answers) == ["False", "True"]
    assert answers[0][1] == answers[1][1]


def test_killed_decode(make: SimpleNamespace, tmp_path: Path, own_cache: Path) -> None:
    """A process killed while it decodes leaves no entry, and the next load removes its unfinished folder."""
    root = make.folders(tmp_path / "a", count=4)
    slow = SLOW_LOAD.replace("stages.append(report)", "(print('busy', flush=True), __import__('time').sleep(60))")
    process = subprocess.Popen([sys.executable, "-c", slow, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    process.kill()
    process.communicate()
    left = list((own_cache / "datasets").iterdir())
    assert len(left) == 1
    assert left[0].name.startswith(".")
    dataset = load("folders", root)
    assert list((own_cache / "datasets").iterdir()) == [dataset.folder]


def test_failed_decode(tmp_path: Path, own_cache: Path) -> None:
    """A load that fails leaves nothing in the cache."""
    (tmp_path / "a" / "x").mkdir(parents=True)
    (tmp_path / "a" / "y").mkdir()
    for name in ("x/1.png", "y/1.png"):
        (tmp_path / "a" / name).write_bytes(b"")
    with pytest.raises(DatasetError, match="none of the 2 images"):
        load("folders", tmp_path / "a")
    assert list((own_cache / "datasets").iterdir()) == []


def test_no_room(make: SimpleNamespace, tmp_path: Path, own_cache: Path) -> None:
    """When pixels cannot be written, the load fails at once with the reason, and leaves nothing."""
    root = make.folders(tmp_path / "a", count=40)
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20));"
        "from apertune.datasets import load; load('folders', sys.argv[1])"
    )
    answer = subprocess.run([sys.executable, "-c", limited, str(root)], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "ApertuneError: cannot fill the cache in" in answer.stderr
    assert "File too large" in answer.stderr
    assert list((own_cache / "datasets").iterdir()) == []


@pytest.mark.parametrize("damage", ["version", "cut", "gone", "garbage"])
def test_rebuilt(damage: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """An entry of another version, or with a cut-off, missing or unreadable file, is rebuilt."""
    root = make.folders(tmp_path / "a", count=4)
    folder = load("folders", root).folder
    if damage == "version":
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps({**meta, "version": cache.VERSION - 1}))
    elif damage == "cut":
        os.truncate(EntryArrays(folder).path("images"), 1000)
    elif damage == "gone":
        EntryArrays(folder).path("labels").unlink()
    else:
        (folder / "meta.json").write_bytes(b"\xff{")
    assert "decoding" in _stages(root)
    assert _stages(root) == []


@pytest.mark.parametrize("damage", ["header", "type", "rows", "labels", "pixels", "facts", "wrong types"])
@pytest.mark.parametrize("name", ["labels", "images", "origins", "stated", "original_sizes"])
def test_damage_that_leaves_the_size_is_noticed(damage: str, name: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """An array with a damaged head, other rows or flipped labels, or facts of other types, is made anew."""
    root = make.folders(tmp_path / "a", count=4)
    before = load("folders", root)
    path = before.folder / f"{name}.npy"
    content = bytearray(path.read_bytes())
    head = content.index(b"\n") + 1
    if damage == "header":
        content[10:head] = b"\x00" * (head - 10)
    elif damage == "type":
        content[:head] = content[:head].replace(b"'descr'", b"'desrc'")
    elif damage == "rows":
        array = np.load(path)[1:]
        np.save(path, array)
        written = path.read_bytes()
        content = bytearray(written + bytes(len(content) - len(written)))
    elif damage == "labels":
        if name not in ("labels", "stated"):
            pytest.skip("only these have checksums")
        content[-4] ^= 1
    elif damage == "pixels":
        content[:6] = b"broken"
    else:
        facts = (before.folder / "meta.json").read_text()
        wrong = facts.replace('"task": "', '"task": ["').replace('",', '"],', 1) if damage == "wrong types" else facts
        (before.folder / "meta.json").write_text(
            wrong.replace('"bad": []', '"bad": [1]').replace("Negative", "Positive")
        )
    path.write_bytes(content)
    assert "decoding" in _stages(root)
    again = load("folders", root)
    assert again.fingerprint == before.fingerprint
    assert _stages(root) == []


def test_an_entry_without_checksums_serves(make: SimpleNamespace, tmp_path: Path) -> None:
    """Entries that an earlier release wrote have no checksums, and are not decoded again for that."""
    root = make.folders(tmp_path / "a", count=4)
    meta = load("folders", root).folder / "meta.json"
    facts = {name: value for name, value in json.loads(meta.read_text()).items() if not name.startswith("checksum")}
    meta.write_text(json.dumps(facts))
    assert _stages(root) == []


@pytest.mark.parametrize("place", [".", "datasets", "locks", "unpacked"])
def test_a_file_in_the_place_of_a_folder_of_the_cache(
    place: str, make: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that cannot be written is the user's to move: one line, status 2."""
    root = make.folders(tmp_path / "a", count=4)
    shutil.make_archive(str(tmp_path / "a"), "zip", root)
    taken = tmp_path / "taken"
    monkeypatch.setenv("APERTUNE_CACHE", str(taken))
    if place != ".":
        taken.mkdir()
    (taken / place).touch()
    with pytest.raises(SettingError, match=r"cannot fill the cache in .*; set APERTUNE_CACHE to use another folder"):
        load("folders", tmp_path / "a.zip")


def test_damaged_splits(make: SimpleNamespace, tmp_path: Path) -> None:
    """Splits whose file is damaged are drawn again, and have the same rows."""
    root = make.folders(tmp_path / "a", count=8)
    first = load("folders", root)
    for path in [*first.folder.glob("splits-*"), first.folder / "duplicates.npz"]:
        path.write_bytes(b"PK\x03\x04 cut off")
    assert load("folders", root).fingerprint == first.fingerprint


def test_settings_apart(make: SimpleNamespace, tmp_path: Path) -> None:
    """Another image size makes another entry; another split does not."""
    root = make.folders(tmp_path / "a", count=8)
    plain = load("folders", root)
    assert load("folders", root, LoadSettings(image_size=32)).folder != plain.folder
    assert load("folders", root, LoadSettings(split=(0.5, 0.25, 0.25))).folder == plain.folder


def test_second_open_is_quick(make: SimpleNamespace, tmp_path: Path) -> None:
    """Opening a cached table of faces takes under 50 ms and imports neither pandas nor scikit-learn."""
    csv = make.fer2013(tmp_path / "fer2013.csv", rows=70)
    load("fer2013", csv)
    started = time.perf_counter()
    load("fer2013", csv)
    assert time.perf_counter() - started < 0.05
    check = (
        "import sys; from apertune.datasets import load; load('fer2013', sys.argv[1]);"
        "print([name for name in ('pandas', 'sklearn', 'scipy') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", check, str(csv)], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
