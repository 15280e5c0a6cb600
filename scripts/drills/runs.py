"""The runs that were made so far, in a file: a drill that was stopped goes on where it was. Runs of other programs than today's are no part of it."""
import hashlib
import json
import os
from collections import Counter


class Runs:
    """`stamps`: {system: what its programs are}. A run is {case, system, profile, nodes, stamp, verdict, ...}."""

    def __init__(self, path, stamps, repeats):
        self.path = path
        self.stamps = stamps
        self.repeats = repeats
        self.all = []

    def resume(self):
        """Takes the runs of before; returns a line about those that are dropped, for each system."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="utf-8") as file:
            before = json.load(file)
        self.all = [run for run in before if self._is_of_today(run)]
        dropped = Counter(run["system"] for run in before if not self._is_of_today(run))
        return [f"{count} runs of {system} are dropped: they were made with other programs than today's ({self.stamps[system]})"
                for system, count in sorted(dropped.items())]

    def _is_of_today(self, run):
        """A system that is not installed now has no stamp to compare with: its runs stay what they are."""
        return run["system"] not in self.stamps or run.get("stamp") == self.stamps[run["system"]]

    def keep(self, run):
        self.all.append({**run, "stamp": self.stamps[run["system"]]})
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.all, file)
        os.replace(self.path + ".new", self.path)

    def missing(self, case, profile, nodes, system="fairlead"):
        """How many runs of a case are still to be made."""
        return max(0, self.repeats - sum(1 for r in self.all if (r["case"], r["profile"], r["nodes"], r["system"]) == (case, profile, nodes, system)))


def stamp_of(*files):
    """What these files are, by their bytes; the first gives the name."""
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{os.path.basename(files[0])} sha256:{digest.hexdigest()}"
