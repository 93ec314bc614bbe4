"""What becomes of memory that was freed: a setting for a process that measures image after image.

Libraries leave it alone; the command line and the workers of a cluster set it for themselves.
"""

import ctypes

__all__ = ["keep_freed_memory"]

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_SETTINGS = {_M_ARENA_MAX: 1, _M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: (1 << 31) - 1}


def keep_freed_memory() -> None:
    """Have the C library keep what an image frees for the next image.

    Otherwise much of it goes back to the system, in every thread on its own, and comes back as
    pages that have to be cleared: up to as costly as measuring itself. Dask's workers, which are
    started to give back all they can, suffer most. Without glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _SETTINGS.items():
            mallopt(parameter, value)
