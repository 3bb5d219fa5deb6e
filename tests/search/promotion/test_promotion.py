"""Promotion from two real studies of digits, a weak and a strong one, to the registry and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from apertune.cli import cli
from apertune.datasets import LoadSettings, load
from apertune.errors import ModelError, SettingError, StudyError, UnknownNameError
from apertune.search.export.samples import SAMPLES_FILE, read_samples
from apertune.search.models.contract import read_contract
from apertune.search.models.package import load_model, write_manifest
from apertune.search.promotion import Promotion, PromotionSettings, promote, rollback
from apertune.search.promotion.opening import count_openings, level_after
from apertune.search.results import read_study
from apertune.search.tracking.mlflow_store import fetch_run_file, has_model, run_of_model
from apertune.search.tracking.model_addresses import model_folder

if TYPE_CHECKING:
    from .conftest import Studies

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WEAK = PromotionSettings(study="weak", seeds=1)
STRONG = PromotionSettings(study="strong", seeds=1)


@pytest.fixture(scope="module")
def first(studies: Studies) -> Promotion:
    """The weak study's trial, which is better than no model at all."""
    return studies.promote(WEAK)


def by_command(studies: Studies, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """Returns the output of `apertune WORDS` in the studies' folder."""
    monkeypatch.chdir(studies.home.root.parent)
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_better_challenger_moves_the_champion_and_no_other_does(
    studies: Studies, first: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first model above the baseline is champion; its equal is challenger; a better one champion, a worse one not.

    Rolling back makes the one before champion again, and says so when there is none.
    """
    registry = studies.registry
    assert first.registered.alias == "champion", first.examination.verdict.reason
    equal = studies.promote(WEAK)
    assert equal.registered.alias == "challenger"
    assert "not really better" in equal.examination.verdict.reason
    better = by_command(studies, monkeypatch, "promote", "digits", "--study", "strong", "--seeds", "1", "--json")
    assert (better["study"], better["alias"], better["promoted"]) == ("strong", "champion", True), better["reason"]
    assert np.isfinite(next(score["low"] for score in better["scores"] if score["metric"] == "macro_f1"))
    assert registry.aliases() == {"champion": better["version"], "challenger": equal.registered.version}
    worse = studies.promote(WEAK)
    assert worse.registered.alias == "challenger"
    assert registry.aliases()["champion"] == better["version"]
    moved = by_command(studies, monkeypatch, "rollback", "digits", "--json")
    assert (moved["before"], moved["after"]) == (better["version"], first.registered.version)
    assert registry.aliases()["champion"] == first.registered.version
    with pytest.raises(StudyError, match="is the first champion: there is none before it"):
        rollback(studies.home, "digits")
    assert registry.aliases()["champion"] == first.registered.version


def test_a_version_says_where_it_comes_from(studies: Studies, first: Promotion) -> None:
    """A version has a card, the data's fingerprint, its trial's and search's runs, and its run the test's plots."""
    client = MlflowClient(studies.home.tracking_uri)
    version = client.get_model_version("apertune-digits", first.registered.version)
    assert version.description.startswith("# digits: 0, 1, 2")
    for part in ("| macro_f1 |", "confusion_matrix.png", studies.dataset.fingerprint, "licence: ", "learning_rate: "):
        assert part in version.description
    tags = version.tags
    assert (tags["study"], tags["trial"], tags["fingerprint"]) == ("weak", "0", studies.dataset.fingerprint)
    assert client.get_run(tags["trial_run"]).data.tags["mlflow.parentRunId"] == tags["search_run"]
    promotion = client.get_run(first.registered.run_id)
    assert promotion.info.status == "FINISHED"
    score = first.examination.score("macro_f1")
    assert promotion.data.metrics["test_macro_f1"] == pytest.approx(score.test)
    assert promotion.data.metrics["test_macro_f1_low"] == pytest.approx(score.low)
    names = {file.path for file in client.list_artifacts(first.registered.run_id)}
    assert {"model_card.md", "confusion_matrix.png", "predictions.npz", "scores.csv", SAMPLES_FILE} <= names
    for score in first.examination.scores:
        if score.metric == "expected_calibration_error":
            assert (score.low, score.high) == (None, None)
            continue
        assert score.low is not None
        assert score.high is not None
        assert score.low <= score.test <= score.high, score.metric


def test_mlflow_says_whether_a_run_has_a_model(studies: Studies, first: Promotion) -> None:
    """A trial's run has its model; the run of its search has none of its own."""
    tags = studies.registry.version_tags(first.registered.version)
    assert has_model(tags["trial_run"], studies.home.tracking_uri)
    assert not has_model(tags["search_run"], studies.home.tracking_uri)


def test_the_registered_model_answers_as_it_was_tested(studies: Studies, first: Promotion) -> None:
    """The version loads, checked, and scores on the test images what its card says."""
    with model_folder(f"digits@{first.registered.version}", studies.home.tracking_uri) as folder:
        network, contract = load_model(folder)
    test = studies.dataset.test
    answered = network.predict(studies.dataset.images[test], verbose=0).argmax(axis=1)
    assert (answered == studies.dataset.labels[test]).mean() == pytest.approx(first.examination.score("accuracy").test)
    assert contract.fingerprint == studies.dataset.fingerprint
    assert contract.licence == studies.dataset.licence


def test_images_for_exports_are_kept(studies: Studies, first: Promotion, tmp_path: Path) -> None:
    """The promotion's run holds test and training images, found by the model's name; a damaged file is refused."""
    model, uri = first.registered, studies.home.tracking_uri
    assert run_of_model(f"models:/{model.model}/{model.version}", uri) == model.run_id
    assert run_of_model(f"runs:/{model.run_id}/model", uri) == model.run_id
    version = MlflowClient(uri, registry_uri=uri).get_model_version(model.model, model.version)
    assert run_of_model(version.source, uri) == model.run_id
    logged = MlflowClient(uri).get_logged_model(version.source.removeprefix("models:/"))
    assert logged.name == f"digits-promoted-trial-{int(version.tags['trial']):04d}"
    with model_folder(f"digits@{model.version}", uri) as folder:
        contract = read_contract(folder)
    assert contract.adapter == "digits"
    file = fetch_run_file(model.run_id, SAMPLES_FILE, uri, tmp_path)
    samples = read_samples(file, contract)
    dataset = studies.dataset
    every = -(-len(dataset.test) // len(samples.parity.pixels))
    np.testing.assert_array_equal(samples.parity.pixels, dataset.images[dataset.test[::every]])
    np.testing.assert_array_equal(samples.parity.labels, dataset.labels[dataset.test[::every]])
    assert {image.tobytes() for image in samples.calibration} <= {
        image.tobytes() for image in dataset.images[dataset.train]
    }
    with pytest.raises(ModelError, match="holds images that are not uint8 of the model's shape"):
        read_samples(file, replace(contract, image_shape=(9, 9, 1)))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=rf"{SAMPLES_FILE} is damaged"):
        read_samples(file, contract)


def test_every_opening_of_the_test_set_is_counted(studies: Studies, first: Promotion) -> None:
    """Each promotion, of any study, adds one to the count of these images, which run and version show, too.

    The level for p falls with it.
    """
    before = count_openings(studies.dataset, studies.home)
    again = studies.promote(WEAK)
    assert before >= 1
    assert again.examination.openings == before + 1 == count_openings(studies.dataset, studies.home)
    assert again.examination.level == level_after(before + 1)
    assert all(each.level == again.examination.level for each in again.examination.contests)
    assert 0 < again.examination.smallest < 0.3
    tags = studies.registry.version_tags(again.registered.version)
    assert tags["test_openings"] == str(before + 1)
    run_tags = MlflowClient(studies.home.tracking_uri).get_run(tags["trial_run"]).data.tags
    assert run_tags["test_openings"] == str(before + 1)


def test_an_export_that_reads_test_images_is_an_opening(
    studies: Studies, first: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export with the data at hand is counted with the promotions, and says so."""
    before = count_openings(studies.dataset, studies.home)
    monkeypatch.chdir(studies.home.root.parent)
    words = ("export", f"digits@{first.registered.version}", "--to", "exported", "--formats", "keras")
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert count_openings(studies.dataset, studies.home) == before + 1
    assert f"These test images have been opened {before + 1} times." in done.stderr


def test_fresh_seeds_refit_and_force(studies: Studies, first: Promotion) -> None:
    """Fresh seeds confirm the trial, the refit learns validation images too, and --force makes it champion.

    What the gate would have said stays in the line, and a score below --min is named in it.
    """
    settings = PromotionSettings(
        study="weak", top=1, seeds=2, refit=True, minimum_probability=0.105, minimums={"accuracy": 0.99}, force=True
    )
    forced = studies.promote(settings)
    (confirmed,) = forced.confirmations
    assert len(set(confirmed.values)) == 2
    assert forced.registered.alias == "champion"
    assert "forced, although accuracy" in forced.examination.verdict.reason
    assert "Trained again on training and validation images together, for 1 epochs." in forced.notes
    with model_folder("digits@champion", studies.home.tracking_uri) as folder:
        assert load_model(folder)[1].minimum_probability == 0.105
    told = forced.examination.acceptance
    assert told is not None
    assert (told.minimum, told.images) == (0.105, forced.examination.test_images)
    assert 0 < told.coverage <= 1
    assert told.low < told.accuracy < told.high


@pytest.fixture(params=["flipped", "gone", "pickle"])
def damaged(studies: Studies, request: pytest.FixtureRequest) -> Iterator[str]:
    """The strong trial's network as MLflow keeps it, with a byte flipped, the file gone, or a pickle beside it."""
    client = MlflowClient(studies.home.tracking_uri)
    run = client.get_run(read_study(studies.home, "strong").run_ids[0])
    location = client.get_logged_model(run.outputs.model_outputs[0].model_id).artifact_location
    network = Path(location.removeprefix("file://")) / "data" / "model.keras"
    whole = network.read_bytes()
    if request.param == "gone":
        network.unlink()
    elif request.param == "pickle":
        (network.parent / "python_model.pkl").write_bytes(b"cos\nsystem\n(S'touch run'\ntR.")
        write_manifest(network.parents[1])
    else:
        network.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    yield request.param
    network.write_bytes(whole)
    (network.parent / "python_model.pkl").unlink(missing_ok=True)
    write_manifest(network.parents[1])


def test_damage_is_refused(studies: Studies, damaged: str) -> None:
    """A damaged model, or one with a pickle, is not promoted: the line names the file.

    The registry and the test set stay untouched, and nothing is run.
    """
    aliases, openings = studies.registry.aliases(), count_openings(studies.dataset, studies.home)
    reasons = {
        "flipped": r"model\.keras was altered: its SHA-256 is not the one in manifest\.json",
        "gone": r"model\.keras is missing",
        "pickle": r"python_model\.pkl can run code",
    }
    with pytest.raises(ModelError, match=reasons[damaged]):
        studies.promote(STRONG)
    assert studies.registry.aliases() == aliases
    assert count_openings(studies.dataset, studies.home) == openings
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("settings", "error", "line"),
    [
        ({"study": "none"}, StudyError, "there is no study of digits called 'none'"),
        ({"minimums": {"map": 0.5}}, UnknownNameError, "unknown multiclass objective 'map'"),
        ({"seeds": 0}, SettingError, "--seeds must be at least 1, but got 0"),
        ({"threshold": "f1"}, SettingError, "--threshold is for data of two classes or several labels, but digits has"),
        ({"threshold": "f2"}, SettingError, "--threshold must be f1, balanced, recall@precision=P, precision@recall=R"),
        ({"refit": True, "ensemble": 3}, SettingError, "give --refit or --ensemble, not both"),
    ],
)
def test_a_mistake_gets_one_line(studies: Studies, settings: dict[str, Any], error: type[Exception], line: str) -> None:
    """Wrong words are refused before anything is trained or opened."""
    with pytest.raises(error, match=line) as raised:
        studies.promote(PromotionSettings(**settings))
    assert "\n" not in str(raised.value)


def test_another_split_is_refused(studies: Studies) -> None:
    """A study made with other data or splits is not promoted on these: its training images might be test images."""
    other = load("digits", None, LoadSettings(seed=1))
    with pytest.raises(StudyError, match=r"no study was made with this data .* give the same data set flags"):
        promote(other, WEAK, home=studies.home)
