"""Starts what the machine starts by itself, then carries out what its stubs are called for, each call in a fork of its own: the modules are there already. tests/netns/stub_call.cc
is the program that is called; who starts this reads "ready" on its standard output."""
import array
import gc
import os
import selectors
import signal
import socket
import struct
import sys
import traceback

import stub_kubeadm  # noqa: F401
import stub_kubectl  # noqa: F401
import stub_node
import stub_packages  # noqa: F401
import stub_pki  # noqa: F401
import stub_system  # noqa: F401
# What Api imports when it is used.
import ssl  # noqa: F401
import urllib.error  # noqa: F401
import urllib.request  # noqa: F401
import yaml  # noqa: F401

PATH = "/run/stub/calls.sock"
FILES = 4


class Server:
    def __init__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(PATH)
        os.chmod(PATH, 0o600)
        self.listener.listen(128)
        self.ended, wake = socket.socketpair()
        for sock in (self.ended, wake):
            sock.setblocking(False)
        self.wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.selector.register(self.ended, selectors.EVENT_READ, None)
        self.callers = {}  # pid -> the connection of who called

    def serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj is self.ended:
                    self.ended.recv(4096)
                else:
                    self._caller_gone(key.data)
            self._reap()

    def _accept(self):
        caller, _ = self.listener.accept()
        files = []
        try:
            mask, words, environment = _receive(caller, files)
            pid = os.fork()
            if pid == 0:
                self._be_the_stub(files, mask, words, environment)
        except (OSError, ValueError, struct.error):
            caller.close()
            return
        finally:
            for file in files:
                os.close(file)
        self.callers[pid] = caller
        self.selector.register(caller, selectors.EVENT_READ, pid)

    def _caller_gone(self, pid):
        """It was killed, and what it stands for with it."""
        caller = self.callers.pop(pid, None)
        if caller:
            self._forget(caller)
            os.kill(pid, signal.SIGKILL)

    def _reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            caller = self.callers.pop(pid, None)
            if caller:
                try:
                    caller.sendall(struct.pack("i", status))
                except OSError:
                    pass
                self._forget(caller)

    def _forget(self, caller):
        self.selector.unregister(caller)
        caller.close()

    def _be_the_stub(self, files, mask, words, environment):
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.selector.close()
            for sock in (self.listener, self.ended, self.wake, *self.callers.values()):
                sock.close()
            for number in range(3):
                os.dup2(files[number], number)
            os.fchdir(files[3])
            os.umask(mask)
            for file in files:
                os.close(file)
            os.environ.clear()
            os.environ.update(environment)
            sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, buffering=1 if number == 2 else -1, closefd=False)
                                                 for number, mode in enumerate(("r", "w", "w")))
            sys.argv = ["stub_node.py", *words]
            code = stub_node.call(words[0], words[1:])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code or 0)


def _receive(caller, files):
    """As stub_call.cc's payload() has it; `files` are filled first of all, so that they are closed whatever comes."""
    room = socket.CMSG_SPACE(FILES * array.array("i").itemsize)
    text, control, _, _ = caller.recvmsg(65536, room)
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.extend(array.array("i", data[:len(data) - len(data) % 4]))
    while len(text) < 4 or len(text) < 4 + struct.unpack_from("I", text)[0]:
        more = caller.recv(1 << 20)
        if not more:
            raise ValueError("not all of it came")
        text += more
    parts = [part.decode("utf-8", "surrogateescape") for part in text[4:].split(b"\0")[:-1]]
    mask, count = int(parts[0]), int(parts[1])
    environment = dict(pair.split("=", 1) for pair in parts[2 + count:] if "=" in pair)
    if len(files) != FILES:
        raise ValueError("not all files came")
    return mask, parts[2:2 + count], environment


if __name__ == "__main__":
    server = Server()
    stub_system.boot()
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    server.serve()
