"""Network namespaces without names: each is held by a descriptor, so the kernel removes it when its last user is gone, however that ended."""
import contextlib
import ctypes
import os
import threading

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_home = None
_home_lock = threading.Lock()


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _home_namespace():
    global _home
    with _home_lock:
        if _home is None:
            _home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        return _home


class NetworkNamespace:
    """A network namespace. Threads enter it one by one (setns is per thread); sockets and children made inside stay inside."""

    def __init__(self):
        _home_namespace()
        made = []

        def make():
            try:
                _check(_libc.unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)")
                made.append(os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                made.append(error)

        # A thread of its own: it ends in the new namespace, no other thread was ever in it.
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        self.fd = made[0]

    @property
    def path(self):
        """A name of the namespace for `ip link ... netns PATH` and `nsenter --net=PATH`, good while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    @contextlib.contextmanager
    def entered(self):
        """Puts the calling thread into the namespace for the length of a `with`."""
        _check(_libc.setns(self.fd, CLONE_NEWNET), "setns")
        try:
            yield
        finally:
            _check(_libc.setns(_home_namespace(), CLONE_NEWNET), "setns back")

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def why_unavailable():
    """None when namespaces can be made here; else the reason."""
    if os.geteuid() != 0:
        return "not root"
    try:
        NetworkNamespace().close()
    except OSError as error:
        return str(error)
    return None
