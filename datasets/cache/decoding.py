"""Decodes an image file to pixels: one safe path for every file format, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ...errors import install_hint
from ..base import Resize
from .signatures import picture_kind

# The formats that Pillow decodes in C without starting another program (EPS would start Ghostscript). JPEG files
# that hold several pictures (MPO) are opened as JPEG.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "HEIF")
# In Pillow, 50 million pixels take 200 MB as RGB, and as much again while a palette or transparency is resolved.
MAX_PIXELS = 50_000_000
_ROWS_AT_ONCE = 512
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class PixelFormat:
    """The format that every image is brought to: uint8 (size, size, channels)."""

    size: int
    """Side of the square in pixels."""
    channels: Literal[1, 3]
    """1 for grey, 3 for RGB."""
    resize: Resize
    """The way images of other shapes are fitted into the square."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) in pixels."""
        return self.size, self.size, self.channels


class UnusableImageError(ValueError):
    """An image file cannot be used; the message is the reason without the file's name."""


def decode_file(path: Path, pixel_format: PixelFormat) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Decodes one image file.

    EXIF orientation is applied, transparency is laid on white, 16-bit greys are scaled to 8 bits, and an animation
    gives its first picture.

    Args:
        path: The file.
        pixel_format: The format to bring the image to.

    Returns:
        The pixels, uint8 (size, size, channels), and the width and height before resizing.

    Raises:
        UnusableImageError: The file is no image that can be decoded safely.
    """
    # Given a list of formats, Pillow considers only those whose plug-ins are loaded already.
    Image.init()
    try:
        if path.stat().st_size == 0:
            raise UnusableImageError("the file is empty")
        _prepare_for(path)
        with Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise UnusableImageError(f"{width}x{height} pixels; at most {MAX_PIXELS:,} are allowed")
            return _to_pixels(image, pixel_format), (width, height)
    except UnusableImageError:
        raise
    except Image.DecompressionBombError as error:
        raise UnusableImageError(f"more than {MAX_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise UnusableImageError("not an image in a supported format") from error
    # Pillow's decoders raise many kinds of errors on damaged data, SyntaxError and struct.error among them.
    except Exception as error:
        raise UnusableImageError(str(error) or type(error).__name__) from error


def _prepare_for(path: Path) -> None:
    """Registers the decoder of formats that Pillow itself may lack.

    Raises:
        UnusableImageError: It is not installed.
    """
    if (kind := picture_kind(path)) == "HEIC" and "HEIF" not in Image.OPEN:
        try:
            import pillow_heif
        except ImportError:
            raise UnusableImageError(
                f"a HEIC picture needs an optional package; {install_hint('heic')}, or convert it to JPEG"
            ) from None
        pillow_heif.register_heif_opener()
    elif kind == "AVIF" and "AVIF" not in Image.OPEN:
        raise UnusableImageError("an AVIF picture, which takes Pillow 11.3 or newer, or convert it to JPEG")


def resize_array(pixels: NDArray[np.uint8], pixel_format: PixelFormat) -> NDArray[np.uint8]:
    """Brings one image, uint8 (height, width) or (height, width, channels), to a format."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    return _to_pixels(Image.fromarray(np.ascontiguousarray(pixels)), pixel_format)


def _to_pixels(image: Image.Image, pixel_format: PixelFormat) -> NDArray[np.uint8]:
    size, mode = pixel_format.size, "L" if pixel_format.channels == 1 else "RGB"
    if image.format in ("JPEG", "MPO"):
        # Decodes at 1/2, 1/4 or 1/8 scale where that leaves enough pixels for the real resizing. Twice as fast on
        # photographs; pixels differ by 2 of 255 levels on average, as they do between two resizing filters.
        image.draft(mode, (size * 5 // 4, size * 5 // 4))
    plain = _to_mode(image, mode)
    resized = _resize(plain, size, pixel_format.resize)
    turn = _TURNS.get(_orientation(image))
    if turn is not None:
        # Resizing treats all sides alike, so turning the small picture gives the same as turning the large one.
        resized = resized.transpose(turn)
    if resized.size != (size, size):
        resized = _pad(resized, size)
    return np.asarray(resized).reshape(pixel_format.shape)


def _resize(image: Image.Image, size: int, resize: Resize) -> Image.Image:
    """Resizes a picture to a square, or for `pad` to one whose longer side is `size`."""
    width, height = image.size
    if (width, height) == (size, size):
        return image
    if resize == "stretch":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    if resize == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    scale = size / max(width, height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    return image.resize(inner, Image.Resampling.BILINEAR)


def _pad(image: Image.Image, size: int) -> Image.Image:
    """Puts a picture in the middle of a black square."""
    padded = Image.new(image.mode, (size, size))
    padded.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return padded


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):
        image = _from_16_bit(image)
    elif image.mode == "F":
        raise UnusableImageError("pixels are floating-point numbers")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        return _on_white(image, mode)
    return image.convert(mode)


def _on_white(image: Image.Image, mode: str) -> Image.Image:
    """Lays a picture with transparency on white.

    It works on some rows at a time, since whole copies of the largest pictures would take most of a gigabyte.
    """
    opaque = Image.new(mode, image.size)
    for top in range(0, image.height, _ROWS_AT_ONCE):
        rows = image.crop((0, top, image.width, min(top + _ROWS_AT_ONCE, image.height))).convert("RGBA")
        white = Image.new("RGBA", rows.size, "white")
        opaque.paste(Image.alpha_composite(white, rows).convert(mode), (0, top))
    return opaque


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Scales greys of 0 to 65535 to 0 to 255; Pillow's own conversion would cut everything above 255."""
    levels = np.asarray(image)
    if levels.size and (levels.min() < 0 or levels.max() > 65535):
        raise UnusableImageError("pixels have more than 16 bits")
    return Image.fromarray((levels.astype(np.uint16) // 257).astype(np.uint8))


def _orientation(image: Image.Image) -> int:
    if "exif" not in image.info and image.format not in ("TIFF", "PNG", "WEBP"):
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    # Damaged metadata does not make the pixels unusable.
    except Exception:
        return 1
