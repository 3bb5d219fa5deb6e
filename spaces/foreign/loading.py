"""Loading of spaces that users bring: a KerasTuner HyperModel, class or instance, or a function `build(hp)`."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner

from ...datasets.base import DataSpec
from ...errors import SettingError, SpaceError, UnknownNameError
from ...text import first_line
from ..base import Candidate, Declaration, Outline, Recipe, RecipeSpace
from ..recipes.losses import ExampleLoss, LossSettings
from ..recipes.standard import StandardRecipe
from .adaptation import Adapted, adapted
from .advice import build_advice
from .answers import AnswerKind
from .compilation import compiled_only
from .importing import import_space
from .own_training import (
    UserTraining,
    declare_in_fit,
    overrides_fit,
    overrides_training,
    wants_class_numbers,
)
from .pixel_range import probe_pixels

logger = logging.getLogger(__name__)

RECIPES: dict[str, type[RecipeSpace]] = {"standard": StandardRecipe}

# For a model that is trained without our recipe: the batch size, and the rate where it has no optimizer.
BATCH_SIZE = 32
LEARNING_RATE = 1e-3
# Put before the names of our recipe's parameters, since the user's may be called the same (`optimizer`).
RECIPE_SCOPE = "recipe"


class ForeignSpace:
    """A user's HyperModel as a `Space`.

    Without a recipe, a compiled model is trained as the user's code trains it, by their `HyperModel.fit` if they wrote
    one. A model that is not compiled gets Adam and cross-entropy.

    Args:
        name: The user's name of the space.
        hypermodel: The user's HyperModel.
        spec: The data set's facts.
        recipe: The recipe to train by; None to train as the user's code does.
        rescale: Whether pixels are rescaled to 0 to 1 before they reach the model; None to find out what it expects.
        class_numbers: Whether the model's loss takes class numbers rather than one-hot rows; None to find out.
    """

    def __init__(
        self,
        name: str,
        hypermodel: keras_tuner.HyperModel,
        spec: DataSpec,
        *,
        recipe: RecipeSpace | None = None,
        rescale: bool | None = None,
        class_numbers: bool | None = None,
    ) -> None:
        self._name = name
        self._hypermodel = hypermodel
        self._spec = spec
        self._recipe = recipe
        self._rescale = rescale
        self._class_numbers = class_numbers

    @property
    def name(self) -> str:
        return self._name

    @property
    def hypermodel(self) -> keras_tuner.HyperModel:
        return self._hypermodel

    @property
    def declares_all(self) -> bool:
        return False

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
        model = self._built(hp)
        network = adapted(model, self._spec, name=self.name, rescale=self._rescale)
        notes = self._notes(network)
        if recipe is not None:
            candidate: Candidate = recipe.candidate(network.network, self._spec, epochs=epochs, seed=seed)
            return replace(candidate, notes=(*notes, *self._left_out(model)))
        if model.compiled or overrides_fit(self._hypermodel):
            return Candidate(
                network=network.network,
                optimizer=model.optimizer if model.compiled else None,
                loss=None,
                batch_size=BATCH_SIZE,
                own_training=self._own_training(model, network, hp),
                notes=notes,
            )
        return Candidate(
            network=network.network,
            optimizer=keras.optimizers.Adam(LEARNING_RATE),
            loss=ExampleLoss(LossSettings(), self._spec.task),
            batch_size=BATCH_SIZE,
            notes=(*notes, f"{self.name} is not compiled, so Adam at {LEARNING_RATE:g} and cross-entropy train it"),
        )

    def outline(self, hp: keras_tuner.HyperParameters) -> Outline:
        """Builds the user's model as for a trial, since their code may not bear anything else."""
        candidate = self.candidate(hp, epochs=1, seed=0)
        return Outline(candidate.network, candidate.views)

    def _own_training(self, model: keras.Model, network: Adapted, hp: keras_tuner.HyperParameters) -> UserTraining:
        class_numbers = self._class_numbers
        if class_numbers is None:
            class_numbers = wants_class_numbers(model, self._spec, network.columns, network.pixels.scale)
        return UserTraining(
            model,
            network.pixels.scale,
            self._spec,
            network.columns,
            self._hypermodel,
            hp,
            class_numbers=class_numbers,
        )

    def _notes(self, network: Adapted) -> tuple[str, ...]:
        pixels = network.pixels
        other = "no feeds 0 to 255" if pixels.words == "0 to 1" else "yes feeds 0 to 1"
        lines = [f"{self.name} gets pixels from {pixels.words}, since {pixels.reason}; --space-option rescale={other}"]
        if network.answers is AnswerKind.SHARES:
            lines.append(f"{self.name} answers with shares that do not add up to 1, so they are divided by their sum")
        elif network.answers is not AnswerKind.PROBABILITIES:
            lines.append(f"{self.name} answers with {network.answers.value}, which are made into probabilities")
        return tuple(lines)

    def _left_out(self, model: keras.Model) -> tuple[str, ...]:
        """Returns a line on what of the user's training the recipe replaces."""
        own = overrides_training(model)
        if overrides_fit(self._hypermodel):
            own.insert(0, "HyperModel.fit")
        if not own:
            return ()
        return (f"{self.name} is trained by the recipe, so its own {', '.join(own)} is not called; leave out --recipe",)

    def _built(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        if (declare := getattr(self._hypermodel, "declare_hyperparameters", None)) is not None:
            declare(hp)
        try:
            model = self._hypermodel.build(hp)
        except Exception as error:
            if (advice := build_advice(self.name, error)) is not None:
                raise SpaceError(advice) from error
            raise
        if not isinstance(model, keras.Model):
            raise SpaceError(
                f"{self.name} must build a keras.Model, but built an object of type {type(model).__name__}"
            )
        return model

    def _build_and_drop(self, hp: keras_tuner.HyperParameters) -> None:
        """Builds the model, and calls it and its `fit` as far as they may ask for hyperparameters."""
        try:
            model = self._built(hp)
            if not getattr(model, "outputs", None):
                # A model's own `call` may ask, too. One that does not fit the images is refused later, in words.
                with contextlib.suppress(Exception):
                    model(probe_pixels(self._spec.image_shape), training=False)
            if self._recipe is None and overrides_fit(self._hypermodel):
                declare_in_fit(self._hypermodel, hp, model, self._spec)
        finally:
            # Without a garbage collection, which would take longer than most builds.
            keras.utils.clear_session(free_memory=False)

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
        options: `rescale` (yes or no), `targets` (one-hot or class-numbers), and keywords of a HyperModel class.

    Raises:
        UnknownNameError: There is no such name or recipe.
        SettingError: An option is unknown or wrong.
        SpaceError: The module cannot be imported, or holds no HyperModel of that name.
    """
    if recipe is not None and recipe not in RECIPES:
        raise UnknownNameError("recipe", recipe, RECIPES)
    keywords = dict(options)
    rescale = _chosen(
        "rescale", keywords.pop("rescale", None), {"yes": True, "true": True, "no": False, "false": False}
    )
    class_numbers = _chosen("targets", keywords.pop("targets", None), {"class-numbers": True, "one-hot": False})
    hypermodel = _hypermodel(name, import_space(name), spec, keywords)
    return ForeignSpace(
        name,
        hypermodel,
        spec,
        recipe=None if recipe is None else RECIPES[recipe](),
        rescale=rescale,
        class_numbers=class_numbers,
    )


def _hypermodel(name: str, thing: Any, spec: DataSpec, keywords: dict[str, str]) -> keras_tuner.HyperModel:
    if isinstance(thing, BaseTuner):
        thing = thing.hypermodel
    if inspect.isclass(thing) and issubclass(thing, keras_tuner.HyperModel):
        thing = _called(name, thing, list(inspect.signature(thing.__init__).parameters)[1:], spec, keywords)
    elif isinstance(thing, keras_tuner.HyperModel):
        _refuse_options(name, keywords)
    elif callable(thing) and not inspect.isclass(thing) and not isinstance(thing, keras.layers.Layer):
        return _BuildFunction(_with_facts(name, thing, spec, keywords), name)
    else:
        raise SpaceError(f"{name} must be a keras_tuner.HyperModel or a function build(hp), but is {_described(thing)}")
    if _has_no_build(thing):
        raise SpaceError(f"{name} has no method build(self, hp): write one that returns the compiled model")
    return thing


def _has_no_build(hypermodel: keras_tuner.HyperModel) -> bool:
    """Returns whether neither the HyperModel's class nor the object itself, as a tuner makes it, has a `build`."""
    base, own = keras_tuner.HyperModel, vars(hypermodel).get("build")
    return type(hypermodel).build is base.build and (
        own is None or getattr(own, "__func__", None) is base._build_wrapper
    )


def _described(thing: Any) -> str:
    if isinstance(thing, keras.Model):
        return "a model, which has nothing to search: build it in a function that takes hp"
    return f"the class {thing.__name__}" if inspect.isclass(thing) else f"of type {type(thing).__name__}"


def _refuse_options(name: str, keywords: Mapping[str, str]) -> None:
    if keywords:
        raise SettingError(f"{name} takes no options, but got {', '.join(sorted(keywords))}")


class _BuildFunction(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner ships no types
    """A function `build(hp)` as a HyperModel."""

    def __init__(self, function: Any, name: str) -> None:
        self._function = function
        super().__init__(name=name)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return self._function(hp)


def _with_facts(name: str, function: Any, spec: DataSpec, keywords: dict[str, str]) -> Any:
    """Binds the arguments of a function that come after `hp`."""
    try:
        accepted = list(inspect.signature(function).parameters)
    except ValueError:
        accepted = ["hp"]
    if not accepted:
        raise SpaceError(f"{name} must take one argument, the hyperparameters: write it as build(hp)")
    if len(accepted) == 1:
        _refuse_options(name, keywords)
        return function
    return _called(name, functools.partial(functools.partial, function), accepted[1:], spec, keywords, function)


def _called(
    name: str, make: Any, accepted: Sequence[str], spec: DataSpec, keywords: Mapping[str, str], function: Any = None
) -> Any:
    """Calls a constructor with those facts of the data set that it has keywords for, and with the user's options.

    Args:
        name: The user's name of the space, for messages.
        make: The constructor.
        accepted: The names of its arguments.
        spec: The data set's facts.
        keywords: The user's options.
        function: The function whose arguments are bound, where that is what is made.

    Raises:
        SettingError: It has no argument of that name.
        SpaceError: An argument is missing or wrong.
    """
    # Two outputs for two classes, as KerasTuner's own models have them.
    columns = max(2, spec.outputs) if spec.task == "binary" else spec.outputs
    facts: dict[str, Any] = {
        "input_shape": spec.image_shape,
        "image_shape": spec.image_shape,
        "classes": columns,
        "num_classes": columns,
        "n_classes": columns,
        "spec": spec,
    }
    strangers = sorted(keywords.keys() - set(accepted))
    if strangers:
        raise SettingError(f"{name} takes no option {', '.join(strangers)}; it has: {', '.join(accepted)}")
    given = {key: value for key, value in facts.items() if key in accepted}
    given |= {key: _literal(text) for key, text in keywords.items()}
    if missing := _missing(function or make, given, bound=1 if function else 0):
        options = " ".join(f"--space-option {argument}=VALUE" for argument in missing)
        raise SpaceError(f"{name} needs a value for {', '.join(missing)}: give it with {options}")
    try:
        return make(**given)
    except (TypeError, ValueError) as error:
        raise SpaceError(
            f"{name} could not be made: {first_line(error)}; change its arguments with --space-option NAME=VALUE, or "
            "bind them in a module of your own"
        ) from error


def _missing(function: Any, given: Mapping[str, Any], *, bound: int) -> list[str]:
    """Returns the names of arguments that must be given and are not; the first `bound` ones are given later."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = list(inspect.signature(function).parameters.values())[bound:]
    return [p.name for p in parameters if p.default is p.empty and p.kind in named and p.name not in given]


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _chosen(option: str, text: str | None, meanings: Mapping[str, bool]) -> bool | None:
    if text is None:
        return None
    if text.lower() not in meanings:
        raise SettingError(f"the option {option} must be {' or '.join(meanings)}, but got '{text}'")
    return meanings[text.lower()]
