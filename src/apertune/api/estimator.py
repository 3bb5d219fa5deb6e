"""A classifier of images with scikit-learn's interface."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ..files.scratch import scratch_folder
from ..search.settings import Home, make_home
from ..spaces.search_space.parameters import Values
from .data import from_arrays
from .model import Model
from .study import Study
from .tuning import tune

# A test split is of no use here: whoever calls `fit` keeps images back.
SHARES = (0.8, 0.2, 0.0)


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A search behind scikit-learn's `fit` and `predict`: the best trial's network classifies.

    It works in pipelines, cross-validation and grid searches, and can be cloned and pickled.

    Args:
        space: The search space, as `apertune.tune` takes it.
        trials: Configurations to try.
        epochs: Maximum epochs of each.
        preset: A budget in one word, "quick", "good" or "best"; `trials` and `epochs` win where they are given.
        objective: The metric to search by; that of the task unless given.
        validation_share: The share of the images by which trials are compared.
        pixel_range: The lowest and the highest value that a pixel may have, for other types than uint8.
        random_state: Random seed for splits, sampling and training.
        workers: Worker processes; as many as fit unless given.
        home: The folder for studies and results; `mlflow` in the working directory unless given.
        quiet: Show nothing.
        settings: Further arguments of `apertune.tune`, by name.

    Example:
        >>> from sklearn.base import clone
        >>> clone(apertune.ImageClassifier(trials=3)).get_params()["trials"]
        3
    """

    def __init__(
        self,
        space: Any = "convnet",
        *,
        trials: int | None = None,
        epochs: int | None = None,
        preset: str | None = None,
        objective: str | None = None,
        validation_share: float = SHARES[1],
        pixel_range: tuple[float, float] | None = None,
        random_state: int = 0,
        workers: int | None = None,
        home: str | Path | None = None,
        quiet: bool = True,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.space = space
        self.trials = trials
        self.epochs = epochs
        self.preset = preset
        self.objective = objective
        self.validation_share = validation_share
        self.pixel_range = pixel_range
        self.random_state = random_state
        self.workers = workers
        self.home = home
        self.quiet = quiet
        self.settings = settings

    def fit(self, X: Any, y: Any) -> ImageClassifier:  # noqa: N803  # scikit-learn's name
        """Searches, and keeps the best trial's network.

        Args:
            X: Images: uint8 (n, height, width) or (n, height, width, 1 or 3); other types need `pixel_range`.
            y: One label per image, (n,): numbers or names.

        Returns:
            This classifier.

        Raises:
            ValueError: Images or labels have another form.
            UserError: A setting is wrong.

        Example:
            >>> classifier = apertune.ImageClassifier(trials=1, epochs=1, workers=1)
            >>> classifier = classifier.fit(data.images[:200], data.labels[:200])
            >>> classifier.predict(data.images[:2]).dtype
            dtype('int32')
        """
        images, labels = _images(X), np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.ndim != 1:
            raise ValueError(f"y must hold one label per image, (n,), but got an array of shape {labels.shape}")
        if len(labels) != len(images):
            raise ValueError(f"give one label per image, but got {len(labels)} for {len(images)} images")
        names, numbers = np.unique(labels, return_inverse=True)
        self.classes_: NDArray[Any] = names
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier can't train when only one class is present: {self.classes_.tolist()}")
        share = self.validation_share
        data = from_arrays(
            images,
            numbers,
            [f"class {number}" for number in range(len(self.classes_))],
            name="estimator",
            pixel_range=self.pixel_range,
            split=(1 - share, share, 0.0),
            seed=self.random_state,
        )
        given = {
            "trials": self.trials, "epochs": self.epochs, "objective": self.objective, "workers": self.workers,
        }  # fmt: skip
        given = {name: value for name, value in given.items() if value is not None}
        self.study_: Study = tune(
            data,
            self.space,
            preset=self.preset,
            home=self.home,
            quiet=self.quiet,
            seed=self.random_state,
            **{**given, **(self.settings or {})},
        )
        self.study_.data = None
        self.best_params_: Values = self.study_.best_params
        self.best_score_: float = self.study_.best_value
        self.image_shape_: tuple[int, ...] = images.shape[1:]
        self._space = self.study_.space
        self._files = _model_files(self.study_.model(), self.study_.home)
        self._model: Model | None = None
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803  # scikit-learn's name
        """Classifies images.

        Args:
            X: Images as `fit` takes them.

        Returns:
            A label per image, as they were given to `fit`.

        Example:
            >>> classifier.predict(data.images[:3]).shape
            (3,)
        """
        answers = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[answers.argmax(axis=1)]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float32]:  # noqa: N803  # scikit-learn's name
        """Returns the probability of each class.

        Args:
            X: Images as `fit` takes them.

        Returns:
            float32 (n, classes), in the order of `classes_`.

        Example:
            >>> classifier.predict_proba(data.images[:2]).shape
            (2, 10)
        """
        check_is_fitted(self, "classes_")
        return self._opened().predict_proba(_images(X), pixel_range=self.pixel_range)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Images have three or four axes; scikit-learn then leaves out its checks that need tables of numbers.
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.non_deterministic = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_model": None}

    def _opened(self) -> Model:
        if self._model is None:
            with scratch_folder("model") as scratch:
                for name, content in self._files.items():
                    target = Path(scratch, name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                model = Model(str(scratch), make_home(os.environ), self._space)
                _ = model.classes  # loads it, before its files are gone
            self._model = model
        return self._model


def _images(given: Any) -> NDArray[Any]:
    images = np.asarray(given)
    if images.ndim not in (3, 4):
        raise ValueError(
            "X must hold images, (n, height, width) or (n, height, width, channels), but got an array of shape "
            f"{images.shape}; reshape tables of pixels, such as X.reshape(-1, 8, 8)"
        )
    return images


def _model_files(model: Model, home: Home) -> dict[str, bytes]:
    """Returns the files of a saved model, so that a pickled classifier needs no store."""
    from ..search.tracking.model_addresses import model_folder

    with model_folder(model.name, home.tracking_uri) as folder:
        return {os.fspath(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
