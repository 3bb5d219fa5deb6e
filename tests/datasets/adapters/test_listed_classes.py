"""Classes that a list states for split folders without class folders."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import load

CLASSES = ("n01443537", "n01629819", "n01641577")


def lay_out(make: SimpleNamespace, root: Path, validation: str) -> Path:
    """Makes eight training images of each class, nine images for validation and three for test, as Tiny ImageNet has.

    Args:
        make: The helpers of tests.
        root: Where to put them.
        validation: The folder of the images for validation.
    """
    for number, name in enumerate(CLASSES):
        for image in range(8):
            make.save(root / "train" / name / "images" / f"{name}_{image}.JPEG", seed=100 * number + image)
    for image in range(9):
        make.save(root / validation / f"val_{image}.JPEG", seed=1000 + image)
    for image in range(3):
        make.save(root / "test" / "images" / f"test_{image}.JPEG", seed=2000 + image)
    return root


@pytest.mark.parametrize(
    ("validation", "file", "line"),
    [
        pytest.param(
            "val/images", "val/val_annotations.txt", "val_{image}.JPEG\t{name}\t0\t32\t44\t62", id="Tiny ImageNet"
        ),
        pytest.param("val", "LOC_val_solution.csv", "val_{image},{name} 85 1 499 272", id="ImageNet"),
    ],
)
def test_a_list_states_the_classes_of_a_flat_split(
    validation: str, file: str, line: str, make: SimpleNamespace, tmp_path: Path
) -> None:
    """Each image for validation gets the class that the list gives it; those for test stay out, and lines say both."""
    root = lay_out(make, tmp_path, validation)
    lines = ["ImageId,PredictionString"] if file.endswith(".csv") else []
    lines += [line.format(image=image, name=CLASSES[image % 3]) for image in range(9)]
    (root / file).write_text("\n".join(lines))
    dataset = load("folders", root)
    assert dataset.classes == CLASSES
    assert len(dataset.train) == 24
    rows = zip(dataset.origins, dataset.labels, strict=True)
    stated = {str(origin): dataset.classes[label] for origin, label in rows if "val_" in str(origin)}
    assert stated == {f"{validation}/val_{image}.JPEG": CLASSES[image % 3] for image in range(9)}
    assert f"the classes of 9 images for validation are those that {file} states" in dataset.notes
    assert "left out 3 images of test, which holds images without class folders" in dataset.notes


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([f"val_{image}.JPEG\t{CLASSES[0]}" for image in range(4)], id="few of the images"),
        pytest.param([f"val_{image}.JPEG\t{image}" for image in range(9)], id="no class folders"),
        pytest.param([f"other_{image}.JPEG\t{CLASSES[0]}" for image in range(9)], id="other images"),
    ],
)
def test_a_list_of_something_else_labels_nothing(lines: list[str], make: SimpleNamespace, tmp_path: Path) -> None:
    """Images whose classes no list states are left out with a line."""
    root = lay_out(make, tmp_path, "val/images")
    (root / "val" / "val_annotations.txt").write_text("\n".join(lines))
    dataset = load("folders", root)
    assert len(dataset.images) == 24
    assert not any("state" in note for note in dataset.notes)
    assert "left out 12 images of test, val, which hold images without class folders" in dataset.notes
