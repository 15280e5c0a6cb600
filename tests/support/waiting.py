"""Waiting for a condition instead of for a time. FL_TIME_SCALE stretches every deadline (sanitizer builds set it)."""
import os
import time

SCALE = float(os.environ.get("FL_TIME_SCALE", "1"))


class Timeout(AssertionError):
    """A condition did not come true in time."""


def wait_for(condition, timeout, what, interval=0.02):
    """Polls `condition` until it returns something true, and returns that. Errors of a server that is not there yet count as "not yet"."""
    deadline = time.monotonic() + timeout * SCALE
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (OSError, KeyError, IndexError, ValueError) as error:
            last = error
        if time.monotonic() >= deadline:
            raise Timeout(f"after {timeout * SCALE:g} s still not: {what} (last answer: {last!r})")
        time.sleep(interval)  # tidy: polls


def elapsed_until(condition, timeout, what, interval=0.01):
    """Like wait_for; returns the seconds it took."""
    start = time.monotonic()
    wait_for(condition, timeout, what, interval)
    return time.monotonic() - start
