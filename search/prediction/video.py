"""Reads the frames of a video, names them, and draws the names on them."""

from __future__ import annotations

import itertools
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ...csv_rows import write_rows
from ...datasets.base import Images
from ...datasets.cache.decoding import MAX_PIXELS
from ...errors import DatasetError, MissingExtraError, SettingError
from ...text import first_line
from ..evaluation.decisions import Probabilities
from .answers import Answer
from .predictor import Predictor

# Containers of the video itself; playlists, which name other files and addresses, are not among them.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,ogg,asf"
_OUTPUT_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi")
_BATCH = 16  # frames, which take 100 MB in full HD
_TIME_BASE = Fraction(1, 30000)  # seconds


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame of a video."""

    number: int
    """Its place among all frames, from 0."""
    time_s: float
    """Seconds from the start of the video."""
    pixels: Images
    """uint8 (height, width, 3), RGB, upright."""


@dataclass(frozen=True)
class FrameAnswer:
    """The answer for a frame, after smoothing."""

    number: int
    """The frame's place among all frames, from 0."""
    time_s: float
    """Seconds from the start of the video."""
    answer: Answer
    """The answer."""


@dataclass(frozen=True)
class Scene:
    """Neighbouring frames with one name."""

    start_s: float
    """Time of the first frame, in seconds from the start of the video."""
    end_s: float
    """Time of the last frame."""
    name: str
    """Their name."""
    probability: float
    """Mean probability of the best answer, 0 to 1."""


class Smoothing:
    """Averages probabilities over time, exponentially, so that names do not flicker."""

    def __init__(self, seconds: float) -> None:
        """Starts without frames.

        Args:
            seconds: Age at which a frame counts 1/e (37 %); 0 for no smoothing.
        """
        self.seconds = seconds
        self._mean: Probabilities | None = None
        self._time_s = 0.0

    def __call__(self, probabilities: Probabilities, time_s: float) -> Probabilities:
        """Averages the probabilities, float32 (outputs,), of the frame at `time_s` with those of earlier frames."""
        if self._mean is None or self.seconds == 0:
            self._mean = probabilities
        else:
            kept = math.exp(-max(0.0, time_s - self._time_s) / self.seconds)
            self._mean = (kept * self._mean + (1 - kept) * probabilities).astype(np.float32)
        self._time_s = time_s
        return self._mean


def read_frames(path: Path, done: Callable[[int, int], None] | None = None) -> Iterator[VideoFrame]:
    """Yields the frames of a video in order.

    Args:
        path: The video file.
        done: Called with the number of frames read, and of all frames (0 when unknown).

    Raises:
        DatasetError: The file cannot be read as a video.
        MissingExtraError: PyAV is not installed.
    """
    if find_spec("av") is None:
        raise MissingExtraError("reading videos", "video")
    import av

    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        with av.open(str(path), options=options) as container:
            if not container.streams.video:
                raise DatasetError(f"{path}: it holds no video")
            stream = container.streams.video[0]
            if stream.width * stream.height > MAX_PIXELS:
                raise DatasetError(f"{path}: {stream.width}x{stream.height} pixels; at most {MAX_PIXELS:,} are decoded")
            stream.thread_type = "AUTO"
            for number, frame in enumerate(container.decode(stream)):
                pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
                yield VideoFrame(number, float(frame.time or 0.0), np.ascontiguousarray(pixels))
                if done is not None:
                    done(number + 1, stream.frames)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as a video: {first_line(error)}") from None


def answer_frames(
    predictor: Predictor, frames: Iterable[VideoFrame], *, every: int = 1, smoothing_s: float = 0.5
) -> Iterator[tuple[VideoFrame, FrameAnswer | None]]:
    """Yields each frame with its answer, or None for frames that are passed over.

    Args:
        predictor: The model that answers.
        frames: The video's frames.
        every: Answer only one frame in this many.
        smoothing_s: Seconds to smooth over; see Smoothing.
    """
    smooth, waiting = Smoothing(smoothing_s), iter(frames)
    while batch := list(itertools.islice(waiting, _BATCH)):
        asked = [frame for frame in batch if frame.number % every == 0]
        pixels = [predictor.resize(frame.pixels) for frame in asked]
        probabilities = iter(predictor.function(np.stack(pixels)) if pixels else ())
        for frame in batch:
            if frame.number % every:
                yield frame, None
            else:
                smoothed = smooth(next(probabilities), frame.time_s)
                yield frame, FrameAnswer(frame.number, frame.time_s, predictor.decide(smoothed[None])[0])


