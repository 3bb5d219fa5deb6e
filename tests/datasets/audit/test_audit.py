"""The audit finds the faults that were planted and no others; the description counts right."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from apertune.datasets import LoadSettings, from_arrays, load
from apertune.datasets.audit.auditing import KINDS, audit, counts
from apertune.datasets.audit.description import describe, page
from apertune.datasets.audit.label_errors import suspicious_labels


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["apertune", "datasets", *words]
    # Wide enough for the longest path, which would be broken over lines otherwise.
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def planted(make: SimpleNamespace, tmp_path: Path) -> Path:
    """A data set with one of each fault."""
    root = tmp_path / "set"
    for split, offset, count in (("train", 0, 10), ("val", 100, 4), ("test", 200, 4)):
        for number, name in enumerate("ab"):
            for image in range(count):
                make.save(root / split / name / f"{image}.png", seed=1000 * number + offset + image)
    make.save(root / "train" / "c" / "only.png", seed=9000)
    shutil.copy(root / "train" / "a" / "1.png", root / "train" / "a" / "copy.png")
    shutil.copy(root / "train" / "a" / "2.png", root / "train" / "b" / "other label.png")
    shutil.copy(root / "test" / "b" / "3.png", root / "train" / "b" / "leak.png")
    Image.open(root / "val" / "a" / "0.png").save(root / "val" / "a" / "near.jpg", quality=70)
    Image.new("RGB", (40, 40), "grey").save(root / "val" / "b" / "flat.png")
    (root / "train" / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return root


def test_findings(planted: Path) -> None:
    """Each planted fault is found once, with its files, and the exact copy with two labels is also a duplicate."""
    dataset = load("folders", planted, LoadSettings(skip_bad=True))
    found = {kind: [finding.files for finding in audit(dataset) if finding.kind == kind] for kind in KINDS}
    assert found["unreadable"] == [("train/a/broken.jpg",)]
    assert found["constant"] == [("val/b/flat.png",)]
    assert found["near_duplicate"] == [("val/a/0.png", "val/a/near.jpg")]
    assert found["leak"] == [("test/b/3.png", "train/b/leak.png")]
    assert found["conflict"] == [("train/a/2.png", "train/b/other label.png")]
    assert ("train/a/1.png", "train/a/copy.png") in found["duplicate"]
    assert len(found["duplicate"]) == 2
    assert found["small_class"] == [("train/c/only.png",)]
    assert found["mislabelled"] == []


def test_a_class_missing_from_splits(planted: Path) -> None:
    """A class with no image in some splits is reported with its images' own splits, and apart those it misses."""
    dataset = load("folders", planted, LoadSettings(skip_bad=True))
    (found,) = [finding for finding in audit(dataset) if finding.kind == "small_class"]
    assert (found.splits, found.labels, found.missing_from) == (("train",), ("c",), ("validation", "test"))
    assert found.suggestion.startswith("1 image in all, none in validation and test; add some")
    answer = _run("audit", "folders", "--data", str(planted))
    assert "missing from" in answer.stdout
    assert "validation, test" in answer.stdout


@pytest.mark.parametrize("several_labels", [False, True])
@pytest.mark.parametrize("near", [False, True])
def test_label_conflicts(make: SimpleNamespace, *, near: bool, several_labels: bool) -> None:
    """Copies and near copies with different labels are conflicts; no finding says to keep one of them."""
    images = np.stack([make.picture(seed, 40, 40) for seed in range(40)])
    images[30] = np.minimum(images[0], 250) + 4 if near else images[0]
    labels = np.repeat([0, 1], [30, 10])
    given = np.eye(2, dtype=np.uint8)[labels] if several_labels else labels
    found = audit(from_arrays("mine", images, given, ["no", "yes"]))
    conflicts = [finding for finding in found if finding.kind == "conflict"]
    assert [finding.files for finding in conflicts] == [("image 0", "image 30")]
    assert conflicts[0].labels == ("no", "yes")
    assert conflicts[0].suggestion.startswith(
        "label conflict: nearly the same picture under different labels"
        if near
        else "label conflict: the same pixels under different labels"
    )
    assert not any("keep one" in finding.suggestion for finding in found)
    assert not any(finding.kind == "near_duplicate" for finding in found)


