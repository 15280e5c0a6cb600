"""From bare machines to a cluster with volumes, and the loss of the gateway that all goes through: the story behind `make run-site`."""
import json
import os
import signal
import subprocess
import sys
import time

from support.promises import PROMISES
from support.site_machines import SiteMachine
from support.waiting import SCALE, Timeout, wait_for

from site_tour import classic
from site_tour.loops import now

HERE = os.path.dirname(os.path.abspath(__file__))
PROBER = os.path.join(HERE, "..", "..", "tests", "support", "dns_prober.py")
QUIET_S = 3          # Before the loss, and after all serves again: what the machine does when nothing happens.
APPLY_S = 900
BAR_MS = PROMISES["kill-node"].outage_ms(classic.PROFILE)
DNS_BAR_MS = BAR_MS + 200
SWEEP_MS = 1000      # Who takes over unasked looks first who is there (docs/internals/leases.md), and answers no DHCP meanwhile.
RENEW_MS = 500       # A renewal that was not answered is asked again after a quarter of a second, and may be in the middle of one.


class Loop:
    """One that runs on a node, and what it saw: in the file OUT, which is the node's, seen as `file` from here."""

    def __init__(self, name, node, argv, file, ready="begins"):
        self.name, self._file = name, file
        self._is_inside = isinstance(node, SiteMachine)
        self._process = node.spawn(argv, name)
        try:
            self._await(ready)
        except BaseException:
            self._process.kill()
            raise

    def _await(self, ready):
        try:
            wait_for(lambda: ready in self._process.stdout() or not self._process.running, 30 * SCALE, f"loop {self.name} begins")
        except Timeout:
            pass
        if ready not in self._process.stdout():
            self._stop()
            seen = ""
            if os.path.exists(self._file):
                with open(self._file, encoding="utf-8") as file:
                    seen = file.read()[:500]
            raise RuntimeError(f"loop {self.name} had no success: {seen}{self._process.stderr()[-1000:]}")

    def end(self):
        if self._stop() != 0:
            raise RuntimeError(f"loop {self.name}: {self._process.stderr()[-1000:]}")
        with open(self._file, encoding="utf-8") as file:
            return json.load(file)

    def _stop(self):
        if self._is_inside:   # A signal would end nsenter alone.
            with open(self._file + ".stop", "w", encoding="ascii"):
                pass
        else:
            self._process.signal(signal.SIGINT)
        return self._process.wait(30 * SCALE)

    def kill(self):
        self._process.kill()


def run(stay):
    """Exit code: 0 when all went as promised."""
    began = time.monotonic()
    print("Machines come up: network, mount, process and host name spaces of this machine; a root file system and a sshd each.", flush=True)
    site = classic.ClassicSite()
    try:
        tour = Tour(site)
        tour.map()
        tour.bring_up()
        tour.lose_a_gateway()
        print(f"\n{'All as promised' if not tour.failures else 'NOT as promised'}, {time.monotonic() - began:.0f} s in all.")
        for failure in tour.failures:
            print(f"  {failure}")
        tour.last_words(stay)
        return 1 if tour.failures else 0
    finally:
        site.close()


