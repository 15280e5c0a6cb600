"""Who uses a VIP from outside: asks the API behind it for /readyz ten times a second, each time over a new connection, and counts.

    with VipClient(operator, "192.168.4.20:6443") as client:
        ...
    client.check(test, gap_max=2)
"""
import json
import uuid

from support.waiting import wait_for

_CLIENT = """
import json, os, socket, ssl, sys, time
host, port = sys.argv[1].rsplit(":", 1)
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
asked, failures, last, gap = 0, [], None, 0.0
def ask():
    with socket.create_connection((host, int(port)), timeout=2) as plain, context.wrap_socket(plain) as sock:
        sock.settimeout(2)
        sock.sendall(b"GET /readyz HTTP/1.0\\r\\n\\r\\n")
        answer = b""
        while data := sock.recv(4096):
            answer += data
    if b" 200 " not in answer.split(b"\\r\\n")[0]:
        raise OSError(answer[:60].decode(errors="replace"))
while not os.path.exists(sys.argv[2]):
    begun = time.monotonic()
    asked += 1
    try:
        ask()
        now = time.monotonic()
        if last is None:
            print("answered", flush=True)
        else:
            gap = max(gap, now - last)
        last = now
    except OSError as error:
        failures.append(f"{time.time():.1f} {error}")
    time.sleep(max(0.0, 0.1 - (time.monotonic() - begun)))  # tidy: polls
gap = max(gap, time.monotonic() - last) if last else 1e9
print(json.dumps({"asked": asked, "failures": failures, "gap": gap}), flush=True)
"""


class VipClient:
    """`seen` after its end: {"asked", "failures": texts, "gap": the longest time between two answers, seconds}."""

    def __init__(self, machine, target):
        self.machine, self.target = machine, target
        self.seen = self._process = self._end = None

    def __enter__(self):
        name = f"vip-client-{uuid.uuid4().hex[:6]}"
        self._end = f"/run/{name}.end"
        self._process = self.machine.spawn(["/usr/bin/python3", "-c", _CLIENT, self.target, self._end], name)
        try:
            wait_for(lambda: "answered" in self._process.stdout(), 20, f"the VIP answers: {self._process.stderr()}")
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *failure):
        self.machine.write(self._end, "")
        try:
            self._process.wait(20)
            self.seen = json.loads(self._process.stdout().splitlines()[-1])
        finally:
            self._process.kill()

    def summary(self):
        return f"{self.seen['asked']} asked, {len(self.seen['failures'])} without an answer, longest gap {self.seen['gap']:.2f} s"

    def check(self, test, gap_max):
        test.assertLess(self.seen["gap"], gap_max, f"{self.summary()}: {self.seen['failures'][:10]}")
