"""What a command says, and exits with, when something fails."""

from __future__ import annotations

import errno

from xlgen.registry import InputError

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_PATH = (
    *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EINVAL, errno.ENXIO, errno.ENODEV, errno.EILSEQ, errno.EBUSY, errno.ETXTBSY, errno.ENOTEMPTY, errno.EXDEV),
)
"""A file is where a folder is to be, or the like; or a device that cannot be read."""


def describe(error: Exception) -> tuple[int, str] | None:
    """(exit code, message) of a failure that needs no traceback; None of one that does.

    2: the input, the recipe or the disk is in the way, and the user can mend it; 1: anything else.
    """
    if isinstance(error, InputError):
        return 2, str(error)
    if isinstance(error, PermissionError):
        return 2, f"no permission: {error.filename}"
    if isinstance(error, OSError):
        code = 2 if error.errno in (*_DISK, *_PATH) else 1
        return code, f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    if isinstance(error, ValueError) and "null" in str(error):  # Python's own, of a path
        return 2, "a path holds a NUL character"
    if isinstance(error, MemoryError):
        return 2, "the memory is not enough: lower batch_tokens, the number of beams or the lengths"
    if isinstance(error, RuntimeError):
        return 1, str(error)
    return None
