"""Weights that are looked for before a study is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from apertune.cli.search import check_before_loading
from apertune.errors import SettingError, SpaceError, UnknownNameError
from apertune.search.settings import SearchSettings, make_home
from apertune.spaces.networks import weights as weights_module
from apertune.spaces.networks.weights import WEIGHT_FILES, check_weights, weight_address, weight_file


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights are kept, and none can be downloaded."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(weights_module, "_is_reachable", lambda address: False)


def test_missing_weights_are_all_listed() -> None:
    """One line says what to do, and each backbone has a line with the address, which ends with the file's name."""
    with pytest.raises(SpaceError) as raised:
        check_weights("imagenet", list(WEIGHT_FILES), one_file=False)
    assert "--space-option weights=FOLDER" in raised.value.line
    assert "\n" not in raised.value.line
    assert [line.split() for line in raised.value.details] == [[name, weight_address(name)] for name in WEIGHT_FILES]
    assert all(weight_address(name).endswith(weight_file(name)) for name in WEIGHT_FILES)
    assert raised.value.exit_status == 2


def test_weights_that_can_be_downloaded_are_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place where files are published is asked only for those that are not there yet."""
    asked: list[str] = []
    monkeypatch.setattr(weights_module, "_is_reachable", lambda address: not asked.append(address))
    check_weights("imagenet", ["resnet50"], one_file=True)
    assert asked == [weight_address("resnet50")]
    check_weights("none", list(WEIGHT_FILES), one_file=False)
    assert len(asked) == 1


def test_a_folder_needs_the_files_of_the_backbones_that_are_searched(tmp_path: Path) -> None:
    """A folder is enough as soon as it has what is searched; a file is of one backbone."""
    file = tmp_path / weight_file("resnet50")
    file.touch()
    check_weights(str(tmp_path), ["resnet50"], one_file=False)
    with pytest.raises(SpaceError, match="the ImageNet weights of 4 backbones are not in"):
        check_weights(str(tmp_path), list(WEIGHT_FILES), one_file=False)
    check_weights(str(file), ["resnet50"], one_file=True)
    with pytest.raises(SettingError, match="fit one backbone only; give the option backbone, too, or a folder"):
        check_weights(str(file), list(WEIGHT_FILES), one_file=False)
    with pytest.raises(UnknownNameError, match="unknown backbone 'resnet5'; did you mean 'resnet50'"):
        check_weights("none", ["resnet5"], one_file=True)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 5),
        ({"fix": {"backbone": "resnet50"}}, 0),
        ({"narrow": {"backbone": "resnet50,convnext_tiny"}}, 2),
        ({"space_options": {"backbone": "resnet50"}}, 0),
    ],
)
def test_a_search_looks_before_it_makes_anything(settings: dict[str, dict[str, str]], count: int) -> None:
    """A search lists the weights of the backbones that it would build; one alone is named in the line itself."""
    with pytest.raises(SpaceError) as raised:
        check_before_loading(SearchSettings(space="pretrained", **settings), make_home({}))
    assert len(raised.value.details) == count
    assert ("resnet50_weights" in raised.value.line) == (count == 0)
    assert not list(Path().iterdir())


def test_other_spaces_and_clusters_look_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space without weights needs none; the published ResNet50 needs its own."""
    check_before_loading(SearchSettings(space="convnet"), make_home({}))
    with pytest.raises(SpaceError, match="the ImageNet weights of resnet50"):
        check_before_loading(SearchSettings(space="voc2012-resnet50"), make_home({}))
    with pytest.raises(UnknownNameError, match="unknown space option 'weigths'; did you mean 'weights'"):
        check_before_loading(SearchSettings(space="pretrained", space_options={"weigths": "none"}), make_home({}))
