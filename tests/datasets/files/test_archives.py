"""Archives that try to leave their folder, link, or explode."""

from __future__ import annotations

import errno
import io
import stat
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import load
from apertune.datasets.files import archives
from apertune.errors import ApertuneError, DatasetError


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir()
    archives.unpack(archive, folder, lambda stage, done, total: None)


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_escape(kind: str, name: str, tmp_path: Path) -> None:
    """Entries that would leave the folder are refused, and nothing appears outside it."""
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "evil")
    else:
        with tarfile.open(path, "w") as tar:
            entry = tarfile.TarInfo(name)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"evil"))
    with pytest.raises(DatasetError, match="would leave the folder"):
        _unpack(path, tmp_path / "out")
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_tar_links(kind: bytes, tmp_path: Path) -> None:
    """Links and devices in a tar file are refused."""
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)
    with pytest.raises(DatasetError, match="link or device"):
        _unpack(tmp_path / "x.tar", tmp_path / "out")


def test_zip_link(tmp_path: Path) -> None:
    """A symbolic link in a zip file is refused."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DatasetError, match="link or device"):
        _unpack(tmp_path / "x.zip", tmp_path / "out")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_bomb(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that expands too far is stopped at the limit."""
    monkeypatch.setattr(archives, "_FREE_BYTES", 1 << 20)
    zeros = bytes(40 << 20)
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("zeros", zeros)
    else:
        with tarfile.open(path, "w:gz") as tar:
            entry = tarfile.TarInfo("zeros")
            entry.size = len(zeros)
            tar.addfile(entry, io.BytesIO(zeros))
    with pytest.raises(DatasetError, match="expands too far"):
        _unpack(path, tmp_path / "out")
    assert sum(file.stat().st_size for file in (tmp_path / "out").rglob("*")) <= 401 * path.stat().st_size


def test_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of entries is limited."""
    monkeypatch.setattr(archives._Budget, "entries", 3)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number in range(5):
            archive.writestr(str(number), "")
    budget = archives._Budget(tmp_path / "x.zip", 10, entries=0)
    with pytest.raises(DatasetError, match="entries"):
        budget.take_entry()


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.gz", "x.xz", "x.bz2"])
def test_damaged(name: str, own_cache: Path, tmp_path: Path) -> None:
    """A damaged archive is refused by name, and leaves nothing in the cache."""
    (tmp_path / name).write_bytes(b"this is no archive" * 100)
    with pytest.raises(DatasetError, match=name):
        load("folders", tmp_path / name)
    assert not [path for path in (own_cache / "unpacked").rglob("*") if path.is_file()]


def test_folders_in_archives(make: SimpleNamespace, tmp_path: Path) -> None:
    """A zipped folder loads like the folder itself, and is unpacked once."""
    root = make.folders(tmp_path / "pets", count=6)
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, f"nested/more/{file.relative_to(root)}")
        archive.writestr("__MACOSX/nested/._photo.jpg", b"clutter")
    first, plain = load("folders", tmp_path / "pets.zip"), load("folders", root)
    assert (first.images == plain.images).all()
    stages: list[str] = []
    load("folders", tmp_path / "pets.zip", progress=lambda stage, done, total: stages.append(stage))
    assert stages == []


@pytest.mark.parametrize(
    ("names", "blamed"),
    [
        (("a", "a/b.txt"), "a/b.txt"),
        (("a/b.txt", "a"), "a"),
        (("x" * 300 + ".txt",), "x" * 80 + "…"),
        (("d/" + "x" * 300 + "/b.txt",), "d/" + "x" * 78 + "…"),
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_no_file_can_have(tmp_path: Path, kind: str, names: tuple[str, ...], blamed: str) -> None:
    """A file and a folder of one name, and a name too long, are faults of the archive, not of the cache."""
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "text")
    else:
        with tarfile.open(path, "w") as tar:
            for name in names:
                tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(DatasetError) as error:
        load("folders", path)
    assert str(error.value).startswith(f"x.{kind}: the entry '{blamed}' cannot be a file here (")
    assert "cache" not in str(error.value)


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk while an entry is written stays one of the disk."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.txt", "text")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives, "_write", full)
    with pytest.raises(ApertuneError, match=r"cannot fill the cache in .*: No space left on device"):
        load("folders", tmp_path / "x.zip")
