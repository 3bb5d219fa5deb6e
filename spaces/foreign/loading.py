"""Loading of spaces that users bring: a KerasTuner HyperModel, class or instance, or a function `build(hp)`."""

from __future__ import annotations

import ast
import importlib
import inspect
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from ...datasets.base import DataSpec
from ...errors import SettingError, SpaceError, UnknownNameError
from ..base import Candidate, Declaration, Recipe, RecipeSpace
from ..recipes.losses import ExampleLoss, LossSettings
from ..recipes.standard import StandardRecipe
from .adaptation import adapted
from .compilation import compiled_only

logger = logging.getLogger(__name__)

RECIPES: dict[str, type[RecipeSpace]] = {"standard": StandardRecipe}

# For a model that is trained without our recipe: the batch size, and the rate where it has no optimizer.
BATCH_SIZE = 32
LEARNING_RATE = 1e-3
# Put before the names of our recipe's parameters, since the user's may be called the same (`optimizer`).
RECIPE_SCOPE = "recipe"


class ForeignSpace:
    """A user's HyperModel as a `Space`.

    Without a recipe, a compiled model keeps its optimizer and loss, and any other gets Adam and cross-entropy.

    Args:
        name: The user's name of the space.
        hypermodel: The user's HyperModel.
        spec: The data set's facts.
        recipe: The recipe to train by; None to train as the user's model is compiled.
        rescale: Whether pixels are rescaled to 0 to 1 before they reach the model; None to do so unless the model has
            a layer for it.
    """

    def __init__(
        self,
        name: str,
        hypermodel: keras_tuner.HyperModel,
        spec: DataSpec,
        *,
        recipe: RecipeSpace | None = None,
        rescale: bool | None = None,
    ) -> None:
        self._name = name
        self._hypermodel = hypermodel
        self._spec = spec
        self._recipe = recipe
        self._rescale = rescale

    @property
    def name(self) -> str:
        return self._name

    @property
    def hypermodel(self) -> keras_tuner.HyperModel:
        return self._hypermodel

    def declarations(self) -> tuple[Declaration, ...]:
        return self._build_and_drop, self._declare_recipe

    def without_effect(self, parameters: Sequence[Any]) -> list[Any]:
        """Returns the parameters that only decide how the model itself is compiled; none without a recipe."""
        if self._recipe is None:
            return []
        own = [parameter for parameter in parameters if not parameter.name.startswith(f"{RECIPE_SCOPE}/")]
        dropped = compiled_only(self._hypermodel.build, own)
        if dropped:
            names = ", ".join(sorted({parameter.name for parameter in dropped}))
            words = "%s is trained by the recipe, so the model's own compilation parameters are not searched: %s"
            logger.warning(words, self.name, names)
        return dropped

    def candidate(self, hp: keras_tuner.HyperParameters, *, epochs: int, seed: int) -> Candidate:
        """Builds the user's model and adapts it.

        Raises:
            SpaceError: The model does not fit the data set's images or classes.
        """
        keras.utils.set_random_seed(seed)
        recipe = self._declare_recipe(hp)
        model = self._hypermodel.build(hp)
        if not isinstance(model, keras.Model):
            raise SpaceError(
                f"{self.name} must build a keras.Model, but built an object of type {type(model).__name__}"
            )
        network, loss = adapted(model, self._spec, name=self.name, rescale=self._rescale)
        if recipe is not None:
            candidate: Candidate = recipe.candidate(network, self._spec, epochs=epochs, seed=seed)
            return candidate
        optimizer = model.optimizer if model.compiled else None
        return Candidate(
            network=network,
            optimizer=optimizer or keras.optimizers.Adam(LEARNING_RATE),
            loss=loss or ExampleLoss(LossSettings(), self._spec.task),
            batch_size=BATCH_SIZE,
        )

    def _build_and_drop(self, hp: keras_tuner.HyperParameters) -> None:
        try:
            self._hypermodel.build(hp)
        finally:
            keras.utils.clear_session()

    def _declare_recipe(self, hp: keras_tuner.HyperParameters) -> Recipe | None:
        if self._recipe is None:
            return None
        with hp.name_scope(RECIPE_SCOPE):
            return self._recipe.declare(hp, self._spec)


