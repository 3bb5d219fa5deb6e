"""Odd, damaged and hostile image files."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from apertune.datasets import LoadSettings, load
from apertune.datasets.cache.decoding import PixelFormat, UnusableImageError, decode_file
from apertune.datasets.cache.parallel_decoding import decode_files
from apertune.errors import DatasetError

COLOUR = PixelFormat(16, 3, "stretch")
GREY = PixelFormat(16, 1, "stretch")


def _png_header(width: int, height: int) -> bytes:
    """A PNG file that states its size and holds no pixels."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT": zlib.compress(b"")}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks.items()
    )


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "CMYK"])
@pytest.mark.parametrize("pixel_format", [COLOUR, GREY])
def test_modes(mode: str, pixel_format: PixelFormat, tmp_path: Path) -> None:
    """A white picture with a black left half decodes to one in every colour mode."""
    pixels = np.full((32, 32, 3), 255, np.uint8)
    pixels[:, :16] = 0
    path = tmp_path / f"x.{'tif' if mode == 'CMYK' else 'png'}"
    Image.fromarray(pixels).convert("RGB" if mode != "LA" else "L").convert(mode).save(path)
    decoded, size = decode_file(path, pixel_format)
    assert size == (32, 32)
    assert decoded.shape == pixel_format.shape
    assert decoded[:, :7].max() <= 3
    assert decoded[:, 9:].min() >= 252


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp", "tif", "ppm"])
def test_formats(suffix: str, tmp_path: Path) -> None:
    """Every format named by a file ending is decoded to its pixels."""
    expected = np.full((20, 30, 3), (200, 40, 90), np.uint8)
    Image.fromarray(expected).save(tmp_path / f"x.{suffix}")
    decoded, _ = decode_file(tmp_path / f"x.{suffix}", COLOUR)
    assert np.abs(decoded.astype(int) - (200, 40, 90)).max() <= 8


def test_sixteen_bits(tmp_path: Path) -> None:
    """16-bit greys keep their levels."""
    Image.fromarray(np.full((20, 20), 0x8000, np.uint16)).save(tmp_path / "x.png")
    assert set(decode_file(tmp_path / "x.png", GREY)[0].ravel().tolist()) == {127}


def test_transparency(tmp_path: Path) -> None:
    """Transparent pixels become white, whatever colour hides under them."""
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "x.png")
    assert decode_file(tmp_path / "x.png", COLOUR)[0].min() == 255


