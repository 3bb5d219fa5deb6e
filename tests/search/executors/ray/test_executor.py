"""The Ray executor when nodes are lost, cannot run workers, or do not end a trial; Ray is a stand-in here."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pretend_faults import PRETEND_WORKER
from pretend_study import SPACE

from apertune.datasets.arrays import EntryArrays
from apertune.datasets.base import TrainingView
from apertune.errors import ApertuneError, SettingError
from apertune.keras_backend import keras_backend
from apertune.search.engine import launch, stopping, trial_loop
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.ray import executor as ray_executor
from apertune.search.executors.ray import pool as ray_pool
from apertune.search.executors.ray import versions as ray_versions
from apertune.search.executors.ray.executor import RayExecutor
from apertune.search.executors.ray.returning import Batch
from apertune.search.executors.ray.slots import SlotShape, count_places, count_slots
from apertune.search.executors.ray.versions import check_versions, installed_versions
from apertune.search.messages import (
    EpochEnded,
    SpaceReference,
    StopRequest,
    TrialEvent,
    TrialLost,
    TrialResult,
    TrialTask,
)

GPU_NODE = {"CPU": 8.0, "GPU": 1.0}
CPU_NODE = {"CPU": 2.0, "memory": 64e9}
# Ray 2.60's message for an actor whose class cannot be imported, or whose `__init__` raises.
CREATION_FAILED = (
    "The actor died because of an error raised in its creation task, ray::TrialActor.__init__() (pid=71, "
    "ip=10.0.0.3, actor_id=7f, repr=<TrialActor>)\n  File cache.py, line 48, in cache_folder\n"
    "PermissionError: [Errno 13] Permission denied: '/cache'\n"
)
SAID = (
    "the node 10.0.0.3 of the Ray cluster cannot run workers: PermissionError: [Errno 13] Permission denied: '/cache'"
)


class RayError(Exception):
    pass


class RayActorError(RayError):
    """Ray's error with its own attribute that says whether `__init__` failed."""

    def __init__(self, message: str = "lost", *, actor_init_failed: bool = False) -> None:
        super().__init__(message)
        self.actor_init_failed = actor_init_failed


@dataclass(eq=False)
class Answer:
    """The reference that an actor's call returns at once; `value` is set later by the test."""

    value: Any = None

    @property
    def there(self) -> bool:
        return self.value is not None


@dataclass(eq=False)
class Actor:
    """An actor's calls, by name, and their answers."""

    calls: list[tuple[str, tuple[Any, ...], Answer]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any) -> Answer:
            self.calls.append((name, arguments, Answer()))
            return self.calls[-1][2]

        return SimpleNamespace(remote=remote)

    def answer(self, name: str, value: Any) -> None:
        """Answers the newest call of that name."""
        [*_, newest] = [answer for called, _, answer in self.calls if called == name]
        newest.value = value


class PretendedRay(ModuleType):
    """The part of Ray that the pool uses; `facts` are the first answers of the next actors, the last one repeated."""

    exceptions = SimpleNamespace(RayError=RayError, RayActorError=RayActorError)

    def __init__(self, clock: Any) -> None:
        super().__init__("ray")
        self.clock = clock
        self.there: list[dict[str, float]] = [CPU_NODE]
        self.facts: list[Any] = [facts("node-1")]
        self.actors: list[Actor] = []
        self.killed: list[Actor] = []

    def options(self, **_: Any) -> Any:
        return SimpleNamespace(remote=self.make)

    def make(self, *_: Any) -> Actor:
        assert len(self.actors) < 1000, "actors are asked for without end"
        actor = Actor()
        self.actors.append(actor)
        actor.facts.remote()
        first = actor.calls[0][2]
        first.value = self.facts.pop(0) if len(self.facts) > 1 else self.facts[0]
        actor.__dict__["facts"] = SimpleNamespace(remote=lambda: first)
        return actor

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": node} for node in self.there]

    def wait(self, answers: list[Answer], *, num_returns: int, timeout: float) -> tuple[list[Answer], list[Answer]]:
        ready = [answer for answer in answers if answer.there][:num_returns]
        if not ready:
            self.clock.now += timeout
        return ready, [answer for answer in answers if answer not in ready]

    def get(self, answer: Answer) -> Any:
        if isinstance(answer.value, Exception):
            raise answer.value
        return answer.value

    def put(self, value: Any) -> Any:
        return value

    def kill(self, actor: Actor) -> None:
        self.killed.append(actor)

    def shutdown(self) -> None:
        pass

    @staticmethod
    def method(**_: Any) -> Callable[[Any], Any]:
        return lambda function: function


