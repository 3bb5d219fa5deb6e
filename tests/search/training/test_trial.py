"""One real trial of a small network that ends before its training, in an epoch, or after one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from pretend_study import Bench
from tiny_space import SPACE

from apertune import spaces
from apertune.datasets import from_arrays
from apertune.search.evaluation.saved import load_evaluation
from apertune.search.executors.retries import rule_of_error
from apertune.search.export import export_model
from apertune.search.messages import (
    Emit,
    EpochEnded,
    SpaceReference,
    StopRequest,
    StopRequested,
    TrialEvent,
    TrialResult,
    TrialTask,
)
from apertune.search.models.package import load_model
from apertune.search.tracking.outbox import unsent
from apertune.search.tracking.records import MetricsLogged
from apertune.search.training.trainers import TableTrainer
from apertune.search.training.trial import run_trial
from apertune.spaces.base import OBJECTIVE_LOG
from apertune.spaces.recipes.schedules import WATCHED

ROWS = 512


@pytest.fixture
def task(tmp_path: Path) -> TrialTask:
    """Three epochs of a small network, many batches each."""
    images = np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8, 1), np.uint8)
    view = from_arrays("tiny", images, np.arange(ROWS, dtype=np.int32) % 3, tuple("abc")).training_view()
    return TrialTask(
        number=0, view=view, space=SpaceReference("tiny_space:build"), search_space=SPACE, values=SPACE.defaults(),
        seed=0, epochs=3, patience=None, objective="accuracy", folder=tmp_path / "trial", keep_model=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "latency", "reason"),
    [
        ({"parameters": 1.0}, False, "parameters 195 is over its limit of 1"),
        ({"latency_ms": 1e-6}, True, "latency_ms "),
    ],
)
def test_a_network_over_a_limit_is_not_trained(
    task: TrialTask, limits: dict[str, float], latency: bool, reason: str
) -> None:
    """A network over a limit is infeasible with its cost and the limit, reports no epoch, and leaves no folder."""
    told: list[TrialEvent] = []
    result = run_trial(replace(task, limits=limits, measure_latency=latency), told.append, lambda: None)
    assert (result.outcome, result.over_limit, result.value, result.epochs) == ("infeasible", True, None, 0)
    assert result.reason.startswith(reason)
    assert limits.keys() <= result.cost.keys()
    assert not result.ends_worker
    assert told == []
    assert not task.folder.exists()


def test_a_latency_that_is_wanted_reaches_mlflow(task: TrialTask, tmp_path: Path) -> None:
    """A measured latency is among the trial's costs and among the metrics of its run."""

    def real(given: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        return run_trial(replace(task, epochs=1, measure_latency=True), emit, stop_requested)

    bench = Bench(tmp_path)
    bench.run(real, 1)
    (record,) = bench.study.records()
    assert record.state == "complete"
    assert record.cost["latency_ms"] > 0
    told = [record for record, _ in unsent(tmp_path / "outbox.jsonl", 0) if isinstance(record, MetricsLogged)]
    latencies = [value for each in told for name, value, _, _ in each.points if name == "latency_ms"]
    assert latencies == [record.cost["latency_ms"]]


def test_a_trial_by_log_loss_tells_it(task: TrialTask) -> None:
    """Every epoch tells log loss under its own name, used for pruning, and as Keras's validation loss."""
    told: list[TrialEvent] = []
    result = run_trial(replace(task, objective="log_loss", epochs=2), told.append, lambda: None)
    metrics = [event.metrics for event in told if isinstance(event, EpochEnded)]
    assert [each["val_log_loss"] for each in metrics] == [each["val_loss"] for each in metrics]
    assert result.value == min(each["val_log_loss"] for each in metrics)


@pytest.mark.parametrize(("now", "epochs"), [(True, 0), (False, 1)])
def test_a_request_now_ends_the_epoch_at_the_batch(task: TrialTask, now: bool, epochs: int) -> None:
    """A stop request for now ends a long epoch after the current batch; any other lets the epoch end."""
    request, asked = StopRequest(0, "interrupted", "enough", now=now), 0

    def stop_requested() -> StopRequest | None:
        nonlocal asked
        asked += 1
        return request if asked >= 3 else None

    told: list[TrialEvent] = []
    result = run_trial(task, told.append, stop_requested)
    assert (result.outcome, result.reason, result.epochs) == ("interrupted", "enough", epochs)
    assert len([event for event in told if isinstance(event, EpochEnded)]) == epochs
    batches = -(-len(task.view.train) // 32)
    # It is asked once per batch, and once more at the epoch's end.
    assert asked == (3 if now else batches + 1)
    assert batches > 5


@pytest.mark.parametrize("factor", ["nan", "inf"])
def test_answers_that_are_not_finite_end_a_trial(task: TrialTask, factor: str) -> None:
    """Validation answers that are not finite prune a trial after one epoch, even if its training loss is finite."""
    told: list[TrialEvent] = []
    result = run_trial(replace(task, values={**task.values, "factor": factor}), told.append, lambda: None)
    assert (result.outcome, result.value) == ("pruned", None)
    assert result.reason == "val_accuracy is not finite (after 1 whole epochs)"
    (epoch,) = [event for event in told if isinstance(event, EpochEnded)]
    assert np.isfinite(epoch.metrics["loss"])
    assert np.isnan(epoch.metrics["val_accuracy"])


class XlaRuntimeError(RuntimeError):
    """An error with the name of JAX's."""


class OutOfMemoryError(RuntimeError):
    """An error with the name of PyTorch's."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((2**40,), np.dtype(np.float32)),
        tf.errors.ResourceExhaustedError(None, None, "failed to allocate memory"),
        tf.errors.InternalError(None, None, "CUDA runtime: CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        tf.errors.UnknownError(None, None, "OOM when allocating tensor with shape[256,64,112,112]"),
        XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 68719476736 bytes."),
        tf.errors.UnknownError(None, None, "MemoryError: Unable to allocate 4.00 GiB for an array"),
        OutOfMemoryError("Allocation on device 0 would exceed allowed memory."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 68719476736 bytes."),
        XlaRuntimeError("INTERNAL: Failed to allocate 68719476736 bytes for new constant"),
        XlaRuntimeError("INTERNAL: Error dispatching computation: Out of memory allocating 4398046511104 bytes."),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=lambda error: f"{type(error).__name__}-{str(error)[:20]}",
)
def test_each_frameworks_lack_of_memory_is_known(error: Exception) -> None:
    """The out-of-memory errors of Python, NumPy, TensorFlow, JAX and PyTorch are recognised."""
    assert rule_of_error(error).outcome == "infeasible"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no such layer"),
        tf.errors.InvalidArgumentError(None, None, "Incompatible shapes: [32,10] vs. [32,11]"),
        tf.errors.InternalError(None, None, "CUDA runtime: an illegal memory access was encountered"),
        XlaRuntimeError("INVALID_ARGUMENT: Executable expected parameter 0 of size 4"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (32x10 and 11x3)"),
        OSError(28, "No space left on device"),
        KeyError("memory"),
        ValueError("no room when 2 images are asked for"),
    ],
    ids=lambda error: f"{type(error).__name__}-{str(error)[:20]}",
)
def test_other_errors_are_no_lack_of_memory(error: Exception) -> None:
    """An error of a configuration or a disk is not taken for a lack of memory."""
    assert rule_of_error(error).outcome == "failed"


@pytest.mark.parametrize("averages", ["false", "true"])
def test_the_best_epoch_is_not_judged_twice(task: TrialTask, monkeypatch: pytest.MonkeyPatch, averages: str) -> None:
    """Validation images are answered once per epoch, and what is kept and saved are the best epoch's answers."""
    answered: list[NDArray[np.float32]] = []
    predict = TableTrainer.predict

    def counted(trainer: TableTrainer) -> NDArray[np.float32]:
        answered.append(predict(trainer))
        return answered[-1]

    monkeypatch.setattr(TableTrainer, "predict", counted)
    asked = replace(of_convnet(task, average_weights=averages), epochs=4, keep_model=True)
    result = run_trial(asked, lambda event: None, lambda: None)
    assert (result.outcome, len(answered)) == ("complete", 4)
    recorded = load_evaluation(task.folder / "artifacts").probabilities
    np.testing.assert_array_equal(recorded, answered[result.best_epoch - 1])
    network, _ = load_model(task.folder / "model")
    np.testing.assert_allclose(network.predict_on_batch(task.view.images("validation")), recorded, atol=1e-5)


def test_a_plateau_may_watch_the_objective(task: TrialTask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The callback is told the objective after each epoch, turned so that lower is better."""
    told: list[float] = []

    def watched(callback: keras.callbacks.Callback, epoch: int, logs: dict[str, float]) -> None:
        told.append(logs[callback.monitor])

    monkeypatch.setattr(keras.callbacks.ReduceLROnPlateau, "on_epoch_end", watched)
    monkeypatch.setitem(WATCHED, "loss", OBJECTIVE_LOG)
    result = run_trial(of_convnet(task, schedule="plateau"), lambda e: None, lambda: None)
    assert (result.outcome, result.reason) == ("complete", "")
    assert len(told) == task.epochs
    assert result.value == -min(told)


def test_answers_may_be_means_over_mirror_images(task: TrialTask) -> None:
    """The saved model answers as the trial was scored: with the mean over an image and its mirror image."""
    asked = of_convnet(task, flip="horizontal", mirrored_answers="true", plain_share="0.3")
    result = run_trial(replace(asked, keep_model=True), lambda event: None, lambda: None)
    assert (result.outcome, result.reason) == ("complete", "")
    network, _ = load_model(task.folder / "model")
    images = task.view.images("validation")
    answers = network.predict_on_batch(images)
    recorded = load_evaluation(task.folder / "artifacts").probabilities
    np.testing.assert_allclose(answers, recorded, atol=1e-4)
    np.testing.assert_allclose(answers, network.predict_on_batch(images[:, :, ::-1]), atol=1e-5)
    plain = run_trial(of_convnet(task, flip="horizontal", mirrored_answers="false"), lambda event: None, lambda: None)
    assert result.cost["flops"] == 2 * plain.cost["flops"]
    assert result.parameters == plain.parameters
    export_model(task.folder / "model", task.folder / "exported", formats=("litert",))


@pytest.mark.ci
def test_answers_may_be_means_over_crops(task: TrialTask) -> None:
    """The saved model answers as the trial was scored: with the mean over ten crops; exports answer the same."""
    asked = of_convnet(task, random_crops="true", flip="horizontal", mirrored_answers="true", cropped_answers="true")
    result = run_trial(replace(asked, keep_model=True), lambda event: None, lambda: None)
    assert (result.outcome, result.reason) == ("complete", "")
    network, _ = load_model(task.folder / "model")
    images = task.view.images("validation")
    recorded = load_evaluation(task.folder / "artifacts").probabilities
    np.testing.assert_allclose(network.predict_on_batch(images), recorded, atol=1e-4)
    alone = of_convnet(task, random_crops="true", cropped_answers="false")
    plain = run_trial(alone, lambda event: None, lambda: None)
    assert result.cost["flops"] == 10 * plain.cost["flops"]
    export_model(task.folder / "model", task.folder / "exported", formats=("onnx",))


def of_convnet(task: TrialTask, **fixed: str) -> TrialTask:
    """Returns the task for a small network of `convnet` with some parameters fixed."""
    space = spaces.discover(spaces.load("convnet", task.view.spec()))
    small = {"blocks": "1", "convolutions": "1", "filters": "16", "head": "flatten", "batch_size": "64"}
    values = spaces.narrow(space, {**small, **fixed}).defaults()
    return replace(task, space=SpaceReference("convnet"), search_space=space, values=values)