def write_labelled(answered: Iterable[tuple[VideoFrame, FrameAnswer | None]], output: Path) -> list[FrameAnswer]:
    """Writes the video with each frame's name drawn on it, and beside it a table of times and names (`.csv`).

    Both files are there complete or not at all. Sound is not copied.

    Args:
        answered: The frames with their answers.
        output: The video to write; neither it nor the table may exist.

    Returns:
        The answers.
    """
    check_output(output)
    answers: list[FrameAnswer] = []
    with tempfile.TemporaryDirectory(prefix=f".{output.stem}.", dir=output.parent) as scratch:
        video, table = Path(scratch) / output.name, Path(scratch) / "table.csv"
        _encode(answered, video, answers)
        write_table(answers, table)
        table.rename(output.with_suffix(".csv"))
        video.rename(output)
    return answers


def check_output(output: Path) -> None:
    """Raises SettingError when a labelled video cannot be written there."""
    if output.suffix.lower() not in _OUTPUT_SUFFIXES:
        raise SettingError(f"--to must end in {', '.join(_OUTPUT_SUFFIXES)}, but got {output.name}")
    for path in (output, output.with_suffix(".csv")):
        if path.exists():
            raise SettingError(f"{path} already exists and is not overwritten; give another --to")
    if not output.parent.is_dir():
        raise SettingError(f"--to: the folder {output.parent} does not exist")


def write_table(answers: Iterable[FrameAnswer], path: Path) -> None:
    """Writes frame, time in seconds, name and probability as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        write_rows(file, [("frame", "time_s", "name", "probability"), *map(_row, answers)])


def _row(entry: FrameAnswer) -> tuple[object, ...]:
    return entry.number, f"{entry.time_s:.3f}", entry.answer.name, f"{entry.answer.probability:.4f}"


def scenes(answers: Iterable[FrameAnswer]) -> list[Scene]:
    """Joins neighbouring frames with one name to scenes."""
    joined = []
    for name, group in itertools.groupby(answers, key=lambda entry: entry.answer.name):
        members = list(group)
        mean = sum(entry.answer.probability for entry in members) / len(members)
        joined.append(Scene(members[0].time_s, members[-1].time_s, name, mean))
    return joined


def _encode(answered: Iterable[tuple[VideoFrame, FrameAnswer | None]], path: Path, answers: list[FrameAnswer]) -> None:
    import av

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    caption = ""
    stream: Any = None
    with av.open(str(path), "w") as container:
        for frame, entry in answered:
            if entry is not None:
                answers.append(entry)
                caption = f"{entry.answer.name} {entry.answer.probability:.0%}"
            # These codecs halve the colours' resolution, so they need even sizes.
            height, width = (max(2, size - size % 2) for size in frame.pixels.shape[:2])
            if stream is None:
                stream = container.add_stream(codec, rate=30)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.codec_context.time_base = _TIME_BASE
            picture = av.VideoFrame.from_ndarray(draw_caption(frame.pixels[:height, :width], caption), format="rgb24")
            picture.pts, picture.time_base = round(frame.time_s / _TIME_BASE), _TIME_BASE
            container.mux(stream.encode(picture))
        if stream is None:
            raise DatasetError("the video holds no frames")
        container.mux(stream.encode())


def draw_caption(pixels: Images, caption: str) -> Images:
    """Draws a line of text on a dark band at the bottom of an image, uint8 (height, width, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = pixels.shape[:2]
    size = max(10, height // 16)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    drawing = ImageDraw.Draw(picture, "RGBA")
    drawing.rectangle((0, height - round(1.5 * size), width, height), fill=(0, 0, 0, 150))
    drawing.text((size // 2, height - round(1.4 * size)), caption, fill="white", font=ImageFont.load_default(size))
    return np.asarray(picture)


class Stopwatch:
    """Measures how many frames per second were done since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def rate(self, frames: int) -> float:
        """Returns frames per second, given the number done by now."""
        return frames / max(time.perf_counter() - self._started, 1e-9)