def facts(host: str, **versions: str) -> Any:
    return SimpleNamespace(host=host, versions={**installed_versions(), **versions})


@pytest.fixture
def clock() -> Any:
    """A clock that every wait moves on."""
    turned = SimpleNamespace(now=1000.0)
    turned.monotonic = lambda: turned.now

    def sleep(seconds: float) -> None:
        turned.now += seconds

    turned.sleep = sleep
    return turned


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch, clock: Any) -> PretendedRay:
    pretended = PretendedRay(clock)
    for module in (ray_executor, ray_pool):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(ray_pool, "connect", lambda cluster: pretended)
    monkeypatch.setattr(ray_pool, "actor_class", lambda: pretended)
    monkeypatch.setattr(ray_pool, "HeadWatch", lambda cluster, ray: SimpleNamespace(look=lambda: None))
    return pretended


@pytest.fixture
def actor_module(monkeypatch: pytest.MonkeyPatch, clock: Any) -> Iterator[ModuleType]:
    """`ray_actor`, imported with the stand-in for Ray."""
    name = "apertune.search.executors.ray.actor"
    monkeypatch.setitem(sys.modules, "ray", PretendedRay(clock))
    monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module(name)
    sys.modules.pop(name, None)


def task(folder: Path, number: int = 7, epochs: int = 40) -> TrialTask:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    EntryArrays(data).save_images(np.zeros((1, 8, 8, 1), np.uint8))
    rows = np.arange(1)
    view = TrainingView("pretended", "multiclass", ("a", "b", "c"), (8, 8, 1), data, rows, rows, "ab" * 32)
    return TrialTask(
        number=number,
        view=view,
        space=SpaceReference("pretended"),
        search_space=SPACE,
        values={"rate": 0.5},
        seed=0,
        epochs=epochs,
        patience=None,
        objective="accuracy",
        folder=folder / str(number),
    )


def started(ray: PretendedRay, **settings: Any) -> RayExecutor:
    executor = RayExecutor("auto", Path("logs"), **settings)
    executor.start()
    return executor


@pytest.fixture
def begun(actor_module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any, Callable[[int], Any]]]:
    """An actor whose data lands when the event is set, and a function that begins a trial on it."""
    lands = threading.Event()

    def land(*_: Any) -> Path:
        assert lands.wait(30)
        return Path()

    monkeypatch.setattr(actor_module, "land", land)
    monkeypatch.setenv("APERTUNE_PRETEND_SECONDS", "0.05")
    actor = actor_module.TrialActor(worker_environments(1)[0], 50, 1e9, PRETEND_WORKER)

    def begin(run: int) -> Any:
        batches: list[Batch] = []
        cargo = SimpleNamespace(shipment=None, rows=np.arange(1))
        left = actor_module.FolderChange()
        thread = threading.Thread(
            target=lambda: batches.append(actor.run(run, task(Path.cwd()), cargo, left)), daemon=True
        )
        thread.start()
        return SimpleNamespace(thread=thread, batches=batches)

    yield actor, lands, begin
    lands.set()
    actor.close()


def ended(actor: Any, beginning: Any) -> list[TrialEvent]:
    """Returns all events of the trial."""
    beginning.thread.join(30)
    [batch] = beginning.batches
    events = list(batch.events)
    while not batch.ended:
        batch = actor.next_events()
        events += batch.events
    return events


def test_a_stop_that_comes_while_the_data_lands_is_not_lost(begun: Any) -> None:
    """A stop asked for once while data lands reaches the worker with the trial, which then ends early."""
    actor, lands, begin = begun
    beginning = begin(0)
    actor.stop(0, StopRequest(7, "pruned", "the time is up"))
    lands.set()
    result = ended(actor, beginning)[-1]
    assert isinstance(result, TrialResult)
    assert (result.outcome, result.reason) == ("pruned", "the time is up")
    assert result.epochs < 40


def test_a_trial_killed_while_its_data_lands_does_not_begin(begun: Any) -> None:
    """A trial killed while its data lands is lost with the reason, never reaches its worker, and leaves no files."""
    actor, lands, begin = begun
    beginning = begin(0)
    actor.kill(0, 7, "the search was stopped")
    lands.set()
    assert ended(actor, beginning) == [TrialLost(7, "the search was stopped")]
    assert actor._executor.free_slots() == 1
    assert not list((actor._scratch / "trials").iterdir())


