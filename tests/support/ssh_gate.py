"""A gate in the operator's `ssh`: stops the calls of one step of `fairlead bootstrap apply` before and after each, while the test does
something to the operator's program, the connection or the machine.

    gate = SshGate(lab.operator, "/srv/site/demo.state/journal.jsonl")
    gate.arm("mast-1", "mast-1/init")
    apply = operator.spawn([...])
    gate.until(apply, lambda moment, number: moment == "returned")     # the first call has ended, and the program does not know it yet
    apply.kill()
    gate.disarm()

The gate is the `ssh` that the program finds first: it lets everything through but the calls to that machine after the step's begin is in the
journal. Calls of the lock's heartbeat go the same way.
"""
import os
import shutil
import time

from support.waiting import SCALE

_FOLDER = "/srv/gate"
# The last word but one is the machine's name. Whatever ends the program ends this (PDEATHSIG), and that ends ssh.
_WRAPPER = f"""#!/bin/sh
if read -r machine step begun journal <{_FOLDER}/armed; then
  for word; do name=$before; before=$word; done
  case "$*" in *ControlMaster=yes*) name= ;; esac
  if [ "$name" = "$machine" ] && [ "$(grep -cF '"event":"begin","step":"'"$step"'"' "$journal")" -gt "$begun" ]; then
    n=1
    until mkdir {_FOLDER}/$n; do n=$((n + 1)); done
    waits() {{ : >{_FOLDER}/$n/$1; until [ -e {_FOLDER}/$n/$2 ] || [ ! -e {_FOLDER}/armed ]; do sleep 0.02; done; }}
    waits before go
    setpriv --pdeathsig KILL /usr/bin/ssh "$@" 2>&3 3>&-
    code=$?
    waits returned on
    exit $code
  fi
fi 3>&2 2>/dev/null
exec /usr/bin/ssh "$@"
"""


class SshGate:
    def __init__(self, operator, journal):
        self._operator, self._journal = operator, journal
        operator.write("/usr/local/bin/ssh", _WRAPPER, 0o755)

    @property
    def _folder(self):
        return self._operator.root + _FOLDER

    def arm(self, machine, step):
        shutil.rmtree(self._folder, ignore_errors=True)
        begun = 0
        if self._operator.exists(self._journal):
            begun = self._operator.read(self._journal).count(f'"event":"begin","step":"{step}"')
        self._operator.write(f"{_FOLDER}/armed.new", f"{machine} {step} {begun} {self._journal}\n")
        os.rename(f"{self._folder}/armed.new", f"{self._folder}/armed")

    def disarm(self):
        """What stands at the gate goes on."""
        if os.path.exists(f"{self._folder}/armed"):
            os.unlink(f"{self._folder}/armed")

    def until(self, apply, wanted, seconds=60):
        """Lets calls through until `wanted(moment, number)` holds: "before" the call of that number (from 1 on), or when it has "returned" and the
        program does not know. That one stays where it is. `wanted` is also asked with "between" while nothing is at the gate. False: the program
        ended before."""
        until = time.monotonic() + seconds * SCALE
        while time.monotonic() < until:
            moments = self._waiting()
            for moment, number, path in moments:
                if wanted(moment, number):
                    return True
                with open(path, "w", encoding="ascii"):
                    pass
            if not moments and wanted("between", 0):
                return True
            if not apply.running:
                return False
            time.sleep(0.01)  # tidy: polls
        raise AssertionError(f"the gate was not reached: {apply.stdout()[-1000:]} {apply.stderr()[-1000:]}")

    def _waiting(self):
        """[(moment, number, the file that lets it go on)]"""
        out = []
        for name in sorted((n for n in os.listdir(self._folder) if n.isdigit()), key=int):
            for moment, on in (("before", "go"), ("returned", "on")):
                path = f"{self._folder}/{name}/"
                if os.path.exists(path + moment) and not os.path.exists(path + on):
                    out.append((moment, int(name), path + on))
        return out
