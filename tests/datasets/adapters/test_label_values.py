"""Labels of every usual kind are read right, or refused with what to write."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pandas as pd
import pytest

from apertune.datasets.adapters.label_values import Labelling, LabelSettings, read_labels
from apertune.errors import DatasetError, SettingError

ONE_HOT = np.eye(3)[[0, 1, 2, 1]]
MARKS = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]])


def read(*parts: Any, **words: Any) -> Labelling:
    return read_labels("mine", parts, LabelSettings(**words))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([2, 0, 1, 2]),
        np.array([2, 0, 1, 2], np.uint8),
        np.array([[2], [0], [1], [2]]),
        np.array([2.0, 0.0, 1.0, 2.0], np.float32),
        [2, 0, 1, 2],
        pd.Series([2, 0, 1, 2], index=[9, 8, 7, 6]),
        pd.Series([2, 0, 1, 2], dtype="Int64"),
        np.eye(3)[[2, 0, 1, 2]],
        np.eye(3, dtype=bool)[[2, 0, 1, 2]],
        np.eye(3, dtype=int)[[2, 0, 1, 2]].tolist(),
        ["c", "a", "b", "c"],
        np.array(["c", "a", "b", "c"]),
        np.array([b"c", b"a", b"b", b"c"]),
        pd.Series(["c", "a", "b", "c"]),
        pd.Series(["c", "a", "b", "c"], dtype="category"),
    ],
    ids=lambda labels: f"{type(labels).__name__}-{getattr(labels, 'dtype', '')}",
)
def test_one_class_per_image(labels: Any) -> None:
    """Numbers, columns, one-hot rows and names all say the same."""
    labelling = read(labels, classes=["a", "b", "c"])
    assert labelling.labels == ["c", "a", "b", "c"]
    assert labelling.classes == ("a", "b", "c")
    assert labelling.task == "multiclass"


def test_classes_of_the_labels() -> None:
    """Without classes they come from the labels: names sorted, numbers by value."""
    assert read(["pear", "Apple", "fig"]).classes == ("Apple", "fig", "pear")
    assert read([10, 2, 33]).classes == ("2", "10", "33")
    assert read([10, 2, 33]).labels == ["10", "2", "33"]
    assert read(ONE_HOT).classes == ("0", "1", "2")
    frame = pd.DataFrame(MARKS, columns=["cat", "dog", "bird"])
    assert read(frame).labels == [("cat", "bird"), (), ("dog",), ("cat", "dog", "bird")]


def test_two_classes_are_binary() -> None:
    """Two classes make a binary task, in the order given."""
    assert read([0, 1, 0], classes=["yes", "no"]) .task == "binary"  # fmt: skip
    assert read(["yes", "no"], classes=["no", "yes"]).classes == ("no", "yes")
    assert read(np.array([[0.0], [1.0]])).task == "binary"
    assert read(np.array([True, False])).labels == ["1", "0"]


def test_one_hot_are_classes() -> None:
    """Rows with a single 1 each are classes, with a note; a stated task decides otherwise, or without a note."""
    labelling = read(ONE_HOT, classes=list("abc"))
    assert labelling.task == "multiclass"
    assert labelling.notes == (
        "the labels are one-hot and are read as one class per image; for several labels write task='multilabel'",
    )
    assert read(ONE_HOT, task="multiclass").notes == ()
    several = read(ONE_HOT, classes=list("abc"), task="multilabel")
    assert several.task == "multilabel"
    assert several.labels == [("a",), ("b",), ("c",), ("b",)]


def test_one_hot_in_all_splits() -> None:
    """A split whose rows happen to hold single labels does not turn several labels into classes."""
    labelling = read(ONE_HOT, MARKS, classes=list("abc"))
    assert labelling.task == "multilabel"
    assert labelling.labels[:2] == [("a",), ("b",)]


def test_several_labels_per_image() -> None:
    """A 0/1 matrix, lists of names and texts with a stated mark say the same."""
    want = [("a", "c"), (), ("b",), ("a", "b", "c")]
    lists = [["c", "a"], [], ["b"], ["a", "b", "c", "a"]]
    for labels, words in (
        (MARKS, {"classes": list("abc")}),
        (MARKS.astype(bool), {"classes": list("abc")}),
        (MARKS.tolist(), {"classes": list("abc")}),
        (lists, {}),
        ([set(names) for names in lists], {}),
        ([np.array(names, str) for names in lists], {}),
        (pd.Series(lists), {}),
        (["c| a", "", "b", "a|b|c|a"], {"label_separator": "|"}),
    ):
        separator = words.pop("label_separator", None)
        labelling = read(labels, separator=separator, **words)
        assert labelling.labels == want
        assert labelling.task == "multilabel"
        assert labelling.classes == ("a", "b", "c")


def test_lists_of_one() -> None:
    """Lists of a single name stay several labels per image, unless one class per image is stated."""
    lists = [["a"], ["b"], ["c"]]
    assert read(lists).task == "multilabel"
    assert read(lists, task="multiclass").labels == ["a", "b", "c"]
    with pytest.raises(DatasetError, match=r"row 1 has 2; write task='multilabel'"):
        read([["a"], ["b", "c"]], task="multiclass")


@pytest.mark.parametrize("mark", [";", "|", ","])
def test_several_labels_in_one_text(mark: str) -> None:
    """Texts that share words around a mark are refused, with both ways to read them; a mark within a name is not."""
    labels = ["cat", "dog", f"cat{mark}dog"]
    with pytest.raises(DatasetError) as refused:
        read(labels)
    assert f"the label 'cat{mark}dog' looks like several labels; write label_separator='{mark}'" in str(refused.value)
    assert read(labels, separator="").classes == tuple(sorted(labels))
    assert read(labels, classes=labels).labels == labels
    assert read([f"shirt{mark}top", "bag"]).task == "binary"


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing(missing: Any) -> None:
    """None, NaN and pandas' missing value are no labels, among names, numbers and lists; nor is an empty text."""
    assert read(["a", missing, "b"]).labels == ["a", None, "b"]
    assert read([0, missing, 1]).labels == ["0", None, "1"]
    assert read(pd.Series([["a", "b"], missing, ["b"]])).labels == [("a", "b"), None, ("b",)]
    assert read(["a", " ", "b"]).labels == ["a", None, "b"]


