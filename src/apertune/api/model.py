"""A trained model in Python: it predicts, exports itself, and gives its Keras network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.arrays import in_bytes
from ..datasets.memory.pixels import check_range
from ..errors import SettingError
from ..search.settings import Home
from ..spaces.foreign.sent import look_in, pack
from ..text import counted
from .arguments import home_in

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from ..search.export.exporting import ExportReport
    from ..search.export.formats import Precision
    from ..search.prediction import Answer, Predictor

_BATCH = 256
PixelRange = tuple[float, float]


class Model:
    """A saved model, loaded when it is first asked for something.

    Args:
        name: `photographs@champion`, `photographs@3`, `runs:/RUN/model`, or the folder of a saved or exported model.
        home: Where results are.
        space: The space whose module, or whose code sent from Python, holds classes of the user's own.
    """

    def __init__(self, name: str, home: Home, space: str | None = None) -> None:
        self.name = name
        self._home = home
        self._space = space
        self._predictor: Predictor | None = None
        self._network: keras.Model | None = None

    def __repr__(self) -> str:
        return f"<Model {self.name}>"

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self._opened().contract.classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that the network takes."""
        return self._opened().contract.image_shape

    def keras(self) -> keras.Model:
        """Loads the network as a Keras model: uint8 pixels of `image_shape` in, probabilities out.

        Returns:
            The network, without any augmentation.

        Raises:
            ModelError: A file is missing, altered or unsafe.

        Example:
            >>> network = study.best_model()
            >>> network.input_shape
            (None, 8, 8, 1)
        """
        if self._network is None:
            from ..search.models.package import load_model
            from ..search.tracking.model_addresses import model_folder

            self._trust()
            with model_folder(self.name, self._home.tracking_uri) as folder:
                self._network, _ = load_model(folder)
        return self._network

    def predict(self, images: Any, *, pixel_range: PixelRange | None = None, minimum_probability: float | None = None
                ) -> Any:  # fmt: skip
        """Names what images show.

        Args:
            images: A file, a folder, a pattern or a list of these; or pixels, uint8 (n, height, width) or
                (n, height, width, channels) of any size.
            pixel_range: The lowest and the highest value that a pixel may have, for other types than uint8.
            minimum_probability: Answer "unknown" below this probability; the model's own unless given.

        Returns:
            For files a DataFrame with a row per file: its name, the probability of that, and the probability of each
            class, or the problem of a file that cannot be read. For pixels an array of names (n,).

        Raises:
            SettingError: A file is not there, or pixels are of another type or form.
            ModelError: The model is missing, altered or unsafe.

        Example:
            >>> study.model().predict(data.images[:2]).shape
            (2,)
        """
        predictor = self._opened()
        if _are_files(images):
            return self._predict_files(images, minimum_probability)
        pixels = self._pixels(images, pixel_range)
        answers = [
            answer
            for start in range(0, len(pixels), _BATCH)
            for answer in _decided(predictor, pixels[start : start + _BATCH], minimum_probability)
        ]
        return np.array([answer.name for answer in answers])

    def predict_proba(self, images: Any, *, pixel_range: PixelRange | None = None) -> NDArray[np.float32]:
        """Returns the probability of each class.

        Args:
            images: Pixels, uint8 (n, height, width) or (n, height, width, channels) of any size.
            pixel_range: The lowest and the highest value that a pixel may have, for other types than uint8.

        Returns:
            float32 (n, classes), also for two classes.

        Raises:
            SettingError: Pixels are of another type or form.
            ModelError: The model is missing, altered or unsafe.

        Example:
            >>> study.model().predict_proba(data.images[:2]).shape
            (2, 10)
        """
        predictor = self._opened()
        pixels = self._pixels(images, pixel_range)
        parts = [predictor.function(pixels[start : start + _BATCH]) for start in range(0, len(pixels), _BATCH)]
        columns = predictor.contract.outputs
        answers = np.concatenate(parts) if parts else np.zeros((0, columns), np.float32)
        if predictor.contract.task == "binary":
            answers = np.concatenate([1 - answers, answers], axis=1)
        return np.asarray(answers, np.float32)

    def export(
        self,
        folder: str | Path,
        formats: Sequence[str] | None = None,
        *,
        quantize: Precision | None = None,
        push_to_hub: str | None = None,
    ) -> ExportReport:
        """Writes the model for other runtimes; each file is proven to answer as the model does.

        README.md in the folder says how each file is used.

        Args:
            folder: The folder to make; it must not exist.
            formats: Some of "keras", "saved_model", "onnx" and "litert"; all of them unless given.
            quantize: "float16", to write smaller files, too.
            push_to_hub: A repository of the Hugging Face Hub, "USER/NAME", to upload the folder to; it is made private
                unless it exists.

        Returns:
            What was written, and how equal it is.

        Raises:
            SettingError: A format is unknown, or the folder exists.
            MissingExtraError: A format's packages are not installed.
            ApertuneError: A format does not answer as the original does.

        Example:
            >>> report = study.model().export("exported", formats=["keras"])
            >>> report.rows[0].equal_answers
            1.0
        """
        from ..search.export import export_model
        from ..search.export.formats import FORMATS
        from ..search.export.hub import check_repository
        from ..search.export.hub import push_to_hub as push
        from ..search.tracking.model_addresses import model_folder

        wanted = (formats,) if isinstance(formats, str) else tuple(FORMATS if formats is None else formats)
        if push_to_hub is not None:
            check_repository(push_to_hub)
        self._trust()
        with model_folder(self.name, self._home.tracking_uri) as saved:
            report = export_model(saved, Path(folder), formats=wanted, quantize=quantize)
        if push_to_hub is not None:
            push(report.folder, push_to_hub)
        return report

    def _trust(self) -> None:
        if self._space is not None:
            from ..search.models.own_classes import trust_space

            trust_space(self._space)

    def _opened(self) -> Predictor:
        if self._predictor is None:
            from ..search.prediction import open_predictor
            from ..search.tracking.model_addresses import model_folder

            self._trust()
            with model_folder(self.name, self._home.tracking_uri) as folder:
                self._predictor = open_predictor(folder)
        return self._predictor

    def _pixels(self, images: Any, pixel_range: PixelRange | None) -> NDArray[np.uint8]:
        arrays = [np.asarray(image) for image in images]
        whole = [_in_bytes(array, pixel_range) for array in arrays]
        predictor = self._opened()
        resized = [predictor.resize(image[..., None] if image.ndim == 2 else image) for image in whole]
        shape = predictor.contract.image_shape
        return np.stack(resized) if resized else np.zeros((0, *shape), np.uint8)

    def _predict_files(self, given: Any, minimum_probability: float | None) -> pd.DataFrame:
        import pandas as pd

        from ..search.prediction.sources import find_files

        words = [given] if isinstance(given, str | os.PathLike) else list(given)
        found = find_files([os.fspath(word) for word in words])
        if found.videos and not found.images:
            raise SettingError(f"videos are named with the command apertune predict, but got {found.videos[0].name}")
        predictor = self._opened()
        rows: list[dict[str, Any]] = []
        for entry in predictor.answer_files(found.images):
            if entry.answer is None:
                rows.append({"file": str(entry.path), "problem": entry.problem})
                continue
            shares = dict(entry.answer.probabilities)
            row: dict[str, Any] = {
                "file": str(entry.path),
                "name": entry.answer.name,
                "probability": entry.answer.probability,
            }
            if minimum_probability is not None and entry.answer.probability < minimum_probability:
                row["name"] = "unknown"
            rows.append({**row, **{name: shares[name] for name in predictor.contract.classes}})
        table: pd.DataFrame = pd.DataFrame(rows)
        return table


