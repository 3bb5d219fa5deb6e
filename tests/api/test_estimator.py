"""The classifier with scikit-learn's interface."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

import apertune

# The checks of scikit-learn that feed tables of numbers, (n, features), to `fit` cannot be passed by a classifier of
# images, which refuses them in one line. scikit-learn leaves them out itself, by the tag `two_d_array=False`, after
# those of cloning, parameters, attributes and tags; its warning says so.
WITHOUT_DATA = [
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]
LEFT_OUT = "Can't test estimator ImageClassifier which requires input  of type"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[apertune.ImageClassifier, np.ndarray, np.ndarray]:
    """A classifier of digits with names as labels, and images that it was not given."""
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("estimator")
    digits = load_digits()
    names = np.array(["even", "odd"])[digits.target % 2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APERTUNE_CACHE", str(folder / "cache"))
        classifier = apertune.ImageClassifier(
            trials=1,
            epochs=4,
            workers=1,
            pixel_range=(0, 16),
            home=folder / "mlflow",
            settings={"fix": {"blocks": "2"}},
        )
        return classifier.fit(digits.images[:1200], names[:1200]), digits.images[1200:], names[1200:]


def test_it_passes_the_checks_of_scikit_learn_that_images_allow() -> None:
    """Every check that `check_estimator` runs for an estimator of images passes; the rest is named in a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = check_estimator(apertune.ImageClassifier(), on_fail=None, on_skip=None)
    failed = [result["check_name"] for result in results if result["status"] == "failed"]
    assert not failed
    assert "check_estimator_cloneable" in {result["check_name"] for result in results}
    assert any(LEFT_OUT in str(warning.message) for warning in caught)


@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_it_passes_those_that_need_no_data(name: str) -> None:
    """The checks that scikit-learn leaves out with the others, but which feed nothing to `fit`, pass all the same."""
    check = getattr(estimator_checks, name)
    check("ImageClassifier", apertune.ImageClassifier())


@pytest.mark.ci
def test_it_classifies(fitted: tuple[apertune.ImageClassifier, np.ndarray, np.ndarray]) -> None:
    """It answers with the labels that it was given, better than chance, and its probabilities agree with that."""
    classifier, images, labels = fitted
    assert classifier.classes_.tolist() == ["even", "odd"]
    assert classifier.score(images, labels) > 0.6
    shares = classifier.predict_proba(images)
    assert shares.shape == (len(images), 2)
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(classifier.classes_[shares.argmax(axis=1)], classifier.predict(images))
    assert classifier.best_params_["blocks"] == 2
    assert classifier.study_.best_value == classifier.best_score_


@pytest.mark.ci
def test_it_can_be_pickled_and_cloned(
    fitted: tuple[apertune.ImageClassifier, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """A pickled classifier answers the same without its store; a clone has its settings and is not fitted."""
    from sklearn.exceptions import NotFittedError

    classifier, images, _ = fitted
    again = pickle.loads(pickle.dumps(classifier))
    again.study_ = None
    assert np.allclose(again.predict_proba(images[:5]), classifier.predict_proba(images[:5]))
    copy = clone(classifier)
    assert copy.get_params() == classifier.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(images)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (
            np.zeros((4, 64), np.uint8),
            [0, 1, 0, 1],
            r"X must hold images, .*but got an array of shape \(4, 64\); reshape",
        ),
        (np.zeros((4, 8, 8), np.uint8), [0, 1, 0], "give one label per image, but got 3 for 4 images"),
        (np.zeros((4, 8, 8), np.uint8), np.eye(4), r"y must hold one label per image, \(n,\), but got .*\(4, 4\)"),
        (np.zeros((4, 8, 8), np.uint8), [1, 1, 1, 1], "only one class"),
    ],
)
def test_other_input_is_refused(x: np.ndarray, y: object, message: str) -> None:
    """A table, labels of another number or form, and a single class are refused as scikit-learn's estimators do."""
    with pytest.raises(ValueError, match=message):
        apertune.ImageClassifier().fit(x, y)
