"""Cells that are finished, kept while a run goes on, so that an interrupted one can be taken up again: one JSON object a line.

The first line is the key: everything that must be the same for cells of two runs to stand in one report (programs, versions, windows, network,
machine, the harness itself). Another key, or a file from another day, and the run begins anew. A run that came to its end leaves no state.
"""
import hashlib
import json
import os
import time

NAME = "cells.jsonl"
KEPT_FOR = 24 * 3600.0   # seconds: a machine of yesterday is another machine


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
    """`earlier`: cells taken over. Records are written as they come; half a line at the end (a crash) is dropped."""

    def __init__(self, directory, key, fresh=False):
        self._path = os.path.join(directory, NAME)
        self.began_anew = ""       # why what was there was not used
        self._records = {}
        self.spent = 0.0           # seconds of earlier parts of the run
        begun = time.time()
        lines = [] if fresh else self._read()
        if lines and lines[0].get("key") != key:
            self.began_anew = "the programs, the options or the machine are not the same"
        elif lines and begun - lines[0].get("begun", 0) > KEPT_FOR:
            self.began_anew = "it is older than a day"
        elif lines:
            begun = lines[0]["begun"]
            for record in lines[1:]:
                self._records[self._name(record)] = record
                self.spent += record.get("took", 0)
        self.earlier = len(self._records)
        os.makedirs(directory, exist_ok=True)
        with open(self._path, "w", encoding="utf-8") as file:
            for record in [{"key": key, "begun": begun}, *self._records.values()]:
                file.write(json.dumps(record) + "\n")

    def _read(self):
        lines = []
        try:
            with open(self._path, encoding="utf-8") as file:
                for line in file:
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        break
                    lines.append(record)
        except (OSError, ValueError):
            pass   # not there, or cut off in the middle of a record: what stands before it counts
        return lines

    @staticmethod
    def _name(record):
        return record.get("kind"), record.get("workload"), record.get("contender"), record.get("round")

    def get(self, kind, workload=None, contender=None, number=None):
        return self._records.get((kind, workload, contender, number))

    def add(self, kind, workload=None, contender=None, number=None, **what):
        record = {"kind": kind, "workload": workload, "contender": contender, "round": number, **what}
        self._records[self._name(record)] = record
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def finished(self):
        os.remove(self._path)
