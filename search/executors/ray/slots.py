"""Slots on a Ray cluster: the number of workers that its nodes have room for, and the resources of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....errors import SettingError
from ....text import counted
from ..devices import MAXIMUM_CPU_WORKERS, WORKER_MEMORY_MB
from ..environments import gpu_environment, processor_environment

# Ray counts shares of a GPU in ten-thousandths; rounded down, so that as many fit as are meant to.
SHARE_STEPS = 10_000

# Room of one node, as Ray reports it: CPU and GPU counted, memory in bytes.
Resources = Mapping[str, float]


@dataclass(frozen=True)
class SlotShape:
    """The resources that one worker asks Ray for."""

    gpus: float
    """A share of one GPU, or 0."""

    processors: int
    sharers: int
    """Workers that share its GPU, or its node."""

    def environment(self) -> dict[str, str]:
        """Returns the worker's variables; Ray says on the node which GPU it sees."""
        if not self.gpus:
            return processor_environment(self.processors, self.sharers)
        environment = gpu_environment("", self.sharers)
        del environment["CUDA_VISIBLE_DEVICES"]
        # Ray tells actors that ask for no processors to use one thread.
        return {**environment, "OMP_NUM_THREADS": str(max(1, self.processors))}

    def words(self) -> str:
        gpu = f"{self.gpus:g} of a GPU and " if self.gpus else ""
        return gpu + counted(self.processors, "processor")


def count_slots(
    nodes: Sequence[Resources], workers: int | None, per_gpu: int, *, use_gpus: bool
) -> tuple[int, SlotShape]:
    """Returns how many workers to ask for, and what each needs.

    Args:
        nodes: Resources of each node.
        workers: Workers on processors, even if they do not fit yet; None for as many as fit.
        per_gpu: Workers per GPU.
        use_gpus: Uses GPUs, if there are any.

    Raises:
        SettingError: There is no GPU to share.
    """
    with_gpus = [node for node in nodes if node.get("GPU", 0) >= 1] if use_gpus else []
    if with_gpus:
        counts = [int(node["GPU"]) * per_gpu for node in with_gpus]
        processors = min(int(node.get("CPU", 0)) // count for node, count in zip(with_gpus, counts, strict=True))
        share = 1.0 if per_gpu == 1 else math.floor(SHARE_STEPS / per_gpu) / SHARE_STEPS
        return sum(counts), SlotShape(share, processors, per_gpu)
    if use_gpus and per_gpu > 1:
        raise SettingError(f"--per-gpu {per_gpu} shares GPUs, but no node of the cluster shows one; leave it out")
    usable = [node for node in nodes if node.get("CPU", 0) >= 1]
    if workers is None:
        counts = [_affordable(node) for node in usable]
        processors = min((int(node["CPU"]) // n for node, n in zip(usable, counts, strict=True)), default=1)
        return max(1, sum(counts)), SlotShape(0.0, processors, max(counts, default=1))
    processors = _most_processors(usable, workers)
    sharers = max((int(node["CPU"]) // processors for node in usable), default=1)
    return workers, SlotShape(0.0, processors, min(workers, sharers))


def count_places(nodes: Sequence[Resources], shape: SlotShape) -> int:
    """Returns how many workers of this shape the nodes have room for; 0 if the nodes with such places are gone."""
    if shape.gpus:
        return sum(_fitting(node, int(node.get("GPU", 0)) * shape.sharers, shape) for node in nodes)
    return sum(_fitting(node, _affordable(node), shape) for node in nodes if node.get("CPU", 0) >= 1)


def _fitting(node: Resources, wanted: int, shape: SlotShape) -> int:
    """As many of the wanted workers as the node has processors for."""
    return min(wanted, int(node.get("CPU", 0)) // shape.processors) if shape.processors else wanted


def _affordable(node: Resources) -> int:
    by_memory = node.get("memory", math.inf) // (WORKER_MEMORY_MB * 2**20)
    return max(1, int(min(node["CPU"], MAXIMUM_CPU_WORKERS, by_memory)))


def _most_processors(nodes: Sequence[Resources], workers: int) -> int:
    """The most processors per worker that leave room for all workers; 1 if there is no room."""
    for processors in range(max((int(node["CPU"]) for node in nodes), default=1), 1, -1):
        if sum(int(node["CPU"]) // processors for node in nodes) >= workers:
            return processors
    return 1
