"""Settings of the places where trials run, for a search, a promotion and a rerun alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import SettingError
from ...settings_fields import check, setting
from .memory_bound import read_size, size_mb
from .registry import CLUSTERS, find_executor


def _gpus(called: str, given: Any) -> Any:
    if given in ("all", None):
        return None
    if given == "none":
        return ()
    if isinstance(given, list | tuple):
        return given
    if not isinstance(given, str):
        # A lone number may count GPUs or name one.
        raise SettingError(f"{called} must be all, none or a list of GPUs such as [0, 1], but got {given!r}")
    try:
        return tuple(int(part) for part in given.split(","))
    except ValueError:
        raise SettingError(f"{called} must be all, none or numbers such as 0,1, but got {given!r}") from None


@dataclass(frozen=True, kw_only=True)
class PlaceSettings:
    """The places where trials run: by which workers, on which devices, of this machine or of a cluster.

    Raises:
        SettingError: a value has another type than declared, is out of its bounds, or would have no effect.
    """

    workers: int | None = setting(
        None,
        "Start this many worker processes on processors, at most 4 per processor.",
        least=1,
        shown_default="one per GPU; without GPUs one per processor, at most 8 (per node of a cluster) and one per "
        "1.5 GB of free memory",
        group="Where it runs",
    )
    gpus: tuple[int, ...] | None = setting(
        None,
        "Use these GPUs: all, none, or numbers such as 0,1.",
        metavar="all|none|NUMBERS",
        shown_default="all",
        reader=_gpus,
        group="Where it runs",
    )
    """None uses all GPUs there are, an empty tuple none."""
    per_gpu: int = setting(1, "Start this many workers on each GPU.", least=1, group="Where it runs")
    cluster: str | None = setting(
        None, "Run trials on a Ray cluster (see docs/cluster.md).", metavar="|".join(CLUSTERS), group="Where it runs"
    )
    """None runs trials on this machine."""
    memory: str | None = setting(
        None,
        "Keep all processes of the search within this much memory, such as 6GB.",
        metavar="SIZE",
        shown_default="no bound; see --workers",
        reader=read_size,
        group="Where it runs",
    )
    """None leaves the search what the machine, or its control group, has free."""
    hang_minutes: float = setting(
        30.0,
        "Kill a trial that reports no epoch for this long; it is tried once more, then failed. Give more than the "
        "longest epoch takes.",
        positive=True,
        group="Where it runs",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.memory is not None:
            read_size("--memory", self.memory)
        self._check_places()

    @property
    def memory_mb(self) -> float | None:
        """The bound in MiB, if there is one."""
        return None if self.memory is None else size_mb(self.memory)

    @property
    def hang_seconds(self) -> float:
        """Longest silence of a worker, in seconds."""
        return self.hang_minutes * 60

    def _check_places(self) -> None:
        """Refuses settings that would have no effect on where trials run."""
        if self.gpus and len(set(self.gpus)) < len(self.gpus):
            raise SettingError(
                f"--gpus names each GPU once, but got {','.join(map(str, self.gpus))}; --per-gpu shares one"
            )
        if self.gpus and self.workers is not None:
            raise SettingError("--workers counts workers on processors; with --gpus say --per-gpu instead")
        if self.per_gpu > 1 and (self.workers is not None or self.gpus == ()):
            without = "--workers" if self.workers is not None else "--gpus none"
            raise SettingError(f"--per-gpu shares GPUs, but with {without} trials run on processors; leave one out")
        if self.cluster is None:
            return
        find_executor(self.cluster)
        if self.memory is not None:
            raise SettingError(
                "--memory bounds the processes on this machine; with --cluster the nodes' own limits hold: leave it out"
            )
        if self.gpus:
            raise SettingError(
                "--gpus numbers GPUs of this machine; with --cluster say all or none: the cluster chooses them"
            )
