"""In VOC, a class that is only difficult in an image neither counts there nor teaches."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from apertune.datasets import LoadSettings, load
from apertune.datasets.adapters.voc_annotation import AnnotationError, read_annotation
from apertune.datasets.audit.auditing import audit
from apertune.datasets.audit.description import describe, page
from apertune.errors import DatasetError
from apertune.search.executors.ray.shipping import ARRAYS


def test_only_difficult_is_masked(make: SimpleNamespace, tmp_path: Path) -> None:
    """`dog` is masked where it is only difficult, and carried where one of its objects is not."""
    dataset = load("voc2012", make.voc(tmp_path / "v"))
    dog = dataset.classes.index("dog")
    odd = np.array([int(Path(origin).stem[-1]) % 2 == 1 for origin in dataset.origins])
    assert dataset.labels[:, dog].tolist() == (~odd).astype(int).tolist()
    for split in ("train", "validation", "test"):
        labels = dataset.scored_labels(split)
        assert isinstance(labels, np.ma.MaskedArray)
        assert np.array_equal(labels.mask[:, dog], odd[dataset.rows(split)])
        assert np.array_equal(labels.data, dataset.labels[dataset.rows(split)])
        assert not np.delete(labels.mask, dog, axis=1).any()
    assert any(note.startswith("7 labels are difficult and neither count nor teach") for note in dataset.notes)
    assert "masked" in ARRAYS


def test_the_view_hands_the_mask_on(make: SimpleNamespace, tmp_path: Path) -> None:
    """A search's labels carry the mask, its targets are NaN there, and its class counts leave them out."""
    view = load("voc2012", make.voc(tmp_path / "v")).training_view()
    labels, targets = view.labels("train"), view.targets("train")
    assert np.array_equal(np.isnan(targets), np.ma.getmaskarray(labels))
    assert np.isnan(targets).sum() == 4
    assert view.spec().class_counts == (4, 4, 4)


def test_kept_difficult_objects_mask_nothing(make: SimpleNamespace, tmp_path: Path) -> None:
    """With difficult=keep, or one label per image, labels are plain arrays."""
    root = make.voc(tmp_path / "v")
    for options in ({"difficult": "keep"}, {"objects": "largest"}):
        dataset = load("voc2012", root, LoadSettings(options=options))
        assert not isinstance(dataset.scored_labels("train"), np.ma.MaskedArray)
        assert not (dataset.folder / "masked.npy").exists()


def test_masks_are_in_the_fingerprint(make: SimpleNamespace, tmp_path: Path) -> None:
    """Data that differ in what is difficult alone have different fingerprints; opening again gives the same one."""
    root = make.voc(tmp_path / "v")
    first = load("voc2012", root)
    assert load("voc2012", root).fingerprint == first.fingerprint
    annotation = next(root.rglob("2007_000001.xml"))
    annotation.write_text(make.voc_xml("2007_000001.jpg", (("cat", 0),)))
    second = load("voc2012", root)
    assert np.array_equal(first.labels, second.labels)
    assert first.fingerprint != second.fingerprint


def test_masked_data_are_described_and_audited(make: SimpleNamespace, tmp_path: Path) -> None:
    """Counts leave masked labels out, and the page and the audit work with them."""
    dataset = load("voc2012", make.voc(tmp_path / "v"), LoadSettings(options={"all-images": "yes"}))
    facts = describe(dataset)
    assert sum(facts["classes"]["dog"].values()) == 8
    assert facts["cooccurrence"] == [[8, 0, 0], [0, 8, 8], [0, 8, 8]]
    html = page(dataset, facts)
    assert "Classes that occur together" in html
    assert html.count("<img ") == 4
    assert audit(dataset) == []