def test_animation(tmp_path: Path) -> None:
    """An animation gives its first picture."""
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    red, green, blue = decode_file(tmp_path / "x.gif", COLOUR)[0][0, 0]
    assert red > 250
    assert max(green, blue) < 5


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_orientation(orientation: int, resize: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """A picture that is stored turned, with the turn in EXIF, decodes to the upright picture."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    upright = Image.fromarray(make.picture(1, 60, 40))
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright.save(tmp_path / "upright.png")
    upright.transpose(Image.Transpose(undo[orientation])).save(tmp_path / "turned.png", exif=exif)
    wanted = PixelFormat(16, 3, resize)  # type: ignore[arg-type]
    expected = decode_file(tmp_path / "upright.png", wanted)[0].astype(int)
    assert np.abs(decode_file(tmp_path / "turned.png", wanted)[0] - expected).max() <= 2


def test_resize(tmp_path: Path) -> None:
    """Stretching keeps all pixels, cropping takes the middle, padding adds black above and below a wide picture."""
    pixels = np.full((20, 60, 3), 200, np.uint8)
    pixels[:, 20:40] = 100
    Image.fromarray(pixels).save(tmp_path / "x.png")
    stretched, cropped, padded = (
        decode_file(tmp_path / "x.png", PixelFormat(30, 3, how))[0][:, :, 0]
        for how in ("stretch", "crop", "pad")  # type: ignore[arg-type]
    )
    assert (stretched[15, 0], stretched[15, 15]) == (200, 100)
    assert set(cropped[:, 2:-2].ravel().tolist()) == {100}
    assert (padded[0, 15], padded[15, 0], padded[15, 15]) == (0, 200, 100)


def test_large_jpeg(make: SimpleNamespace, tmp_path: Path) -> None:
    """A large JPEG decoded at reduced scale has the pixels of one decoded whole, to within rounding."""
    Image.fromarray(make.picture(5, 1600, 1200)).save(tmp_path / "x.jpg", quality=95)
    whole = Image.open(tmp_path / "x.jpg").convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)
    decoded, size = decode_file(tmp_path / "x.jpg", PixelFormat(64, 3, "stretch"))
    assert size == (1600, 1200)
    assert np.abs(decoded.astype(int) - np.asarray(whole)).mean() < 1.5


BROKEN = {
    "empty.jpg": (b"", "the file is empty"),
    "garbage.jpg": (b"not an image at all" * 50, "not an image"),
    "header.png": (_png_header(100, 100), ""),
    "bomb.png": (_png_header(20_000, 20_000), "pixels"),
    "large.png": (_png_header(8_000, 8_000), "8000x8000 pixels; at most 50,000,000 are allowed"),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", BROKEN)
def test_broken(name: str, tmp_path: Path) -> None:
    """Empty, meaningless, cut-off and oversized files are refused with a reason, in little time and memory."""
    content, reason = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    tracemalloc.start()
    started = time.monotonic()
    with pytest.raises(UnusableImageError) as caught:
        decode_file(tmp_path / name, COLOUR)
    seconds, (_, peak) = time.monotonic() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reason in str(caught.value)
    assert seconds < 1
    assert peak < 100e6


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["P", "LA", "RGBA", "RGB", "I;16"])
def test_largest_pictures(mode: str, tmp_path: Path) -> None:
    """A picture just below the limit takes less than 0.5 GB of memory and less than 2 s of processor time."""
    levels = np.zeros((7000, 7000), np.uint16 if mode == "I;16" else np.uint8)
    levels[::2] = 100
    grey = Image.fromarray(levels)
    picture = grey if mode == "I;16" else grey.convert(mode)
    picture.save(tmp_path / "x.png", compress_level=1, **({"transparency": 0} if mode == "P" else {}))
    code = f"""
import resource, time
from pathlib import Path
from apertune.datasets.cache.decoding import PixelFormat, decode_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.process_time()
decode_file(Path({str(tmp_path / "x.png")!r}), PixelFormat(128, 3, "stretch"))
print(time.process_time() - started, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, gigabytes = map(float, answer.stdout.split())
    assert gigabytes < 0.5
    assert seconds < 2


def test_bad_files_named(make: SimpleNamespace, tmp_path: Path) -> None:
    """Damaged files among good ones are named, nothing is loaded, and --skip-bad leaves out only these."""
    root = make.folders(tmp_path / "a", count=6)
    broken = root / "Negative" / "photo 3.JPG"
    broken.write_bytes(broken.read_bytes()[:400])
    (root / "Positive" / "zero.png").write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        load("folders", root)
    assert "2 images cannot be used (Negative/photo 3.JPG: " in str(caught.value)
    assert "Positive/zero.png: the file is empty" in str(caught.value)
    dataset = load("folders", root, LoadSettings(skip_bad=True))
    assert len(dataset.images) == 12 - 1
    good = load("folders", make.folders(tmp_path / "b", count=6))
    row = dataset.origins.tolist().index("Negative/photo 4.JPG")
    assert np.array_equal(dataset.images[row], good.images[good.origins.tolist().index("Negative/photo 4.JPG")])


def test_many_processes(make: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels, sizes and the reasons of bad files do not depend on the number of processes that decode."""
    root = make.folders(tmp_path / "a", count=70)
    (root / "Positive" / "zero.png").write_bytes(b"")
    found = []
    for seconds_alone in (1e9, 0.0):
        monkeypatch.setattr("apertune.datasets.cache.parallel_decoding._SECONDS_ALONE", seconds_alone)
        monkeypatch.setattr("apertune.datasets.cache.parallel_decoding._SECONDS_WORTH_PROCESSES", 0.0)
        done: list[int] = []
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        images = np.lib.format.open_memmap(tmp_path / f"{seconds_alone}.npy", "w+", np.uint8, (len(paths), 16, 16, 3))
        sizes = np.zeros((len(paths), 2), np.int32)
        reasons = decode_files(paths, COLOUR, images, sizes, done.append)
        assert done[-1] == len(paths)
        found.append((images.tobytes(), sizes.tolist(), reasons))
    assert len(found[0][2]) == 3
    assert found[0] == found[1]


def test_bounded_memory(make: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding a data set, skipping a bad file and hashing take less than half of the memory that its pixels fill."""
    root = make.folders(tmp_path / "a", count=120)
    (root / "Positive" / "zero.png").write_bytes(b"")
    monkeypatch.setattr("apertune.datasets.arrays.BLOCK_BYTES", 1 << 20)
    load("digits")
    tracemalloc.start()
    dataset = load("folders", root, LoadSettings(image_size=256, skip_bad=True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert dataset.images.nbytes > 45e6
    assert peak < 20e6
