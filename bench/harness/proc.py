"""What the kernel says processes have used, as bench/macro/proc_sample.cc reads it: for cells whose load comes from tools of others."""
import os
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    cpu_ns: int = 0
    voluntary: int = 0
    involuntary: int = 0
    threads: frozenset = frozenset()
    missing: int = 0

    def since(self, before):
        return {"cpu_ns": self.cpu_ns - before.cpu_ns, "voluntary": self.voluntary - before.voluntary, "involuntary": self.involuntary - before.involuntary,
                "threads_ended": len(before.threads - self.threads), "missing": self.missing}


def use_of(pids):
    cpu_ns = voluntary = involuntary = missing = 0
    threads = set()
    for pid in pids:
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            missing += 1
            continue
        for task in tasks:
            try:
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    cpu_ns += int(file.read().split()[0])
                with open(f"/proc/{pid}/task/{task}/status", encoding="ascii", errors="replace") as file:
                    switches = dict(re.findall(r"^(voluntary|nonvoluntary)_ctxt_switches:\s*(\d+)", file.read(), re.MULTILINE))
            except (OSError, IndexError):
                continue   # it ended while we looked
            voluntary += int(switches.get("voluntary", 0))
            involuntary += int(switches.get("nonvoluntary", 0))
            threads.add(task)
    return Use(cpu_ns, voluntary, involuntary, frozenset(threads), missing)


def machine_busy_ns():
    """Busy time of all CPUs, steal included."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))
