"""A running probe program: its lines as (word, {key: value}), and a way to tell it things."""
import socket

from support.waiting import wait_for


class ProbeProgram:
    """`path`: the datagram socket it is told things by. `name`: for messages. Whoever derives from it starts `process`."""

    def __init__(self, path, name):
        self.name = name
        self.process = None
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def close(self):
        self._socket.close()
        self.process.kill()

    def lines(self, word=None):
        out = []
        for line in self.process.stdout().splitlines():
            first, *rest = line.split(" ")
            if word in (None, first):
                out.append({"": line, **dict(part.split("=", 1) for part in rest if "=" in part)})
        return out

    def matching(self, word, **values):
        return [line for line in self.lines(word) if all(line.get(k) == v for k, v in values.items())]

    def tell(self, command):
        self._socket.sendto(command.encode(), self._path)

    def wait(self, word, count=1, timeout=20, **values):
        """The `count` first lines that begin with `word` and have these values."""
        def found():
            lines = self.matching(word, **values)
            return lines[:count] if len(lines) >= count else None
        return wait_for(found, timeout, f"{count} x {word} {values} at probe {self.name}: {self.process.stdout()[-2500:]}{self.process.stderr()[-500:]}", 0.005)