def test_a_stop_that_comes_too_late_ends_no_later_attempt(begun: Any) -> None:
    """A stop for an attempt that is over does not reach the next attempt at the same trial."""
    actor, lands, begin = begun
    beginning = begin(0)
    actor.kill(0, 7, "it said nothing for long")
    lands.set()
    ended(actor, beginning)
    actor.stop(0, StopRequest(7, "pruned", "too late"))
    actor.kill(0, 7, "too late")
    result = ended(actor, begin(1))[-1]
    assert isinstance(result, TrialResult)
    assert (result.outcome, result.epochs) == ("complete", 40)


def test_requests_name_the_run_they_mean(ray: PretendedRay, actor_module: ModuleType, tmp_path: Path) -> None:
    """Each submission has its own number, which stop and kill pass to the actor."""
    executor = started(ray, workers=1)
    for run in (0, 1):
        executor.submit(task(tmp_path))
        executor.stop(StopRequest(7, "pruned", "why"))
        executor.kill(7, "why")
        told = {name: arguments[0] for name, arguments, _ in ray.actors[0].calls if name in ("run", "stop", "kill")}
        assert told == {"run": run, "stop": run, "kill": run}
        ray.actors[0].answer("run", Batch((TrialLost(7, "why"),)))
        assert executor.wait(0.5) == [TrialLost(7, "why")]


@pytest.mark.parametrize("per_gpu", [1, 2])
def test_the_last_gpu_node_may_be_lost(ray: PretendedRay, per_gpu: int) -> None:
    """After the last GPU node is lost, the search waits for its places and asks for none on processors instead."""
    ray.there = [GPU_NODE, {"CPU": 64.0}]
    executor = started(ray, per_gpu=per_gpu)
    assert executor.slots == per_gpu
    ray.there = [{"CPU": 64.0}]
    ray.clock.now += ray_pool.COUNT_NODES_EVERY_S
    assert executor.wait(0.5) == []
    assert executor.slots == len(ray.actors) == per_gpu
    ray.there = [GPU_NODE, GPU_NODE]
    ray.clock.now += ray_pool.COUNT_NODES_EVERY_S
    executor.wait(0.5)
    assert executor.slots == 2 * per_gpu


@pytest.mark.parametrize(
    ("joined", "places"),
    [({"CPU": 5.0}, 2), ({"CPU": 4.0, "GPU": 2.0}, 2), ({"CPU": 1.0}, 0)],
    ids=["processors", "a GPU that is not used", "too few processors"],
)
def test_only_places_of_the_same_kind_are_added(ray: PretendedRay, joined: dict[str, float], places: int) -> None:
    """A joining node adds as many places as it has room for workers with the same number of processors."""
    ray.there = [{"CPU": 4.0, "memory": 3.2e9}]
    executor = started(ray)
    assert executor.slots == 2
    ray.there.append(joined)
    ray.clock.now += ray_pool.COUNT_NODES_EVERY_S
    executor.wait(0.5)
    assert executor.slots == 2 + places


def test_a_node_that_cannot_make_actors_ends_the_start(ray: PretendedRay) -> None:
    """The first error in creating an actor is raised as one line that names the node."""
    ray.facts = [facts("node-1"), RayActorError(CREATION_FAILED, actor_init_failed=True)]
    with pytest.raises(ApertuneError) as raised:
        started(ray)
    assert str(raised.value) == SAID
    assert len(ray.actors) == 2


def test_a_node_without_apertune_ends_the_start(ray: PretendedRay) -> None:
    """The error for a node without Apertune names the missing import, which Ray puts after its own words."""
    ray.facts = [
        RayError("RuntimeError: The actor failed to import:\n\nModuleNotFoundError: No module named 'apertune'")
    ]
    with pytest.raises(ApertuneError, match=r"^a node .* cannot run workers: ModuleNotFoundError: No module named 'ap"):
        started(ray)


def test_a_node_lost_at_the_start_is_no_error_and_no_haste(ray: PretendedRay) -> None:
    """An actor whose node was lost is asked for again after a pause."""
    began = ray.clock.now
    ray.facts = [RayActorError(), RayActorError(), facts("node-2")]
    executor = started(ray, workers=1)
    assert executor.hosts() == ["node-2"]
    assert ray.clock.now - began >= 2 * ray_pool.ASK_AGAIN_S


