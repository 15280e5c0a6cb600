"""Children that never outlive the program that started them."""
import ctypes
import os
import resource
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

from support.waiting import SCALE, wait_for

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_CAP_SYS_RESOURCE = 24
_libc = ctypes.CDLL(None)


class Spawner:
    """Starts children from one thread. The kernel ties "kill me when my parent dies" to the *thread* that forked, so it must live on."""

    def __init__(self):
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
        self._processes = []
        self._lock = threading.Lock()

    def start(self, argv, *, node, log_dir, name, nofile=None, env=None, stderr=None):
        process = Process(name, log_dir)

        def spawn():
            with node.entered():
                process.launch([str(a) for a in argv], env, stderr, nofile)

        self._thread.submit(spawn).result()
        with self._lock:
            self._processes.append(process)
        return process

    def close(self):
        with self._lock:
            processes, self._processes = self._processes, []
        for process in reversed(processes):
            process.kill()
        self._thread.shutdown(wait=True)


class Process:
    """One child, its output in files."""

    def __init__(self, name, log_dir):
        self.name = name
        self.stdout_path = os.path.join(log_dir, f"{name}.stdout")
        self.stderr_path = os.path.join(log_dir, f"{name}.stderr")
        self._popen = None

    def launch(self, argv, env, stderr, nofile):
        parent = os.getpid()

        def in_the_child():
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:   # It died before the line above could take effect.
                os._exit(1)
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
                _libc.prctl(_PR_CAPBSET_DROP, _CAP_SYS_RESOURCE)   # Root would raise it again.

        environment = dict(os.environ, **env) if env else None
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self._popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err if stderr is None else stderr,
                                           env=environment, start_new_session=True, preexec_fn=in_the_child)

    @property
    def pid(self):
        return self._popen.pid

    @property
    def running(self):
        return self._popen.poll() is None

    @property
    def returncode(self):
        return self._popen.poll()

    def signal(self, number):
        if self.running:
            os.kill(self.pid, number)

    def kill(self):
        """SIGKILL to it and its children, and waits until the kernel has closed everything it had. Also works on a stopped process."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    def freeze(self):
        """SIGSTOP, and waits until it took effect in every thread."""
        self.signal(signal.SIGSTOP)
        wait_for(lambda: _stat(self.pid)[0] == "T", 5, f"{self.name} is stopped", 0.005)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def wait(self, timeout):
        """The exit code; raises subprocess.TimeoutExpired."""
        return self._popen.wait(timeout * SCALE)

    def stop(self, timeout=5):
        """SIGTERM, then SIGKILL when that does not do. Returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self._popen.wait(timeout * SCALE)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._popen.returncode

    def stdout(self):
        return _read(self.stdout_path)

    def stderr(self):
        return _read(self.stderr_path)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise ValueError(f"{self.name} has no VmRSS")

    def cpu_seconds(self):
        """User and system time of all threads so far."""
        fields = _stat(self.pid)
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def start_time(pid):
    """Clock ticks since boot at which a process started: with its id, a name that is never used twice. None when it is gone."""
    try:
        return _stat(pid)[19]
    except OSError:
        return None


def has_ended(pid, start=None):
    """Whether a process ran to its end, buried or not. `start`: its start_time(), so that another one of the same id does not pass for it."""
    try:
        now = _stat(pid)
    except OSError:
        return True
    return now[0] == "Z" or start not in (None, now[19])


def _stat(pid):
    """What /proc says of a process, from its state on."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()