def load_foreign(name: str, spec: DataSpec, *, recipe: str | None, options: Mapping[str, str]) -> ForeignSpace:
    """Returns the space that `package.module:Name` names, in the current folder or installed.

    Args:
        name: The space's module and name.
        spec: The data set's facts.
        recipe: A key of `RECIPES`, or None to train as the user's model is compiled.
        options: `rescale` (yes or no), and keywords of a HyperModel class.

    Raises:
        UnknownNameError: There is no such name or recipe.
        SettingError: An option is unknown or wrong.
        SpaceError: The module cannot be imported, or holds no HyperModel of that name.
    """
    if recipe is not None and recipe not in RECIPES:
        raise UnknownNameError("recipe", recipe, RECIPES)
    keywords = dict(options)
    rescale = _yes_or_no(keywords.pop("rescale", None))
    hypermodel = _hypermodel(name, _imported(name), spec, keywords)
    return ForeignSpace(name, hypermodel, spec, recipe=None if recipe is None else RECIPES[recipe](), rescale=rescale)


def _imported(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        # Last, so that a file in the folder never replaces an installed package.
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise SpaceError(f"{module_name} needs the module '{error.name}', which is not installed") from error
        raise SpaceError(
            f"there is no module '{module_name}' in this folder or installed; --space takes package.module:Name"
        ) from error
    except Exception as error:
        raise SpaceError(f"importing {module_name} failed: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        public = (known for known in vars(module) if not known.startswith("_"))
        raise UnknownNameError(f"name in {module_name}", attribute, public)
    return getattr(module, attribute)


def _hypermodel(name: str, thing: Any, spec: DataSpec, keywords: dict[str, str]) -> keras_tuner.HyperModel:
    if inspect.isclass(thing) and issubclass(thing, keras_tuner.HyperModel):
        return _instance(name, thing, spec, keywords)
    if keywords:
        raise SettingError(f"{name} takes no options, but got {', '.join(sorted(keywords))}")
    if isinstance(thing, keras_tuner.HyperModel):
        return thing
    if callable(thing) and not inspect.isclass(thing):
        return _BuildFunction(thing, name)
    raise SpaceError(
        f"{name} must be a keras_tuner.HyperModel or a function build(hp), but is of type {type(thing).__name__}"
    )


class _BuildFunction(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner ships no types
    """A function `build(hp)` as a HyperModel."""

    def __init__(self, function: Any, name: str) -> None:
        self._function = function
        super().__init__(name=name)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return self._function(hp)


def _instance(name: str, kind: Any, spec: DataSpec, keywords: dict[str, str]) -> keras_tuner.HyperModel:
    """Makes an instance, and gives it those facts of the data set that its constructor has keywords for."""
    facts: dict[str, Any] = {
        "input_shape": spec.image_shape,
        "image_shape": spec.image_shape,
        "classes": spec.outputs,
        "num_classes": spec.outputs,
        "spec": spec,
    }
    accepted = inspect.signature(kind.__init__).parameters
    strangers = sorted(keywords.keys() - accepted.keys())
    if strangers:
        raise SettingError(f"{name} takes no option {', '.join(strangers)}; it has: {', '.join(list(accepted)[1:])}")
    given = {key: value for key, value in facts.items() if key in accepted}
    given |= {key: _literal(text) for key, text in keywords.items()}
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise SpaceError(f"{name} could not be made: {error}; bind its arguments in a module of your own") from error


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _yes_or_no(text: str | None) -> bool | None:
    if text is None:
        return None
    if text.lower() not in ("yes", "no", "true", "false"):
        raise SettingError(f"the option rescale must be yes or no, but got '{text}'")
    return text.lower() in ("yes", "true")
