"""Where the harness finds the project's own programs and leaves its report: in the source tree, or installed from the package."""
import os
import shutil

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))   # the tree, or PREFIX/share/fairlead
IN_SOURCE = os.path.exists(os.path.join(ROOT, "CMakeLists.txt"))
PREFIX = os.path.dirname(os.path.dirname(ROOT))


def default_out():
    return os.path.join(ROOT, "build", "bench") if IN_SOURCE else os.path.abspath("fairlead-bench")


def haproxy3():
    """Where `make bench` leaves a newer HAProxy; None when there is none."""
    path = os.path.join(ROOT, "build", "haproxy3", "haproxy")
    return path if IN_SOURCE and os.path.exists(path) else None


def find(name, folder=None):
    """The program's path, whether it is there or not. `folder`: named by the user."""
    if folder or IN_SOURCE:
        return os.path.join(folder or os.path.join(ROOT, "build", "bin"), name)
    if name == "fairlead-loadgen":
        return os.path.join(PREFIX, "lib", "fairlead", name)
    return shutil.which(name) or os.path.join(PREFIX, "sbin", name)
