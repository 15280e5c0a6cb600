"""Cells that are finished, kept while a run goes on, so that an interrupted one can be taken up again: one JSON object a line.

The first line is the key: everything that must be the same for cells of two runs to stand in one report (programs, versions, windows, network,
machine, the harness itself). Each key has a file of its own, so that a run under other conditions overwrites nothing; a file from another day
begins anew. A run that came to its end takes its own cells away: those of a bigger run that was interrupted stay, for that one to go on with.
"""
import contextlib
import glob
import hashlib
import json
import os
import time

from .report import write_atomically

NAMES = "cells-{}.jsonl"
KEPT_FOR = 24 * 3600.0   # seconds: a machine of yesterday is another machine
CALIBRATION = "calibration"


def digest(paths):
    """Of the files' contents, in this order; a missing one counts as that."""
    total = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as file:
                total.update(file.read() + b"\0")
        except OSError:
            total.update(b"missing\0")
    return total.hexdigest()


class State:
    """`found`: records of an interrupted run; `earlier`, `spent`: how many of them this run has taken over so far, and the seconds they took.

    Records are written as they come; half a line at the end (a crash) is dropped."""

    def __init__(self, directory, key, fresh=False):
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:8]
        self.path = os.path.join(directory, NAMES.format(name))
        self.began_anew = ""       # why what was there was not used
        self._key, self._begun = key, time.time()
        self._records, self._mine = {}, set()
        self.earlier, self.spent = 0, 0.0
        os.makedirs(directory, exist_ok=True)
        others = self._others(directory)
        lines = [] if fresh else self._read()
        if lines and self._begun - lines[0].get("begun", 0) > KEPT_FOR:
            self.began_anew = "is older than a day"
        elif lines:
            self._begun = lines[0]["begun"]
            for record in lines[1:]:
                self._records[self._name(record)] = record
        elif others:
            self.began_anew = f"had other programs, options or another machine (its cells stay in {', '.join(others)})"
        self.found = len(self._records)
        if fresh and os.path.exists(self.path):
            os.replace(self.path, self.path + ".old")
        self._write(self._records.values())

    def _others(self, directory):
        """Files of other keys; those that are too old for anybody are removed."""
        names = []
        for path in sorted(glob.glob(os.path.join(glob.escape(directory), NAMES.format("*") + "*"))):
            if time.time() - os.path.getmtime(path) > KEPT_FOR and path != self.path:
                os.remove(path)
            elif path.endswith(".jsonl") and path != self.path:
                names.append(os.path.basename(path))
        return names

    def _write(self, records):
        """The whole file, in one step: a crash leaves the old one or the new one."""
        write_atomically(self.path, "".join(json.dumps(record) + "\n" for record in [{"key": self._key, "begun": self._begun}, *records]))

    def _read(self):
        lines = []
        try:
            with open(self.path, encoding="utf-8") as file:
                for line in file:
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        break
                    lines.append(record)
        except (OSError, ValueError):
            pass   # not there, or cut off in the middle of a record: what stands before it counts
        return lines if lines and lines[0].get("key") == self._key else []

    @staticmethod
    def _name(record):
        return record.get("kind"), record.get("workload"), record.get("contender"), record.get("round")

    def peek(self, kind, workload=None, contender=None, number=None):
        """The record or None; unlike `get`, without making it part of this run."""
        return self._records.get((kind, workload, contender, number))

    def get(self, kind, workload=None, contender=None, number=None):
        name = kind, workload, contender, number
        record = self._records.get(name)
        if record and name not in self._mine:
            self.earlier += kind != CALIBRATION
            self.spent += record.get("took", 0)
        self._mine.add(name)
        return record

    def add(self, kind, workload=None, contender=None, number=None, **what):
        record = {"kind": kind, "workload": workload, "contender": contender, "round": number, **what}
        self._records[self._name(record)] = record
        self._mine.add(self._name(record))
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def finished(self):
        """Takes away what this run asked for or measured; the rate stays with the cells of another run that were measured at it."""
        rest = [record for name, record in self._records.items() if name not in self._mine]
        if rest:
            self._write([record for record in self._records.values() if record["kind"] == CALIBRATION and record not in rest] + rest)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.path)
