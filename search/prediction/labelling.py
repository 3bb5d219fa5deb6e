"""Growing a data set from a video: frames and their halves, sorted into folders by a model, for a person to check."""

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
    """What was sorted. folders: new pictures in each. existing: pictures that were there already, and were left."""

    frames: int
    folders: dict[str, int]
    existing: int


def label_frames(
    predictor: Predictor,
    frames: Iterable[VideoFrame],
    target: Path,
    *,
    video: str,
    every: int = 25,
    classes: Sequence[str] = (),
) -> LabelledPictures:
    """Writes every `every`-th frame, whole and its left and right halves, as JPEG into a folder a class.

    What is below the predictor's minimum probability goes to `unsure/`. classes: keep these only, and the unsure
    ones. video: begins each file's name, which tells the time and the part. Never overwrites a file.
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
    """A folder for each class: its name, without what would lead out of the target. Raises SettingError on a clash."""
    folders = {name: _file_safe(name) for name in classes}
    used = Counter(folder.casefold() for folder in (*folders.values(), UNSURE))
    if clashes := [name for name, folder in folders.items() if used[folder.casefold()] > 1]:
        raise SettingError(f"the classes {', '.join(clashes)} would share a folder (or that of the unsure pictures)")
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
    """Whether the picture was written: False when the file was there already."""
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
    """A file name of a class or video, whose name may come with a model from elsewhere."""
    return re.sub(r"[^\w .,()+-]", "_", name).strip(". ") or "_"


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(round(time_s * 1000), 60_000)
    return f"{minutes // 60:02d}h{minutes % 60:02d}m{seconds / 1000:06.3f}s"
