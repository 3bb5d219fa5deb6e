"""Which file system a path is on, for those that want locks."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import psutil

# As the mount table names them. Left out: cluster file systems whose locks and shared memory hold on one machine.
_UNIX = {"afs", "beegfs", "coda", "glusterfs", "lustre", "nfs", "nfs3", "nfs4", "orangefs", "pvfs2"}
_WINDOWS_AND_MAC = {"afpfs", "cifs", "ncpfs", "smb", "smb2", "smb3", "smbfs", "davfs", "webdav"}
_FUSE = {"sshfs", "glusterfs", "davfs", "rclone", "smbnetfs", "moosefs", "mfs", "juicefs"}
_FUSE_BUCKETS = {"s3fs", "mount-s3", "goofys", "gcsfuse", "blobfuse", "blobfuse2"}
NETWORK_FILE_SYSTEMS = _UNIX | _WINDOWS_AND_MAC | {f"fuse.{name}" for name in _FUSE | _FUSE_BUCKETS}


class Mount(Protocol):
    """A line of the mount table, as psutil has it."""

    @property
    def mountpoint(self) -> str: ...

    @property
    def fstype(self) -> str: ...


def network_mount(path: Path) -> Mount | None:
    """The mount of a network file system that the path, which need not exist, lies on; None on a local disk."""
    mount = _mount_of(path)
    kind = mount.fstype.lower() if mount is not None else ""
    return mount if kind in NETWORK_FILE_SYSTEMS else None


def _mount_of(path: Path) -> Mount | None:
    """The innermost mount, and of several on one point the last, which hides the others."""
    there = path.expanduser().resolve()
    found: Mount | None = None
    for mount in psutil.disk_partitions(all=True):
        inside = there.is_relative_to(mount.mountpoint)
        if inside and (found is None or len(mount.mountpoint) >= len(found.mountpoint)):
            found = mount
    return found
