"""Videos: frames named in order and smoothed, drawn on, tabled, and sorted into folders."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from apertune.cli.label import label
from apertune.cli.predict import predict
from apertune.errors import DatasetError, SettingError, UnknownNameError
from apertune.search.models.contract import ModelContract
from apertune.search.prediction import Predictor, open_predictor
from apertune.search.prediction.labelling import folder_names, label_frames
from apertune.search.prediction.video import Smoothing, answer_frames, read_frames, scenes, write_labelled

av = pytest.importorskip("av")
RATE = 10


def write_video(path: Path, levels: list[int], size: tuple[int, int] = (48, 32)) -> Path:
    """A grey video, one level a frame, 10 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for level in levels:
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Two seconds of darkness, then two of light."""
    return write_video(tmp_path / "day break.mp4", [5] * 20 + [250] * 20)


@pytest.fixture(scope="session")
def predictor(shades_model: Path) -> Predictor:
    return open_predictor(shades_model)


def test_frames_are_named_in_order(predictor: Predictor, video: Path) -> None:
    """Every frame comes back once, in order, with its time and its name."""
    answered = [entry for _, entry in answer_frames(predictor, read_frames(video), smoothing_s=0)]
    assert [entry.number for entry in answered if entry] == list(range(40))
    assert [entry.time_s for entry in answered if entry] == pytest.approx([number / RATE for number in range(40)])
    assert [entry.answer.name for entry in answered if entry] == ["dark"] * 20 + ["light"] * 20


def test_every_nth_frame_is_asked(predictor: Predictor, video: Path) -> None:
    """With `every`, other frames pass unnamed, over the borders of batches."""
    answered = [entry for _, entry in answer_frames(predictor, read_frames(video), every=7, smoothing_s=0)]
    assert len(answered) == 40
    assert [entry.number for entry in answered if entry] == [0, 7, 14, 21, 28, 35]


def test_smoothing_bridges_a_flicker(predictor: Predictor, tmp_path: Path) -> None:
    """One light frame in the dark keeps its name without smoothing, and loses it with."""
    flicker = write_video(tmp_path / "flicker.avi", [5] * 10 + [250] + [5] * 10)
    for seconds, names in ((0.0, ["dark", "light", "dark"]), (1.0, ["dark"])):
        answered = answer_frames(predictor, read_frames(flicker), smoothing_s=seconds)
        assert [scene.name for scene in scenes(entry for _, entry in answered if entry)] == names


def test_smoothing_forgets_by_time() -> None:
    """After the smoothing time, the past counts 1/e, however many frames there were."""
    smooth = Smoothing(2.0)
    smooth(np.array([1.0, 0.0], np.float32), 0.0)
    np.testing.assert_allclose(smooth(np.array([0.0, 1.0], np.float32), 2.0), [np.exp(-1), 1 - np.exp(-1)], rtol=1e-6)


def test_labelled_video_is_written(predictor: Predictor, video: Path, tmp_path: Path) -> None:
    """The output has the same frames at the same times, a caption drawn on them, and a table beside it."""
    output = tmp_path / "out" / "labelled.mp4"
    output.parent.mkdir()
    write_labelled(answer_frames(predictor, read_frames(video), every=5), output)
    frames = list(read_frames(output))
    assert [frame.time_s for frame in frames] == pytest.approx([number / RATE for number in range(40)], abs=1e-3)
    assert frames[0].pixels.shape == (32, 48, 3)
    assert frames[0].pixels[-16:].max() > 100
    assert frames[0].pixels[:12].max() < 40
    with output.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == list(range(0, 40, 5))
    assert rows[0]["name"] == "dark"
    assert sorted(path.name for path in output.parent.iterdir()) == ["labelled.csv", "labelled.mp4"]


def test_broken_video_is_named(tmp_path: Path) -> None:
    """A file that is no video, and a playlist that names other files, are refused by name."""
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "list.avi").write_text("#EXTM3U\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n")
    for name in ("broken.mp4", "list.avi"):
        with pytest.raises(DatasetError, match=f"{name} cannot be read as a video"):
            list(read_frames(tmp_path / name))


def test_command_names_a_video(shades_model: Path, video: Path, tmp_path: Path) -> None:
    """`apertune predict` prints scenes, and writes the labelled video when asked to, but never over another."""
    run = CliRunner().invoke(predict, [str(shades_model), str(video), "--json", "--output", str(tmp_path / "out.mp4")])
    assert run.exit_code == 0, run.output
    (entry,) = json.loads(run.stdout)["videos"]
    assert [scene["name"] for scene in entry["scenes"]][:1] == ["dark"]
    assert [scene["name"] for scene in entry["scenes"]][-1:] == ["light"]
    assert len(entry["frames"]) == 40
    assert entry["frames_per_second"] > 0
    assert (tmp_path / "out.csv").exists()
    again = CliRunner().invoke(predict, [str(shades_model), str(video), "--output", str(tmp_path / "out.mp4")])
    assert isinstance(again.exception, SettingError)
    assert "already exists" in str(again.exception)


def test_pictures_are_sorted_into_folders(shades_model: Path, video: Path, tmp_path: Path) -> None:
    """`apertune label` sorts whole frames and halves by class, named by time, and a second run changes nothing."""
    target = tmp_path / "grown"
    arguments = [str(video), "--model", str(shades_model), "--to", str(target), "--every", "10", "--json"]
    run = CliRunner().invoke(label, arguments)
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["folders"] == {"dark": 6, "light": 6}
    assert sorted(path.name for path in (target / "light").iterdir()) == [
        f"day break_00h00m{second}s_{part}.jpg"
        for second in ("02.000", "03.000")
        for part in ("left", "right", "whole")
    ]
    with Image.open(target / "light" / "day break_00h00m02.000s_left.jpg") as half:
        assert half.size == (24, 32)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*.jpg")}
    again = CliRunner().invoke(label, arguments)
    assert json.loads(again.stdout) == {"frames": 4, "folders": {}, "existing": 12, "target": str(target)}
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*.jpg")} == before


def test_unsure_pictures_are_set_aside(predictor: Predictor, tmp_path: Path) -> None:
    """Pictures below the minimum probability go to `unsure`; classes that were not asked for are not kept."""
    video = write_video(tmp_path / "v.mp4", [5, 190, 250])
    strict = Predictor(predictor.function, predictor.contract, 0.9)
    pictures = label_frames(strict, read_frames(video), tmp_path / "to", video="v", every=1, classes=["light"])
    assert pictures.folders == {"light": 3, "unsure": 3}
    with pytest.raises(UnknownNameError, match="unknown class 'bright'"):
        label_frames(strict, read_frames(video), tmp_path / "to", video="v", classes=["bright"])


def test_a_minimum_of_zero_sorts_everything(shades_model: Path, tmp_path: Path) -> None:
    """`--min-probability 0` sets nothing aside, where the default would."""
    video = write_video(tmp_path / "v.mp4", [190])
    words = [str(video), "--model", str(shades_model), "--every", "1", "--json"]
    unsure = CliRunner().invoke(label, [*words, "--to", str(tmp_path / "a")])
    assert json.loads(unsure.stdout)["folders"] == {"unsure": 3}
    certain = CliRunner().invoke(label, [*words, "--to", str(tmp_path / "b"), "--min-probability", "0"])
    assert sum(json.loads(certain.stdout)["folders"].values()) == 3
    assert not (tmp_path / "b" / "unsure").exists()


def test_class_names_stay_below_the_target() -> None:
    """A class whose name is a path becomes a plain folder, and two that would share one are refused."""
    assert folder_names(["../../etc", "a/b", "Homer Simpson"]) == {
        "../../etc": "_.._etc",
        "a/b": "a_b",
        "Homer Simpson": "Homer Simpson",
    }
    with pytest.raises(SettingError, match="would share a folder"):
        folder_names(["a/b", "a_b"])
    with pytest.raises(SettingError, match="would share a folder"):
        folder_names(["Unsure", "b"])


def test_contract_of_another_shape(predictor: Predictor) -> None:
    """Frames are brought to the network's size and colours whatever theirs are."""
    grey = ModelContract(("a", "b"), "multiclass", (12, 12, 1), "toys", "ab" * 32, resize="crop")
    frame = np.zeros((40, 30, 3), np.uint8)
    assert Predictor(predictor.function, grey).resize(frame).shape == (12, 12, 1)
