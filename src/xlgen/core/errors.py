"""What a command prints, and its exit code, when something fails."""

from __future__ import annotations

import errno
import os
import traceback

from xlgen.core.arguments import argument
from xlgen.core.extras import missing_extra
from xlgen.core.registry import InputError, RunEndedError

DEBUG = "XLGEN_DEBUG"
"""Environment variable of ``xlgen --debug``, which the processes that a command starts inherit."""
_RESOURCES = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.ESTALE),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN),
)
"""Error codes of a full or failing disk, and of limits of the system."""
_PATH = (
    *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EINVAL, errno.ENXIO, errno.ENODEV, errno.EILSEQ, errno.EBUSY, errno.ETXTBSY, errno.ENOTEMPTY, errno.EXDEV),
)
"""Error codes of paths that do not exist or have the wrong type, and of devices that cannot be read."""
_LOWER = "lower batch_tokens, the number of beams or the lengths"
_NO_MEMORY = ("out of memory", "allocate memory", "STATUS_ALLOC_FAILED")
"""Parts of the messages of PyTorch's allocators, the GPU driver and cuBLAS when memory runs out."""
_LIMITS = {
    "busy or unavailable": "another process has the GPU to itself: wait for it, or hide the GPU with "
    "CUDA_VISIBLE_DEVICES=",
    "no kernel image is available": "this build of PyTorch has no code for this GPU: install one that has, or hide "
    "the GPU with CUDA_VISIBLE_DEVICES=",
    "can't start new thread": f"the system allows no more threads: raise `ulimit -u`, or lower {argument('workers')}",
}
"""Parts of the messages of PyTorch and Python about a GPU or a system that cannot be used, and what to do."""


def describe_error(error: BaseException) -> tuple[int, str] | None:
    """The exit code and the one-line message of an error that needs no traceback, or None.

    The code is 2 if the input, the recipe or the machine is at fault and the user can fix it, and 1 if a run ended
    early for a known reason or the network failed. Any other error is a bug, and needs its traceback.
    """
    if isinstance(error, InputError):
        return 2, str(error)
    if isinstance(error, RunEndedError):
        return 1, str(error)
    if isinstance(error, ModuleNotFoundError):
        missing = missing_extra(error)
        return (2, str(missing)) if missing else None
    if is_out_of_memory(error):
        return 2, f"{'the GPU ' if 'CUDA' in str(error) else 'the '}memory is not enough: {_LOWER}"
    if isinstance(error, RuntimeError):
        found = next((advice for said, advice in _LIMITS.items() if said in str(error)), None)
        return (2, found) if found else None
    if isinstance(error, PermissionError):
        return 2, f"no permission: {error.filename}"
    if isinstance(error, OSError):
        code = 2 if error.errno in (*_RESOURCES, *_PATH) else 1
        if code == 1 and not isinstance(error, (ConnectionError, TimeoutError)):
            return None
        return code, f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    if isinstance(error, ValueError) and "embedded null" in str(error):  # Python's own, of a path
        return 2, "a path holds a NUL character"
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, PyTorch or the GPU driver means that memory ran out. Does not import PyTorch."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and (
        any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
        or any(said in str(error) for said in _NO_MEMORY)
    )


def report(error: BaseException) -> tuple[int, str]:
    """The exit code, and the message of :func:`describe_error` or the traceback; ``--debug`` prints both."""
    found = describe_error(error)
    whole = "".join(traceback.format_exception(error)).rstrip()
    if found is None:
        return 1, whole
    code, message = found
    return code, f"{whole}\nerror: {message}" if debugging() else f"error: {message}"


def debugging() -> bool:
    """Whether user errors are printed with their tracebacks."""
    return os.environ.get(DEBUG, "").lower() not in ("", "0", "false", "no", "off")