class Champion(Model):
    """A model that a promotion registered.

    Args:
        promotion: The outcome of the promotion.
        home: Where results are.
        space: The study's space.
    """

    def __init__(self, promotion: Any, home: Home, space: str) -> None:
        registered = promotion.registered
        super().__init__(f"models:/{registered.model}/{registered.version}", home, space)
        self.promotion = promotion
        """All that the promotion found."""

    def __repr__(self) -> str:
        registered = self.promotion.registered
        return f"<{registered.alias.capitalize()} {registered.model} version {registered.version}>"

    @property
    def is_champion(self) -> bool:
        """True if it became the champion; a challenger was not really better than the present one."""
        return bool(self.promotion.examination.verdict.promoted)

    @property
    def reason(self) -> str:
        """The reason of the verdict, in words."""
        return str(self.promotion.examination.verdict.reason)

    def scores(self) -> pd.DataFrame:
        """Returns the scores on validation and test images, a row per metric, with the 95 % interval of the test.

        Example:
            >>> list(champion.scores().columns)
            ['validation', 'test', 'low', 'high']
        """
        import pandas as pd

        scores = self.promotion.examination.scores
        rows = {
            score.metric: {"validation": score.validation, "test": score.test, "low": score.low, "high": score.high}
            for score in scores
        }
        table: pd.DataFrame = pd.DataFrame.from_dict(rows, orient="index")
        return table

    def _repr_html_(self) -> str:
        import html

        images = counted(self.promotion.examination.test_images, "test image")
        words = f"{self!r}: {self.reason}; scores on {images}".strip("<>")
        return f"<div><p>{html.escape(words)}</p>{self.scores().to_html(float_format='{:.4f}'.format, border=0)}</div>"


def open_model(name: str, *, space: Any = None, home: str | Path | None = None) -> Model:
    """Opens a model by its name.

    Args:
        name: `photographs@champion`, `photographs@3`, `runs:/RUN/model`, or the folder of a saved or exported model.
        space: The space of a network with classes of your own: package.module:Name, or the function or HyperModel
            itself. Nothing else is trusted.
        home: The folder of results; `mlflow` in the working directory unless given.

    Returns:
        The model, which is loaded when it is first asked for something.

    Raises:
        SettingError: The name is none.

    Example:
        >>> apertune.open_model("no such model")
        Traceback (most recent call last):
        ...
        apertune.errors.SettingError: 'no such model' is neither a folder nor the name of a model; give ...
    """
    from ..search.tracking.model_addresses import model_address

    model_address(name)
    place = home_in(home)
    look_in(place.spaces)
    if space is not None and not isinstance(space, str):
        space = pack(space, "space").name
    return Model(name, place, space)


def _are_files(images: Any) -> bool:
    if isinstance(images, str | os.PathLike):
        return True
    if not isinstance(images, list | tuple) or not images:
        return False
    return all(isinstance(one, str | os.PathLike) for one in images)


def _decided(predictor: Predictor, pixels: NDArray[np.uint8], minimum: float | None) -> list[Answer]:
    from ..search.prediction import decide

    least = predictor.minimum_probability if minimum is None else minimum
    return decide(predictor.contract, predictor.function(pixels), least)


def _in_bytes(image: NDArray[Any], pixel_range: PixelRange | None) -> NDArray[np.uint8]:
    if image.ndim not in (2, 3):
        raise SettingError(f"images must be files or pixels (n, height, width, channels), but one has {image.ndim} "
                           "axes")  # fmt: skip
    stated = check_range(pixel_range)
    if stated is not None:
        return in_bytes(image.astype(np.float64), stated)
    if image.dtype == np.uint8:
        return image
    raise SettingError(
        f"pixels must be uint8 from 0 to 255, but got {image.dtype}; say their range, such as pixel_range=(0, 1)"
    )
