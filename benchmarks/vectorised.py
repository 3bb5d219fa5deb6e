"""Measures several configurations in one program: trials of one network that differ only in numbers, vectorised.

    KERAS_BACKEND=jax python benchmarks/vectorised.py [--at-once 1,2,4,8,16] [--separate 1,2]

`jax.vmap` trains copies of a network with different learning rates side by side, each with its own shuffled batches
from one image table. Prints the throughput of all trials together, in images per second after compilation,
against that of one trial at a time in this process and that of separate processes side by side, which begin together
once all have compiled. On a GPU several steps are one call, in both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import jax.numpy as jnp
import keras
import numpy as np
from measurements import Column, Table, arguments_of, tell

NETWORKS = {"small": (16, 32), "large": (32, 64, 128, 256)}
CLASSES = 7
WEIGHTS_DECAY = 1e-4
MOMENTUM = 0.9
READY = "ready"


def network(size: int, filters: tuple[int, ...]) -> keras.Model:
    image = keras.Input((size, size, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    for count in filters:
        x = keras.layers.Conv2D(count, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(CLASSES)(x))


def make_step(model: keras.Model, images: jax.Array, labels: jax.Array) -> Callable[..., Any]:
    """Returns the step of one trial, from (weights, velocities, rate, rows) to (weights, velocities, loss)."""

    def loss(weights: Any, rows: jax.Array) -> jax.Array:
        logits, _ = model.stateless_call(weights, [], images[rows], training=True)
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[rows][:, None], axis=1)
        return -picked.mean() + WEIGHTS_DECAY * sum(jnp.sum(weight**2) for weight in weights)

    def step(weights: Any, velocities: Any, rate: jax.Array, rows: jax.Array) -> Any:
        value, gradients = jax.value_and_grad(loss)(weights, rows)
        velocities = [MOMENTUM * v - rate * g for v, g in zip(velocities, gradients, strict=True)]
        return [w + v for w, v in zip(weights, velocities, strict=True)], velocities, value

    return step


def throughput(arguments: argparse.Namespace, name: str, trials: int, *, wait: Callable[[], None]) -> float:
    """Returns images per second over all trials in one program, as the median of the rounds.

    Args:
        arguments: The command line.
        name: One of `NETWORKS`.
        trials: How many trials train at the same time.
        wait: Called between compilation and measurement.
    """
    random = np.random.default_rng(0)
    images = jnp.asarray(random.integers(0, 256, (arguments.images, arguments.size, arguments.size, 1), np.uint8))
    labels = jnp.asarray(random.integers(0, CLASSES, arguments.images))
    model = network(arguments.size, NETWORKS[name])
    single = jax.vmap(make_step(model, images, labels))
    calls = max(1, arguments.images // arguments.batch_size // arguments.grouped)
    taken = calls * arguments.grouped * arguments.batch_size
    weights = [jnp.stack([jnp.asarray(v.value)] * trials) for v in model.trainable_variables]
    velocities = [jnp.zeros_like(weight) for weight in weights]
    rates = jnp.logspace(-3, -1, trials)

    def grouped(weights: Any, velocities: Any, rates: jax.Array, batches: jax.Array) -> Any:
        def one(state: Any, rows: jax.Array) -> Any:
            *state, losses = single(*state, rates, rows)
            return tuple(state), losses

        (weights, velocities), losses = jax.lax.scan(one, (weights, velocities), batches)
        return weights, velocities, losses

    # On processors one step per call: inside `lax.scan`, their convolutions are many times slower.
    step = jax.jit(single if arguments.grouped == 1 else grouped)

    def run() -> float:
        order = np.stack(
            [random.choice(arguments.images, taken, replace=taken > arguments.images) for _ in range(trials)]
        )
        batches = order.reshape(trials, calls, arguments.grouped, arguments.batch_size).transpose(1, 2, 0, 3)
        rows_of_calls = [jnp.asarray(rows[0] if arguments.grouped == 1 else rows) for rows in batches]
        state, began = (weights, velocities), time.perf_counter()
        for rows in rows_of_calls:
            *state, losses = step(*state, rates, rows)
        jax.block_until_ready(losses)
        return time.perf_counter() - began

    run()
    wait()
    return trials * taken / statistics.median(run() for _ in range(arguments.rounds))


def separate(words: list[str], name: str, processes: int) -> float:
    """Returns images per second over this many processes that train one trial each at the same time."""
    command = [sys.executable, str(Path(__file__).resolve()), *words, "--child", name]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        if process.stdout.readline().strip() != READY:
            raise SystemExit("a process failed; see above")
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    found = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("a process failed; see above")
    return sum(float(json.loads(text.splitlines()[-1])) for text in found)


def _wait_for_the_others() -> None:
    print(READY, flush=True)
    sys.stdin.readline()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", default="1,2,4,8,16")
    parser.add_argument("--separate", default="1,2")
    parser.add_argument("--networks", default="small,large")
    parser.add_argument("--grouped", type=int, help="Steps per call; 16 on a GPU, 1 on processors unless given.")
    parser.add_argument("--child", choices=NETWORKS, help=argparse.SUPPRESS)
    arguments = arguments_of(parser)
    device = jax.devices()[0]
    arguments.grouped = arguments.grouped or (1 if device.platform == "cpu" else 16)
    if arguments.child:
        print(json.dumps(throughput(arguments, arguments.child, 1, wait=_wait_for_the_others)))
        return
    table = Table(
        "vectorised",
        Column("network", "network"),
        Column("way", "in"),
        Column("trials", "trials"),
        Column("speed", "together", "{:,.0f} images/s"),
        Column("ratio", "against one", "{:.2f}"),
    )
    print(f"{device.platform}, {device.device_kind}; JAX {jax.__version__}")
    for name in arguments.networks.split(","):
        alone = 0.0
        for trials in map(int, arguments.at_once.split(",")):
            speed = throughput(arguments, name, trials, wait=lambda: None)
            alone = alone or speed
            table.add(network=name, way="one program", trials=trials, speed=speed, ratio=speed / alone)
            print(f"{name}: {trials} in one program: {speed:,.0f} images/s", flush=True)
        for processes in map(int, arguments.separate.split(",")):
            speed = separate(sys.argv[1:], name, processes)
            table.add(network=name, way="separate processes", trials=processes, speed=speed, ratio=speed / alone)
            print(f"{name}: {processes} separate processes: {speed:,.0f} images/s", flush=True)
    tell(table)


if __name__ == "__main__":
    main()