def test_one_spelling() -> None:
    """Space around names and the two spellings of an accent do not make classes of their own."""
    spelt = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    assert read([spelt[0], f" {spelt[1]} ", "bar"]).classes == ("bar", spelt[0])
    assert read([spelt[1], "bar"], classes=[spelt[0], "bar"]).labels[0] == spelt[0]
    with pytest.raises(DatasetError, match="the classes 'Dog' and 'dog' differ only by case; rename one of them"):
        read(["dog", "Dog", "cat"])


@pytest.mark.parametrize(
    ("labels", "words", "message"),
    [
        ([0, 1.5], {}, "labels must be whole numbers or names, but one is 1.5"),
        ([0, 3], {"classes": ["a", "b"]}, "labels must be from 0 to 1, but got 0 to 3"),
        ([-1, 1], {"classes": ["a", "b"]}, "labels must be from 0 to 1, but got -1 to 1"),
        (["a", "x"], {"classes": ["a", "b"]}, "the label 'x' is no class; the classes given are a, b"),
        (["a", 3], {}, "labels must be all names or all numbers, but one is int '3' among others"),
        ([["a"], "b"], {}, "labels must be all lists or all single labels"),
        ([[0, 2], [1]], {}, r"lists of labels must hold names, but one holds int 0; give positions as a 0/1 matrix"),
        (np.full((4, 3), 1 / 3), {}, r"multi-hot labels must be 0 or 1, shaped \(n, 3\), .* with the value 0.333"),
        (ONE_HOT, {"classes": ["a", "b"]}, r"shaped \(n, 2\), but got float64 \(4, 3\)"),
        (MARKS, {"task": "multiclass"}, r"a single 1 in each row, but row 0 has 2; .* write task='multilabel'"),
        ([0, 1, 2], {"task": "multilabel"}, r"task='multilabel' needs a 0/1 matrix \(n, classes\) or lists of names"),
        ([0, 1, 2], {"task": "binary"}, "task='binary' needs exactly 2 classes, but there are 3 classes"),
        (["a", "a"], {}, "at least 2 classes are needed, but all labels are 'a'"),
        ([None, None], {}, "at least 2 classes are needed, but no image has a label"),
        ([0, 1], {"classes": ["a"]}, "give at least 2 classes, but got 1"),
        ([0, 1], {"classes": ["a", "a"]}, "the class 'a' is there twice; leave one out"),
        ([0, 1], {"classes": ["a", " "]}, "class names must not be empty, but number 1 is"),
        ([0, 1], {"classes": "ab"}, "classes must be a list of names, but got the text 'ab'"),
        (np.zeros((4, 2, 2)), {}, r"but got float64 \(4, 2, 2\)"),
    ],
)
def test_refused(labels: Any, words: dict[str, Any], message: str) -> None:
    """Labels that cannot be meant are refused in one line: what was given, the rule, what to write."""
    with pytest.raises(DatasetError, match=f"^mine: .*{message}") as refused:
        read(labels, **words)
    assert "\n" not in str(refused.value)


def test_unknown_task() -> None:
    """A task that is none is refused with the known ones."""
    with pytest.raises(SettingError, match="task must be 'binary', 'multiclass' or 'multilabel', but got 'regression'"):
        read([0, 1], task="regression")


def test_unlike_splits() -> None:
    """Splits must have labels of one kind; an empty one has none."""
    with pytest.raises(DatasetError, match="labels of one kind, but some have names and some numbers"):
        read([0, 1], ["a", "b"])
    assert read([0, 1], []).labels == ["0", "1"]
