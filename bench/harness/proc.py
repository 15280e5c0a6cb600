"""What the kernel says processes have used, as bench/macro/proc_sample.cc reads it: for cells whose load comes from tools of others."""
import os
import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Use:
    threads: dict = field(default_factory=dict)   # by id: (CPU ns, voluntary switches, involuntary ones)
    missing: int = 0

    def since(self, before):
        """Thread by thread: what one that ended has used since is not known, and not counted."""
        nothing = (0, 0, 0)
        cpu_ns, voluntary, involuntary = (sum(now[i] - before.threads.get(thread, nothing)[i] for thread, now in self.threads.items()) for i in range(3))
        return {"cpu_ns": cpu_ns, "voluntary": voluntary, "involuntary": involuntary,
                "threads_ended": len(before.threads.keys() - self.threads.keys()), "missing": self.missing}


def use_of(pids):
    threads, missing = {}, 0
    for pid in pids:
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            missing += 1
            continue
        for task in tasks:
            try:
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    cpu_ns = int(file.read().split()[0])
                with open(f"/proc/{pid}/task/{task}/status", encoding="ascii", errors="replace") as file:
                    switches = dict(re.findall(r"^(voluntary|nonvoluntary)_ctxt_switches:\s*(\d+)", file.read(), re.MULTILINE))
            except (OSError, IndexError):
                continue   # it ended while we looked
            threads[task] = (cpu_ns, int(switches.get("voluntary", 0)), int(switches.get("nonvoluntary", 0)))
    return Use(threads, missing)


def machine_busy_ns():
    """Busy time of all CPUs, steal included."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))