@pytest.mark.parametrize("word", ["False", "Unspecified", "0", "no"])
def test_words_for_not_difficult(word: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """The words of tools for an object that is not difficult leave its label in place."""
    root = make.voc(tmp_path / "odd")
    for path in root.rglob("Annotations/*.xml"):
        path.write_text(path.read_text().replace("<difficult>0</difficult>", f"<difficult>{word}</difficult>"))
    plain = load("voc2012", make.voc(tmp_path / "plain"))
    assert load("voc2012", root).labels.tolist() == plain.labels.tolist()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb2312"])
def test_an_element_of_countless_attributes_is_refused_at_once(tmp_path: Path, encoding: str) -> None:
    """The parser never sees an element whose attributes would take it seconds, whatever the file's encoding."""
    attributes = " ".join(f'a{number}="1"' for number in range(300_000))
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><annotation {attributes}><filename>a.jpg</filename></annotation>'
    )
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode(encoding))
    began = time.process_time()
    with pytest.raises(AnnotationError, match=r"more than 1,000 attributes|larger than 4 MB"):
        read_annotation(path)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("encoding", ["gb2312", "cp1251", "shift_jis"])
def test_encodings_that_the_parser_lacks_are_read(encoding: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """Annotations in an encoding that Python knows are read; an unknown one is one line about its file."""
    root = make.voc(tmp_path / "odd")
    plain = load("voc2012", make.voc(tmp_path / "plain"))
    paths = sorted(root.rglob("Annotations/*.xml"))
    for path in paths:
        path.write_bytes(f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + path.read_text().encode(encoding))
    assert load("voc2012", root).labels.tolist() == plain.labels.tolist()
    paths[0].write_bytes(b'<?xml version="1.0" encoding="klingon"?><annotation/>')
    with pytest.raises(DatasetError, match="declares the unknown encoding 'klingon'"):
        load("voc2012", root)


def test_annotations_that_all_name_one_file(make: SimpleNamespace, tmp_path: Path) -> None:
    """An annotation belongs to the image of its own name, whatever <filename> says."""
    root = make.voc(tmp_path / "odd")
    plain = load("voc2012", make.voc(tmp_path / "plain"))
    for path in root.rglob("Annotations/*.xml"):
        text = path.read_text()
        start, end = text.index("<filename>") + 10, text.index("</filename>")
        path.write_text(f"{text[:start]}one.jpg{text[end:]}")
    assert load("voc2012", root).labels.tolist() == plain.labels.tolist()


def pairs(make: SimpleNamespace, root: Path, images: str, annotations: str, count: int = 12) -> None:
    """Writes images and their annotations into two folders, or the same."""
    for number in range(count):
        make.save(root / images / f"{number}.jpg", seed=len(images) * 100 + number)
        path = root / annotations / f"{number}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make.voc_xml(f"{number}.jpg", ((("cat", "dog")[number % 2], 0),)))


def test_annotations_beside_their_images_are_read(make: SimpleNamespace, tmp_path: Path) -> None:
    """Tools export each image with its annotation, in folders named like splits."""
    for split, count in (("train", 12), ("valid", 4), ("test", 6)):
        pairs(make, tmp_path, split, split, count)
    dataset = load("voc2012", tmp_path)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (12, 4, 6)
    for row, origin in enumerate(dataset.origins.tolist()):
        assert dataset.labels[row].tolist() == ([1, 0] if int(Path(origin).stem) % 2 == 0 else [0, 1])


def test_folders_of_other_names_are_read(make: SimpleNamespace, tmp_path: Path) -> None:
    """Annotations and images are paired by name where the challenge's folders are not there."""
    pairs(make, tmp_path, "images", "xmls")
    assert len(load("voc2012", tmp_path).images) == 12
    pairs(make, tmp_path, "more", "xmls")
    with pytest.raises(DatasetError, match=r"images/0.jpg and more/0.jpg share one; give a folder that holds one"):
        load("voc2012", tmp_path)


def test_the_list_for_testing_counts_beside_one_for_the_rest(make: SimpleNamespace, tmp_path: Path) -> None:
    """Images in `test` are for testing, and validation is drawn from those in `trainval`."""
    pairs(make, tmp_path, "JPEGImages", "Annotations", 20)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("".join(f"{number}\n" for number in range(14)))
    (lists / "test.txt").write_text("".join(f"{number}\n" for number in range(14, 20)))
    dataset = load("voc2012", tmp_path)
    assert {Path(dataset.origins[row]).stem for row in dataset.test} == {str(number) for number in range(14, 20)}
    assert len(dataset.train) + len(dataset.validation) == 14
    assert len(dataset.validation) > 0