UNFIT = {
    "cannot make actors": (RayActorError(CREATION_FAILED, actor_init_failed=True), SAID),
    "cannot answer": (RayError("RuntimeError: broken"), "a node of the Ray cluster cannot run workers: RuntimeError"),
    "other versions": (facts("node-7", keras="1.0"), "but node-7 has keras 1.0 there"),
}


@pytest.mark.parametrize(("answer", "line"), UNFIT.values(), ids=UNFIT)
def test_an_unfit_node_that_joins_is_left_out(
    ray: PretendedRay, caplog: pytest.LogCaptureFixture, answer: Any, line: str
) -> None:
    """The search says one line, goes on without an unfit node, and tries the place again after a long pause."""
    ray.there = [{"CPU": 1.0}]
    executor = started(ray)
    ray.there.append({"CPU": 1.0})
    ray.facts = [answer]
    ray.clock.now += ray_pool.COUNT_NODES_EVERY_S
    rejoined = ray.clock.now + ray_pool.LEFT_OUT_S
    with caplog.at_level(logging.WARNING):
        while ray.clock.now < rejoined:
            assert executor.wait(5.0) == []
        assert (executor.free_slots(), len(ray.actors)) == (1, 2)
        assert ray.killed == ray.actors[1:]
        for _ in range(3):
            executor.wait(5.0)
        assert len(ray.actors) == 3
    assert len(caplog.messages) == 1
    assert line in caplog.messages[0]
    ray.facts = [facts("node-7")]
    ray.clock.now += ray_pool.LEFT_OUT_S
    executor.wait(0.5)
    assert executor.free_slots() == 2
    executor.close()
    assert set(ray.actors) <= set(ray.killed)


def test_when_no_place_works_each_is_tried_again_soon(ray: PretendedRay, caplog: pytest.LogCaptureFixture) -> None:
    """A search whose only actors cannot be created for a while pauses between tries, says one line, and goes on."""
    ray.there = [{"CPU": 1.0}]
    executor = started(ray)
    executor._pool.renew(executor._pool.slots[0])
    ray.facts = [RayActorError(CREATION_FAILED, actor_init_failed=True)]
    executor._pool.renew(executor._pool.slots[0])
    before, began = len(ray.actors), ray.clock.now
    with caplog.at_level(logging.WARNING):
        while ray.clock.now < began + 10 * ray_pool.ASK_AGAIN_S:
            executor.wait(0.5)
    assert 8 <= len(ray.actors) - before <= 11
    assert len(caplog.messages) == 1
    ray.facts = [facts("node-1")]
    ray.clock.now += ray_pool.ASK_AGAIN_S
    executor.wait(0.5)
    assert executor.free_slots() == 1


def test_versions_that_differ_end_the_start(ray: PretendedRay) -> None:
    """A node with other package versions is an error before the search has begun."""
    ray.facts = [facts("node-1"), facts("node-7", keras="1.0")]
    with pytest.raises(SettingError, match=r"but node-7 has keras 1\.0 there"):
        started(ray)


def test_nodes_compute_with_the_backend_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node's worker is told the backend, but not where this machine keeps what it compiled."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    for shape in (SlotShape(0.5, 4, 2), SlotShape(0.0, 2, 2)):
        environment = shape.environment()
        assert environment["KERAS_BACKEND"] == "jax"
        assert "JAX_COMPILATION_CACHE_DIR" not in environment


def test_a_node_keeps_what_it_compiled_in_its_own_cache(
    monkeypatch: pytest.MonkeyPatch, actor_module: ModuleType, tmp_path: Path
) -> None:
    """The actor sets the compilation folder on its node, whatever backend the node's own variables name."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    environment = SlotShape(0.0, 2, 2).environment()
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("APERTUNE_CACHE", str(tmp_path / "of the node"))
    actor = actor_module.TrialActor(environment, 50, 1e9, PRETEND_WORKER)
    try:
        [given] = actor._executor._environments
    finally:
        actor.close()
    assert given["KERAS_BACKEND"] == "jax"
    assert given["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "of the node" / "compiled")


def test_the_backend_is_what_keras_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The backend comes from the environment, then Keras's readable settings file, then defaults to TensorFlow."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    file = tmp_path / "keras.json"
    found = [keras_backend()]
    for text in ('{"backend": "torch"}', "{", "[]", "{}"):
        file.write_text(text)
        found.append(keras_backend())
    file.write_text('{"backend": "torch"}')
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert [*found, keras_backend()] == ["tensorflow", "torch", "tensorflow", "tensorflow", "tensorflow", "jax"]


def test_the_backends_package_must_be_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another JAX version on a node is refused only if the search computes with JAX."""
    monkeypatch.setattr(ray_versions, "installed_version", lambda package: "2.0")
    there = {**installed_versions(), "jax": "1.0"}
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(SettingError, match=r"node-7 has jax 1\.0 there, 2\.0 here: install"):
        check_versions("node-7", there)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    check_versions("node-7", there)


