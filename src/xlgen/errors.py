"""What a command says, and exits with, when something fails."""

from __future__ import annotations

import errno

from xlgen.registry import InputError

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def describe(error: Exception) -> tuple[int, str] | None:
    """(exit code, message) of a failure that needs no traceback; None of one that does.

    2: the input, the recipe or the disk is in the way, and the user can mend it; 1: anything else.
    """
    if isinstance(error, InputError):
        return 2, str(error)
    if isinstance(error, PermissionError):
        return 2, f"no permission: {error.filename}"
    if isinstance(error, OSError):
        return (2 if error.errno in _DISK else 1), str(error)
    if isinstance(error, RuntimeError):
        return 1, str(error)
    return None
