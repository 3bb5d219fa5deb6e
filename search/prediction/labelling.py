"""Grows a data set from a video: sorts frames and their halves into folders by a model, for a person to check."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...datasets.base import Images
from ...errors import SettingError, UnknownNameError
from .answers import Answer
from .predictor import Predictor
from .video import VideoFrame

UNSURE = "unsure"
_PARTS = ("whole", "left", "right")
_SMALLEST_HALF = 8  # pixels wide
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class LabelledPictures:
    """The pictures that were sorted."""

    frames: int
    """Number of frames that were taken."""
    folders: dict[str, int]
    """Number of new pictures per folder."""
    existing: int
    """Number of pictures that were there already, and were left as they are."""


def label_frames(
    predictor: Predictor,
    frames: Iterable[VideoFrame],
    target: Path,
    *,
    video: str,
    every: int = 25,
    classes: Sequence[str] = (),
) -> LabelledPictures:
    """Writes frames, whole and their left and right halves, as JPEG files into one folder per class.

    Pictures below the predictor's minimum probability go to `unsure/`. A file is never overwritten.

    Args:
        predictor: The model that sorts them.
        frames: The video's frames.
        target: The folder that gets the folders of the classes.
        video: Beginning of each file's name, which continues with the time and the part.
        every: Take only one frame in this many.
        classes: Keep pictures of these classes only, and the unsure ones; all for none.

    Raises:
        UnknownNameError: The model does not know one of the classes.
        SettingError: Two classes would share a folder.
    """
    folders = folder_names(predictor.contract.classes)
    if unknown := [name for name in classes if name not in folders]:
        raise UnknownNameError("class", unknown[0], folders)
    seen, written, existing = 0, Counter[str](), 0
    for frame in frames:
        if frame.number % every:
            continue
        seen += 1
        for part, pixels, answer in _answered_parts(predictor, frame):
            if classes and answer.names and answer.names[0] not in classes:
                continue
            folder = folders[answer.names[0]] if answer.names else UNSURE
            if _write(pixels, target / folder / f"{_file_safe(video)}_{_clock(frame.time_s)}_{part}.jpg"):
                written[folder] += 1
            else:
                existing += 1
    return LabelledPictures(seen, dict(sorted(written.items())), existing)


def folder_names(classes: Sequence[str]) -> dict[str, str]:
    """Returns a folder's name for each class, safe as a file name.

    Raises:
        SettingError: Two names would be the same.
    """
    folders = {name: _file_safe(name) for name in classes}
    used = Counter(folder.casefold() for folder in (*folders.values(), UNSURE))
    if clashes := [name for name, folder in folders.items() if used[folder.casefold()] > 1]:
        raise SettingError(
            f"the classes {', '.join(clashes)} would share a folder with each other or with the unsure pictures"
        )
    return folders


def _answered_parts(predictor: Predictor, frame: VideoFrame) -> Iterator[tuple[str, Images, Answer]]:
    import numpy as np

    middle = frame.pixels.shape[1] // 2
    parts = [frame.pixels]
    if middle >= _SMALLEST_HALF:
        parts += [frame.pixels[:, :middle], frame.pixels[:, middle:]]
    answers = predictor.answer(np.stack([predictor.resize(part) for part in parts]))
    yield from zip(_PARTS, parts, answers, strict=False)


def _write(pixels: Images, path: Path) -> bool:
    """Writes a picture and returns True; returns False when the file was there already."""
    from PIL import Image

    if path.exists():
        return False
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=_JPEG_QUALITY)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as file:
            file.write(encoded.getbuffer())
    except FileExistsError:
        return False
    return True


def _file_safe(name: str) -> str:
    """Makes a name of a class or video safe for a file, since the class may come with a model from elsewhere."""
    return re.sub(r"[^\w .,()+-]", "_", name).strip(". ") or "_"


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(round(time_s * 1000), 60_000)
    return f"{minutes // 60:02d}h{minutes % 60:02d}m{seconds / 1000:06.3f}s"
