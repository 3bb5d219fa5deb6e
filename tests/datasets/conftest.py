"""Small data sets in the original layouts, written for each test."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives every test a cache of its own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("APERTUNE_CACHE", str(folder))
    return folder


@pytest.fixture
def make() -> SimpleNamespace:
    """The makers below; each writes a data set and returns the path to give with `--data`."""
    return SimpleNamespace(
        picture=make_picture,
        save=save_picture,
        folders=make_folders,
        fer2013=make_fer2013,
        fer2013_folders=make_fer2013_folders,
        simpsons=make_simpsons,
        voc_xml=voc_xml,
        voc=make_voc,
        coco=make_coco,
        yolo=make_yolo,
        table=make_table,
        cifar10=make_cifar10,
        cifar100=make_cifar100,
        fashion_mnist=make_fashion_mnist,
        mnist=make_mnist,
    )


def make_coco(root: Path) -> Path:
    """Writes 24 images of cats, dogs or both, with the annotations of COCO beside them."""
    document: dict[str, list[dict[str, object]]] = {
        "images": [], "annotations": [], "categories": [{"id": 1, "name": "cat"}, {"id": 5, "name": "dog"}]
    }  # fmt: skip
    for number in range(24):
        save_picture(root / "train2017" / f"{number:012d}.jpg", seed=number)
        document["images"].append({"id": number, "file_name": f"{number:012d}.jpg"})
        for category in ((1,), (5,), (1, 5))[number % 3]:
            document["annotations"].append({"image_id": number, "category_id": category})
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_all2017.json").write_text(json.dumps(document))
    return root


def make_yolo(root: Path) -> Path:
    """Writes 24 images of cats, dogs or both, with the annotations of YOLO beside them."""
    (root / "labels").mkdir(parents=True)
    for number in range(24):
        save_picture(root / "images" / f"{number}.jpg", seed=number)
        lines = [f"{name} 0.5 0.5 0.2 0.2" for name in ((0,), (1,), (0, 1))[number % 3]]
        (root / "labels" / f"{number}.txt").write_text("\n".join(lines))
    (root / "data.yaml").write_text("names: [cat, dog]\n")
    return root


def make_picture(seed: int, width: int = 40, height: int = 32, channels: int = 3) -> np.ndarray:
    """Smooth random structure, uint8 (height, width, channels), unlike that of any other seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, channels), dtype=np.uint8)
    planes = [Image.fromarray(coarse[:, :, plane]).resize((width, height)) for plane in range(channels)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def save_picture(path: Path, seed: int, **shape: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = make_picture(seed, **shape)
    Image.fromarray(pixels.squeeze()).save(path, **({"quality": 95} if path.suffix.lower() == ".jpg" else {}))


def make_folders(root: Path, names: tuple[str, ...] = ("Negative", "Positive"), count: int = 20) -> Path:
    for number, name in enumerate(names):
        for image in range(count):
            save_picture(root / name / f"photo {image}.JPG", seed=1000 * number + image)
    (root / ".DS_Store").write_bytes(b"clutter")
    (root / names[0] / "Thumbs.db").write_bytes(b"clutter")
    return root


def make_fer2013(path: Path, rows: int = 70, header: str = "emotion,pixels,Usage", usage: bool = True) -> Path:
    """Writes a CSV table like fer2013.csv, with its columns in the order of `header`."""
    order = [name.strip().lower() for name in header.split(",")]
    usages = ["Training"] * 5 + ["PublicTest", "PrivateTest"]
    lines = [header]
    for row in range(rows):
        pixels = " ".join(map(str, make_picture(row, 48, 48, 1).ravel()))
        cells = {"emotion": str(row % 7), "pixels": pixels, "usage": usages[row // 7 % 7] if usage else ""}
        lines.append(",".join(cells[name] for name in order))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def make_fer2013_folders(root: Path) -> Path:
    names = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    for number, name in enumerate(names):
        for split, count in (("train", 4), ("validation", 2), ("test", 2)):
            for image in range(count):
                seed = 100 * number + 10 * len(split) + image
                save_picture(root / split / name / f"{image}.png", seed, width=48, height=48, channels=1)
    return root


def make_simpsons(root: Path) -> Path:
    for number, (name, count) in enumerate((("bart_simpson", 8), ("homer_simpson", 8), ("lionel_hutz", 2))):
        for image in range(count):
            path = f"simpsons_dataset/simpsons_dataset/{name}/pic_{image:04}.jpg"
            save_picture(root / path, seed=100 * number + image)
        save_picture(root / f"kaggle_simpson_testset/kaggle_simpson_testset/{name}_0.jpg", seed=100 * number + 50)
    return root


def voc_xml(filename: str, objects: tuple[tuple[str, int], ...]) -> str:
    """Writes an annotation.

    Args:
        filename: Name of the image.
        objects: Pairs of a name and 0, or 1 for difficult; later ones have larger boxes.
    """
    boxes = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult>"
        f"<part><name>head</name></part>"
        f"<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{10 + size}</xmax><ymax>{10 + size}</ymax></bndbox></object>"
        for size, (name, difficult) in enumerate(objects)
    )
    return f"<annotation><filename>{filename}</filename>{boxes}</annotation>"


def make_voc(root: Path) -> Path:
    voc = root / "VOCdevkit" / "VOC2012"
    (voc / "Annotations").mkdir(parents=True)
    (voc / "ImageSets" / "Main").mkdir(parents=True)
    for image in range(16):
        stem = f"2007_{image:06}"
        save_picture(voc / "JPEGImages" / f"{stem}.jpg", seed=image)
        objects = (("cat", 0), ("dog", 1)) if image % 2 else (("dog", 0), ("dog", 0), ("person", 0))
        (voc / "Annotations" / f"{stem}.xml").write_text(voc_xml(f"{stem}.jpg", objects))
    stems = [f"2007_{image:06}" for image in range(16)]
    (voc / "ImageSets" / "Main" / "train.txt").write_text("\n".join(stems[:8]))
    (voc / "ImageSets" / "Main" / "val.txt").write_text("\n".join(stems[8:14]) + "\n2007_999999\n")
    return root


def make_table(path: Path) -> Path:
    root = path.parent
    lines = ["path,label,split"]
    for image in range(12):
        save_picture(root / "images" / f"{image}.png", seed=image)
        split = ("train", "train", "val", "test")[image // 3]
        lines.append(f"images/{image}.png,{'ab'[image % 2]},{split}")
    path.write_text("\n".join(lines))
    return path


def keras_part(count: int, first: int, side: int, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (count, side, side, channels), unlike those of other numbers, and labels 0 to 9 in turn."""
    images = np.stack([make_picture(first + row, side, side, channels) for row in range(count)])
    return images, np.arange(count) % 10


def make_mnist(path: Path) -> Path:
    """Writes a file like Keras's mnist.npz."""
    train, test = keras_part(80, 0, 28), keras_part(20, 80, 28)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        x_train=train[0][..., 0],
        y_train=train[1].astype(np.uint8),
        x_test=test[0][..., 0],
        y_test=test[1].astype(np.uint8),
    )
    return path


def make_fashion_mnist(root: Path) -> Path:
    """Writes the four files of Keras's folder fashion-mnist."""
    root.mkdir(parents=True, exist_ok=True)
    for name, count, first in (("train", 80, 0), ("t10k", 20, 80)):
        images, labels = keras_part(count, first, 28)
        for kind, array in (("images-idx3", images[..., 0]), ("labels-idx1", labels.astype(np.uint8))):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (root / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    return root


def make_cifar10(root: Path) -> Path:
    """Writes the pickled batches of Keras's folder cifar-10-batches-py-target."""
    inner = root / "cifar-10-batches-py"
    inner.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate((*(f"data_batch_{batch}" for batch in range(1, 6)), "test_batch")):
        images, labels = keras_part(20, 20 * number, 32, 3)
        batch = {b"data": images.transpose(0, 3, 1, 2).reshape(len(images), -1), b"labels": labels.tolist()}
        (inner / name).write_bytes(pickle.dumps(batch, protocol=3))
    names = {b"label_names": [f"kind {label}".encode() for label in range(10)]}
    (inner / "batches.meta").write_bytes(pickle.dumps(names, protocol=3))
    return root


def make_cifar100(root: Path) -> Path:
    """Writes the pickled batches of Keras's folder cifar-100-python-target, with 10 classes in 5 superclasses."""
    inner = root / "cifar-100-python"
    inner.mkdir(parents=True, exist_ok=True)
    for name, count, first in (("train", 80, 0), ("test", 20, 80)):
        images, labels = keras_part(count, first, 32, 3)
        batch = {
            b"data": images.transpose(0, 3, 1, 2).reshape(len(images), -1),
            b"fine_labels": labels.tolist(),
            b"coarse_labels": (labels // 2).tolist(),
        }
        (inner / name).write_bytes(pickle.dumps(batch, protocol=3))
    names = {
        b"fine_label_names": [f"kind {label}".encode() for label in range(10)],
        b"coarse_label_names": [f"family {label}".encode() for label in range(5)],
    }
    (inner / "meta").write_bytes(pickle.dumps(names, protocol=3))
    return root