def test_a_trial_killed_again_and_again_is_ended(ray: PretendedRay, actor_module: ModuleType, tmp_path: Path) -> None:
    """Some time after the first kill of a trial, Ray ends its actor and the trial is lost, even if kills repeat."""
    executor = started(ray, workers=1)
    executor.submit(task(tmp_path))
    first = ray.clock.now
    while not ray.killed:
        executor.kill(7, "the search was stopped")
        assert executor.wait(0.25) == []
        assert ray.clock.now < first + 2 * ray_executor.KILL_PATIENCE_S
    ray.actors[0].answer("run", RayActorError())
    assert executor.wait(0.25) == [TrialLost(7, "the search was stopped")]


def test_a_command_ends_within_ten_seconds_of_the_first_wish() -> None:
    """The waits after the first Ctrl-C for trials, actors and records together stay within ten seconds."""
    kill = (max(stopping.StopLevel) - 1) * stopping.PATIENCE_S + trial_loop.LOOK_EVERY_S
    actor = ray_executor.KILL_PATIENCE_S + trial_loop.LOOK_EVERY_S
    assert kill + actor + ray_pool.CLOSING_TIMEOUT_S + launch.PATIENCE_WHEN_STOPPED_S <= 10


def test_a_killed_trial_whose_answer_cannot_be_written_is_lost(
    ray: PretendedRay, actor_module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the executor itself reports a killed trial as lost, since it asks the actor nothing."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ray_executor, "put_back", full)
    executor = started(ray, workers=1)
    executor.submit(task(tmp_path))
    ray.actors[0].answer("run", Batch((EpochEnded(7, 1, {}, 0.0, 0),)))
    for _ in range(3):
        assert executor.wait(0.5) == []
    executor.kill(7, "the search was stopped")
    events: list[TrialEvent] = []
    deadline = ray.clock.now + 2 * ray_executor.KILL_PATIENCE_S
    while not events and ray.clock.now < deadline:
        events = executor.wait(0.25)
    assert events == [TrialLost(7, "the search was stopped")]
    assert ray.killed == [ray.actors[0]]
    for _ in range(3):
        assert executor.wait(0.5) == []
    assert executor.free_slots() == 1


def test_an_answer_is_written_once_there_is_room(
    ray: PretendedRay,
    actor_module: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """On a full disk an answer is told once it is written, the next is asked for then, and one line names the disk."""
    errors: list[OSError] = [OSError(28, "No space left on device")] * 3

    def put_back(*_: Any) -> None:
        if errors:
            raise errors.pop()

    monkeypatch.setattr(ray_executor, "put_back", put_back)
    executor = started(ray, workers=1)
    executor.submit(task(tmp_path))
    told = EpochEnded(7, 1, {}, 0.0, 0)
    ray.actors[0].answer("run", Batch((told,)))
    with caplog.at_level(logging.WARNING):
        assert [executor.wait(0.5) for _ in range(4)] == [[], [], [], [told]]
    assert len(caplog.messages) == 1
    ray.actors[0].answer("next_events", Batch((TrialResult(7, "complete"),)))
    assert executor.wait(0.5) == [TrialResult(7, "complete")]
    assert executor.free_slots() == 1


def test_few_trials_use_all_gpus() -> None:
    """The first workers have one GPU each before any GPU is shared."""
    visible = [environment["CUDA_VISIBLE_DEVICES"] for environment in worker_environments(0, [0, 1, 2], 2)]
    assert visible == ["0", "1", "2", "0", "1", "2"]


def test_the_shape_decides_what_counts() -> None:
    """A node counts as the same number of places later as when the shape was found."""
    for nodes, per_gpu in (([GPU_NODE, {"CPU": 4.0, "GPU": 2.0}], 3), ([CPU_NODE, {"CPU": 9.0}], 1)):
        count, shape = count_slots(nodes, None, per_gpu, use_gpus=True)
        assert count_places(nodes, shape) == count
    assert count_places([], shape) == 0
