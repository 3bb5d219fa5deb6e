"""Kinds of faults of files, by the number that the system gives them."""

from __future__ import annotations

import errno

# The user's to mend: somebody else's file, a read-only disk, or a path that names no such thing as is asked for.
UNUSABLE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY,
    errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ, errno.ENXIO, errno.ETXTBSY,
)  # fmt: skip
# No room is left, whoever may have taken it.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