class Tour:
    def __init__(self, site):
        self.site = site
        self.failures = []

    def promise(self, kept, text):
        if not kept:
            self.failures.append(text)

    def map(self):
        for name, machine in self.site.machines.items():
            note = "  not in the site file yet" if name == classic.LATER else ""
            print(f"  {name:<9}{'  '.join(machine.addresses.values())}{note}")
        print("  Real: sshd, fairleadd, Corosync, dnsmasq, nftables, etcd, Gluster on XFS, TCP and ARP of the kernel.\n"
              "  Stand-ins: kubeadm, kubelet, containerd, systemd (they write the files, keep the order and print the texts of the real ones); cables (veth).\n")

    # ---- from nothing ----
    def bring_up(self):
        self._shell("plan", "| head -n 3")
        took = self._shell("apply", "--yes")
        again = self._fairlead("bootstrap", "plan", "--exit-code", classic.SITE)
        self.promise(again.returncode == 0, f"a second plan has something to do: {again.stdout[-800:]}")
        print(f"The site stands after {took:.0f} s; a second plan has nothing to do.\n" if again.returncode == 0 else f"The site stands after {took:.0f} s.\n", flush=True)

    def _fairlead(self, *words):
        return self.site.operator.run("fairlead", *words, timeout=APPLY_S * SCALE)

    def _shell(self, verb, *more):
        """A verb of `fairlead bootstrap` as a person types it, its lines as they come; seconds it took."""
        command = " ".join(["fairlead", "bootstrap", verb, *(w for w in more if not w.startswith("|")), "site.yaml", *(w for w in more if w.startswith("|"))])
        print(f"operator$ {command}", flush=True)
        began = time.monotonic()
        node = self.site.operator
        with node.host.entered():
            process = subprocess.Popen(node.inside(["/bin/bash", "-o", "pipefail", "-c", f"cd /srv/site && {command}"]), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with process:
            try:
                for line in process.stdout:
                    print(f"  {line}", end="", flush=True)
            except BaseException:   # Whoever ends this does not wait for an apply.
                process.kill()
                raise
            if process.wait() != 0 and not (process.returncode == 141 and "| head" in command):   # `head` had enough.
                raise RuntimeError(f"{command}: exit code {process.returncode}")
        return time.monotonic() - began

    # ---- the loss ----
    def lose_a_gateway(self):
        holder = wait_for(self.site.holder, 20 * SCALE, "one gateway holds the VIP")
        loops = self._begin()
        try:
            joining = self._begin_to_join()
            time.sleep(QUIET_S * SCALE)   # tidy: what it looks like when nothing happens
            print(f"{holder} holds {classic.VIP}, the routers' and resolvers' addresses. It is switched off, while {classic.LATER} is about to join.", flush=True)
            lost = now()
            self.site.machines[holder].lose()
            self.site.machines[classic.LATER].let_go()
            joined = self._await_join(joining)
            other = wait_for(self.site.holder, 20 * SCALE, "the other gateway holds the VIP")
            time.sleep(QUIET_S * SCALE)   # tidy: as above
            seen = {name: loop.end() for name, loop in loops.items()}
        finally:
            for loop in loops.values():
                loop.kill()
        print(f"{other} has them now.\n")
        self._judge(seen, holder, lost, joined)

    def _begin(self):
        operator, guest, worker = self.site.operator.host, self.site.guest, self.site.machines["node-1"]
        loops = {}

        def begin(name, node, out, file, *words, program=(f"{HERE}/loops.py",), **options):
            loops[name] = Loop(name, node, ["/usr/bin/python3", *program, *words[:1], out, *words[1:]], file, **options)

        try:
            at = {name: os.path.join(operator.dir, f"{name}.json") for name in ("api", "dns")} | {"dhcp": os.path.join(guest.dir, "dhcp.json")}
            begin("api", operator, at["api"], at["api"], "api", f"{classic.VIP}:6443")
            begin("dhcp", guest, at["dhcp"], at["dhcp"], "dhcp", "node", "guest")
            names = {"api": classic.VIP, "mast-2": classic.CONTROL_PLANES["mast-2"]["mast"], "guest": self._address_of_the_guest()}
            begin("dns", operator, at["dns"], at["dns"], classic.DNS, *(f"{name}.{classic.DOMAIN}={address}" for name, address in names.items()), program=(PROBER,),
                  ready="asking")
            begin("files", worker, "/run/files", f"{worker.root}/run/files", "files", "/srv/pods/tour")
        except BaseException:
            for loop in loops.values():
                loop.kill()
            raise
        return loops

    def _address_of_the_guest(self):
        return wait_for(lambda: [a["local"] for a in json.loads(self.site.guest.run(["ip", "-j", "-4", "address", "show", "dev", "node"]).stdout)[0]["addr_info"]], 20,
                        "the guest has an address")[0]

    def _begin_to_join(self):
        """`fairlead bootstrap add-node`, held where kubeadm would join."""
        later = self.site.machines[classic.LATER]
        later.hold_at("join:before")
        addresses = [word for network, address in later.addresses.items() for word in ("--address", f"{network}={address}")]
        joining = self.site.operator.spawn(["fairlead", "bootstrap", "add-node", classic.LATER, classic.SITE, "--role", "worker", *addresses, "--yes"], "add-node")
        wait_for(lambda: later.is_held() or not joining.running, 120 * SCALE, "the worker is about to join")
        if not joining.running:
            raise RuntimeError(f"fairlead bootstrap add-node {classic.LATER}: {joining.stdout()[-1500:]}{joining.stderr()[-500:]}")
        return joining

    def _await_join(self, joining):
        code = joining.wait(180 * SCALE)
        nodes = json.loads(self.site.machines["mast-1"].run("kubectl", "get", "nodes", "-o", "json", env={"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}).stdout)
        there = classic.LATER in [node["metadata"]["name"] for node in nodes["items"]]
        problem = next((line for line in joining.stderr().splitlines() if line.startswith("fairlead: ")), "")
        return {"code": code, "there": there, "problem": problem, "said": (joining.stdout()[-700:] + joining.stderr()[-700:]).strip()}

    def _judge(self, seen, holder, lost, joined):
        api, dhcp, files, names = seen["api"], seen["dhcp"], seen["files"], seen["dns"]["names"]
        wrong = self._wrong_files()
        print(f"  {'':<34}{'asked':>8}{'failed':>8}{'longest gap':>14}   promised")
        self._row("API through the VIP", api["asked"], len(api["failed"]), api["gap_ms"], BAR_MS)
        for name, found in names.items():
            self._row(f"DNS {name}", found["asked"], "", round(max((length for _, length, _ in found["gaps"]), default=0) * 1000), DNS_BAR_MS)
        self._row(f"DHCP renewals of {dhcp['more']['address']}", dhcp["asked"], len(dhcp["failed"]), dhcp["gap_ms"], DNS_BAR_MS + SWEEP_MS + RENEW_MS)
        self._row("files on Gluster, flushed", files["asked"], len(files["failed"]), files["gap_ms"], None)
        print(f"  {'their SHA-256, read on node-2':<34}{files['asked']:>8}{len(wrong):>8}{'':>14}   0 wrong")
        self.promise(not wrong, f"files are not what was written: {sorted(wrong)[:5]}")
        self.promise(not files["failed"], f"writes failed: {files['failed'][:3]}")
        print(f"  {classic.LATER + ' joins meanwhile':<34}{'yes' if joined['there'] else 'NO':>8}{'':>22}   yes")
        if joined["code"] != 0:
            print(f"\n  `fairlead bootstrap add-node` could not end its look at the gateway that is off:\n    {joined['problem']}")
        self.promise(joined["there"], f"{classic.LATER} did not join: {joined['said']}")
        self.promise(joined["code"] == 0 or holder in joined["problem"], f"add-node ended otherwise than for {holder}: {joined['said']}")
        before = [reason for at, reason in api["failed"] if at < lost - 1]
        self.promise(not before, f"the API failed before anything was lost: {before[:3]}")

    def _row(self, what, asked, failed, gap, bar):
        print(f"  {what:<34}{asked:>8}{failed:>8}{gap:>11} ms   {f'{bar:.0f} ms' if bar else ''}")
        if bar:
            self.promise(gap <= bar, f"{what}: {gap} ms without an answer, promised are {bar:.0f} ms")

    def _wrong_files(self):
        """Names of files that another worker reads otherwise than they were written."""
        sums = self.site.machines["node-1"].read("/run/files.sha256")
        self.site.machines["node-2"].write("/run/files.sha256", sums)
        checked = self.site.machines["node-2"].run("sh", "-c", "cd /srv/pods/tour && sha256sum --check /run/files.sha256 2>&1", timeout=120)
        lines = [line for line in checked.stdout.splitlines() if ": " in line]
        if len([line for line in lines if line.endswith(": OK")]) == 0:
            raise RuntimeError(f"node-2 cannot read what was written: {checked.stdout[-500:]}")
        return {line.split(":")[0] for line in lines if not line.endswith(": OK") and not line.startswith("sha256sum:")}

    def last_words(self, stay):
        print("\nWhat this does not prove: kubeadm and the kubelet are stand-ins, all machines share one kernel and its clock, and no hypervisor pauses them.")
        if not stay:
            return
        print("\nThe site stays up. A machine's shell, from another terminal: nsenter -t PID -a --root --wd /bin/bash")
        for name, machine in self.site.machines.items():
            if os.path.exists(machine.root):
                print(f"  {name:<9}PID {machine.pid}")
        print("Ctrl-C ends it and removes everything.", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print()
