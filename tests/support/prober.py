"""`fairlead drill probe` on a machine of a lab."""
import json
import os
import signal

from support.fairlead import BIN
from support.waiting import wait_for


def probing(test, host, target, *options):
    """A running prober that has its first answers. Returns a function that ends it and returns what it saw."""
    name = f"probe.{len(os.listdir(host.dir))}"
    out = os.path.join(host.dir, f"{name}.json")
    process = host.spawn([os.path.join(BIN, "fairlead"), "drill", "probe", target, "--out", out, *options], name)
    test.addCleanup(process.kill)
    wait_for(lambda: "probing" in process.stderr(), 10, "the prober runs")

    def verdict():
        process.signal(signal.SIGINT)
        test.assertEqual(process.wait(10), 0, process.stderr())
        with open(out, encoding="utf-8") as file:
            return json.load(file)
    return verdict
