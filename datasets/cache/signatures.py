"""Recognition of pictures by their first bytes, for files whose names do not say what they hold."""

from __future__ import annotations

from pathlib import Path

# More than any of the signatures below is long.
_BYTES = 16
_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"P5\n": "PPM",
    b"P6\n": "PPM",
}
# The brands of ISO base media files that hold still pictures.
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"mif1", b"msf1", b"heim", b"heis"), "HEIC"
)


def picture_kind(path: Path) -> str | None:
    """Returns the format of a picture, such as "JPEG", by the first bytes of its file; None for anything else."""
    try:
        with path.open("rb") as file:
            start = file.read(_BYTES)
    except OSError:
        return None
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:12])
    return next((kind for sign, kind in _STARTS.items() if start.startswith(sign)), None)