def test_command(planted: Path) -> None:
    """`audit --json` prints the document that pipelines read, and exits with 1."""
    answer = _run("audit", "folders", "--data", str(planted), "--json")
    document = json.loads(answer.stdout)
    assert answer.returncode == 1
    assert set(document["counts"]) == set(KINDS)
    assert document["counts"]["leak"] == 1
    leak = next(finding for finding in document["findings"] if finding["kind"] == "leak")
    assert leak["splits"] == ["test", "train"]
    assert leak["labels"] == ["b", "b"]
    assert "--drop-leaks" in leak["suggestion"]


def test_clean_set(make: SimpleNamespace, tmp_path: Path) -> None:
    """The audit of a data set without faults exits with 0."""
    answer = _run("audit", "folders", "--data", str(make.folders(tmp_path / "a")))
    assert (answer.returncode, answer.stdout) == (0, "Nothing found.\n")


def test_wrong_labels() -> None:
    """Most of the wrong labels planted in the digits are found, and most of the labels found were planted."""
    digits = load("digits")
    labels = digits.labels.copy()
    wrong = np.random.default_rng(0).permutation(len(labels))[:60]
    labels[wrong] = (labels[wrong] + 1) % 10
    found = dict(suspicious_labels(digits.images, labels, seed=0))
    hits = [row for row in found if row in set(wrong.tolist())]
    assert len(hits) >= 45
    assert len(hits) >= 0.9 * len(found)
    assert sum(found[row] == (digits.labels[row],) for row in hits) >= 43


def test_wrong_labels_multilabel() -> None:
    """Wrong labels are found where images carry several labels, too."""
    digits = load("digits")
    labels = np.stack([digits.labels % 2, digits.labels < 1], axis=1).astype(np.uint8)
    wrong = np.arange(0, 600, 30)
    labels[wrong, 1] ^= 1
    found = [row for row, _ in suspicious_labels(digits.images, labels, seed=0)]
    assert len(set(found) & set(wrong.tolist())) >= 15


def test_counts() -> None:
    """Every kind is counted, those without findings included."""
    assert counts([]) == dict.fromkeys(KINDS, 0)


def test_description(make: SimpleNamespace, tmp_path: Path) -> None:
    """Counts, imbalance, sizes and the accuracy of always answering the largest class are right."""
    labels = np.array([0] * 30 + [1] * 10)
    images = np.stack([make.picture(seed, 20, 20) for seed in range(40)])
    facts = describe(from_arrays("mine", images, labels, ["no", "yes"], split=(0.5, 0.25, 0.25)))
    assert facts["classes"]["no"]["train"] + facts["classes"]["yes"]["train"] == facts["images"]["train"]
    assert sum(facts["classes"]["yes"].values()) == 10
    assert facts["imbalance"] == 3
    assert facts["majority_accuracy"]["train"] == 0.75
    assert facts["sizes"] == {"smallest": [20, 20], "median": [20, 20], "largest": [20, 20]}
    assert facts["cooccurrence"] is None


def test_imbalance_counts_classes_without_training_images(make: SimpleNamespace, tmp_path: Path) -> None:
    """A class without a training image makes the imbalance infinite (null in JSON), and it is named."""
    root = make.folders(tmp_path / "a" / "train", ("cat", "dog", "owl"), count=6)
    make.folders(tmp_path / "a" / "val", ("cat", "dog", "eagle"), count=2)
    facts = describe(load("folders", root.parent))
    assert facts["imbalance"] == np.inf
    assert facts["untrained_classes"] == ["eagle"]
    assert "No training image of: eagle." in page(load("folders", root.parent), facts)
    words = ("describe", "folders", "--data", str(root.parent), "--html", str(tmp_path / "x.html"))
    document = json.loads(_run(*words, "--json").stdout)
    assert (document["imbalance"], document["untrained_classes"]) == (None, ["eagle"])
    said = _run(*words).stdout
    assert "Imbalance: without bound, since 1 class has no training image: eagle." in said


