"""Locks on open files, which the operating system releases when their process ends."""

import sys


def try_to_lock(descriptor: int, *, if_unknown: bool = True) -> bool:
    """Lock an open file without waiting.

    Args:
        if_unknown: returned on a file system that has no locks.
    Returns: whether no other process holds the lock.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return if_unknown
    return True