def test_pages_of_other_data_are_kept(make: SimpleNamespace, tmp_path: Path) -> None:
    """A second data set of one format gets a page of its own; describing one again replaces its own page only."""
    first = str(make.folders(tmp_path / "a", ("cat", "dog"), count=8))
    second = str(make.folders(tmp_path / "b", ("elm", "oak"), count=8))
    for root in (first, second, first, second):
        answer = subprocess.run(
            ["apertune", "datasets", "describe", "folders", "--data", root],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
    assert "Plots: folders-2.html" in answer.stderr
    pages = {path.name: path.read_text() for path in tmp_path.glob("*.html")}
    assert set(pages) == {"folders.html", "folders-2.html"}
    assert "cat" in pages["folders.html"]
    assert "oak" in pages["folders-2.html"]


def test_cooccurrence(make: SimpleNamespace, tmp_path: Path) -> None:
    """The images that carry both of two classes are counted where images carry several labels."""
    facts = describe(load("voc2012", make.voc(tmp_path / "v"), LoadSettings(options={"all-images": "yes"})))
    assert facts["cooccurrence"] == [[8, 0, 0], [0, 8, 8], [0, 8, 8]]


def test_page(make: SimpleNamespace, tmp_path: Path) -> None:
    """The page holds its pictures, refers to nothing outside, and shows names as text; one size needs no plot."""
    root = make.folders(tmp_path / "a", ("<b>bold$", "plain"), count=8)
    dataset = load("folders", root)
    html = page(dataset, describe(dataset))
    assert html.count('src="data:image/png;base64,') == html.count("<img ") == 2
    assert "&lt;b&gt;bold$" in html
    assert re.search("All images are [0-9]+&times;[0-9]+ pixels.", html)
    for split in ("train", "validation", "test"):
        assert re.search(f'class="swatch" style="background: #[0-9a-f]+"></span>{split}</th>', html)
    assert "<b>" not in html
    assert "http" not in html


def test_describe_command(make: SimpleNamespace, tmp_path: Path) -> None:
    """`describe --json` prints one document, and writes the page to the file that --html names."""
    root = make.folders(tmp_path / "a", count=8)
    answer = _run("describe", "folders", "--data", str(root), "--json", "--html", str(tmp_path / "x.html"))
    assert json.loads(answer.stdout)["images"] == {"train": 11, "validation": 3, "test": 2}
    assert (tmp_path / "x.html").read_text().startswith("<!DOCTYPE html>")


def test_user_mistakes(tmp_path: Path) -> None:
    """A mistake of the user ends with status 2 and one line."""
    for words, part in (
        (["describe", "fodlers"], "did you mean 'folders'?"),
        (["describe", "folders", "--data", str(tmp_path / "none")], "--data must be an existing file or folder"),
        (["describe", "folders", "--data", str(tmp_path), "--split", "1/2"], "three shares that sum to 1"),
        (["describe", "digits", "--option", "x"], "--option must be NAME=VALUE"),
        (["fetch", "digits"], "digits needs no download"),
    ):
        answer = _run(*words)
        assert answer.returncode == 2
        assert part in answer.stderr
        assert len(answer.stderr.strip().splitlines()) == 1


def test_clean_command(make: SimpleNamespace, tmp_path: Path, own_cache: Path) -> None:
    """`clean` removes the entries of one data set, or all entries."""
    load("digits")
    load("folders", make.folders(tmp_path / "a", count=4))
    assert len(json.loads(_run("clean", "digits", "--dry-run", "--json").stdout)["entries"]) == 1
    assert len(list((own_cache / "datasets").iterdir())) == 2
    _run("clean", "digits")
    assert [path.name.split("-")[0] for path in (own_cache / "datasets").iterdir()] == ["folders"]
    _run("clean")
    assert not list((own_cache / "datasets").iterdir())
