"""systemctl and the programs it starts: units that do something here are really started (fairleadd, corosync, chronyd, glusterd, etcd by the kubelet),
mount units mount, others only have a state. The kubelet starts and ends static pods: etcd the real one, kube-apiserver the stub's."""
import copy
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time

from stub_common import ETC, ETCD, ETCDCTL, Api, Failure, at, host_name, read, read_state, record, wait_for, write, write_state

HERE = os.path.dirname(os.path.realpath(__file__))
RUN = "/run/stub"
# What a unit runs; the others are marks.
COMMANDS = {
    "kubelet": [sys.executable, f"{HERE}/stub_node.py", "kubelet", "--stub-serve"],
    "corosync": ["corosync", "-f"],
    "corosync-qnetd": ["corosync-qnetd", "-f"],
    "corosync-qdevice": ["corosync-qdevice", "-f"],
    "glusterd": ["glusterd", "-N", "-p", "/run/gluster/glusterd.pid"],
    "fairleadd": ["fairleadd", "--config", "/etc/fairlead/fairlead.yaml"],
}
# What is there when a unit of Type=notify has said that it is ready.
READY = {"fairleadd": "/run/fairlead/fairlead.sock", "corosync-qnetd": "/run/corosync-qnetd/corosync-qnetd.sock",
         "corosync-qdevice": "/run/corosync-qdevice/corosync-qdevice.sock"}
# Units that a package or systemd brings and that do nothing here.
MARKS = ("containerd", "chrony", "cri-docker", "cri-docker.socket", "swap.target", "systemd-timesyncd", "ssh", "nftables", "dnsmasq")
POD_COMMANDS = {"etcd": [ETCD], "kube-apiserver": [sys.executable, f"{HERE}/stub_api.py"]}
# They have nothing to do here but to be there, and to start again.
IDLE_PODS = ("kube-controller-manager", "kube-scheduler")
HEARTBEAT_S = 1
REGISTER_S = 0.3
ETCD_IMAGE = "registry.k8s.io/etcd:3.6.6-0"


def swapoff(arguments):
    record("swapoff", arguments)
    return 0


# ---- systemctl ----

def systemctl(arguments):
    record("systemctl", arguments)
    # "-p A,B" takes a value of its own.
    arguments = [f"-p{arguments[i + 1]}" if a == "-p" else a for i, a in enumerate(arguments) if i == 0 or arguments[i - 1] != "-p"]
    words = [a for a in arguments if not a.startswith("-")]
    if not words:
        return 0
    verb, units = words[0], [w.removesuffix(".service") for w in words[1:]]
    if verb in ("daemon-reload", "reset-failed", "preset"):
        return 0
    if verb == "is-system-running":
        print("running")
        return 0
    if verb in ("is-active", "is-enabled"):
        return _ask(verb, units, "--quiet" in arguments or "-q" in arguments)
    if verb == "show":
        return _show(units, arguments)
    if verb == "reboot":
        return reboot(arguments)
    for unit in units:
        at(f"systemctl-{verb}-{unit}:before")
        _change(verb, unit, "--now" in arguments)
    return 0


def _state():
    return read_state("units", {})


def _set(unit, **what):
    state = _state()
    state[unit] = state.get(unit, {"active": False, "enabled": False}) | what
    write_state("units", state)


def _known(unit):
    return unit in _state() or unit in COMMANDS or unit in MARKS or any(os.path.exists(f"{folder}/{unit}.service") or os.path.exists(f"{folder}/{unit}")
                                                       for folder in ("/lib/systemd/system", "/etc/systemd/system", "/usr/lib/systemd/system"))


def _mount(unit):
    """What a mount unit says: {"What", "Where", "Type", "Options"}."""
    return dict(re.findall(r"^(What|Where|Type|Options)=(.*)$", read(f"/etc/systemd/system/{unit}", ""), re.M))


def _is_mounted(unit):
    return any(line.split()[1] == _mount(unit).get("Where") for line in read("/proc/self/mounts").splitlines())


def _is_active(unit):
    if unit.endswith(".mount"):
        return _is_mounted(unit)
    if unit in COMMANDS:
        return _alive(unit)
    return bool(_state().get(unit, {}).get("active"))


def _ask(verb, units, quiet):
    code = 0
    for unit in units:
        yes = _is_active(unit) if verb == "is-active" else bool(_state().get(unit, {}).get("enabled"))
        if not quiet:
            print(("active" if yes else "inactive") if verb == "is-active" else ("enabled" if yes else "disabled"))
        code = code if yes else (3 if verb == "is-active" else 1)
    return code


def _show(units, arguments):
    wanted = [a.removeprefix("--property=").removeprefix("-p") for a in arguments if a.startswith(("--property=", "-p"))]
    properties = ",".join(wanted).split(",") if wanted else ["ActiveState", "UnitFileState", "LoadState"]
    for number, unit in enumerate(units):
        if number:
            print()
        values = {"ActiveState": "active" if _is_active(unit) else "inactive", "UnitFileState": "enabled" if _state().get(unit, {}).get("enabled") else "disabled",
                  "LoadState": "loaded" if _known(unit) else "not-found", "Id": f"{unit}.service", "MainPID": str(_pid(unit) or 0)}
        for name in properties:
            print(values.get(name, "") if "--value" in arguments else f"{name}={values.get(name, '')}")
    return 0


def _change(verb, unit, now):
    if not _known(unit):
        raise Failure(f"Failed to {verb} {unit}.service: Unit {unit}.service not found.", 5)
    if verb in ("enable", "unmask"):
        _set(unit, enabled=True)
    if verb in ("disable", "mask"):
        _set(unit, enabled=False)
    if verb in ("stop", "restart", "try-restart") or (verb in ("disable", "mask") and now):
        _stop(unit)
    if verb in ("start", "restart", "reload-or-restart") or (verb == "enable" and now):
        _start(unit)
    if verb in ("reload", "reload-or-restart") and _pid(unit):
        os.kill(_pid(unit), signal.SIGHUP)
    if verb == "reload" and unit == "ssh":
        os.kill(int(read("/run/sshd.pid")), signal.SIGHUP)


def _pid(unit):
    text = read(f"{RUN}/{unit}.pid", "")
    return int(text) if text else None


def _alive(unit):
    pid = _pid(unit)
    return pid is not None and _runs(pid)


def _start(unit):
    _set(unit, active=True)
    if unit.endswith(".mount") and not _is_mounted(unit):
        _start_mount(unit)
    if unit not in COMMANDS or _alive(unit):
        return
    if unit == "glusterd":
        for folder in ("/run/gluster", "/var/log/glusterfs"):
            os.makedirs(folder, exist_ok=True)
    # A unit's own options, as its EnvironmentFile has them.
    options = re.findall(r'^[A-Z_]*OPTIONS="(.*)"', read(f"/etc/default/{unit}", ""), re.M)
    pid = spawn(COMMANDS[unit] + (options[0].split() if options and unit == "corosync-qnetd" else []), f"/var/log/{unit}.stub.log")
    write(f"{RUN}/{unit}.pid", str(pid))
    if unit in READY:
        wait_for(lambda: os.path.exists(READY[unit]) or not _alive(unit), 20, unit)
    if unit == "corosync":
        wait_for(lambda: _answers("corosync-cmapctl", "-g", "totem.cluster_name") or not _alive(unit), 20, unit)
    if not _alive(unit):
        raise Failure(f"Job for {unit}.service failed because the control process exited with error code.", 1)


def _answers(*argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _start_mount(unit):
    what = _mount(unit)
    os.makedirs(what["Where"], exist_ok=True)
    options = ",".join(o for o in what.get("Options", "").split(",") if o not in ("nofail", "")) or "defaults"
    done = subprocess.run(["mount", "-t", what["Type"], "-o", options, what["What"], what["Where"]], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Failure(f"Job for {unit} failed. {done.stderr.strip()}", 1)


def _stop(unit):
    _set(unit, active=False)
    if unit.endswith(".mount") and _is_mounted(unit):
        subprocess.run(["umount", _mount(unit)["Where"]], check=True)
    pid = _pid(unit)
    if not pid or not _alive(unit):
        return
    os.kill(pid, signal.SIGTERM)
    try:
        wait_for(lambda: not _alive(unit), 20, unit)
    except Failure:
        os.kill(pid, signal.SIGKILL)
    os.unlink(f"{RUN}/{unit}.pid")


def spawn(command, log):
    """Started and let go, in a session of its own."""
    os.makedirs(RUN, exist_ok=True)
    with open(log, "ab") as file:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True).pid


def _boot_rank(unit):
    """Disks, Corosync and then its qdevice (Requires= and After=), services, and what is mounted from the network."""
    if unit.endswith(".mount"):
        return 4 if _mount(unit).get("Type") == "glusterfs" else 0
    return {"corosync": 1, "corosync-qdevice": 2}.get(unit, 3)


def boot():
    """What a machine starts by itself after a reboot."""
    write_state("pods", {})
    for unit, state in sorted(_state().items(), key=lambda one: _boot_rank(one[0])):
        if not state.get("enabled"):
            continue
        try:
            _start(unit)
        except Failure:
            if not unit.endswith(".mount"):   # A mount with nofail keeps no machine from booting.
                raise


def reboot(arguments):
    record("reboot", arguments)
    # The lab's keeper does it: it ends everything in this machine and starts sshd again.
    write("/run/stub/reboot", "asked\n")
    return 0


# ---- kubelet and its pods ----

def kubelet(arguments):
    if "--version" in arguments:
        print(f"Kubernetes v{read_state('packages', {}).get('kubelet', '0.0.0').split('-')[0]}")
        return 0
    if "--stub-serve" not in arguments:
        raise Failure("kubelet is started by systemctl")
    return _Kubelet().serve()


class _Kubelet:
    """Pods outlive it, as with the real one: a kubelet that is started finds them again by `pods.json`."""

    def __init__(self):
        self.over = False
        self.version = f"v{read_state('packages', {}).get('kubelet', '0.0.0').split('-')[0]}"  # Of the program that runs, not of the package.
        self.beat = self.told = 0.0
        self.api = None  # And the text it was made of: a new certificate is another text.
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # No zombies.

    def _end(self, *_):
        self.over = True

    def serve(self):
        while not self.over:
            self._manifests()
            self._register()
            time.sleep(0.1)  # tidy: polls
        return 0

    @staticmethod
    def _wanted():
        folder, wanted = f"{ETC}/manifests", {}
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if not name.endswith(".yaml"):
                continue
            lines = read(f"{folder}/{name}", "").splitlines()
            command = [line.strip().removeprefix("- ") for line in lines if line.startswith("    - ")]
            if command and (command[0] in POD_COMMANDS or command[0] in IDLE_PODS):
                wanted[name.removesuffix(".yaml")] = command
        return wanted

    def _manifests(self):
        wanted = self._wanted()
        pods = read_state("pods", {})
        kept = {name: pod for name, pod in pods.items() if wanted.get(name) == pod["command"] and _runs(pod["pid"])}
        for name in pods.keys() - kept.keys():
            end_pod(pods[name]["pid"])
        for name in wanted.keys() - kept.keys():
            command = wanted[name]
            run = ["sleep", "infinity"] if command[0] in IDLE_PODS else POD_COMMANDS[command[0]] + command[1:]
            kept[name] = {"command": command, "pid": spawn(run, f"/var/log/{name}.pod.log"), "id": secrets.token_hex(32)}
        if kept != pods:
            write_state("pods", kept)

    def _register(self):
        if not os.path.exists(f"{ETC}/kubelet.conf"):
            return
        if time.monotonic() - self.told < REGISTER_S:
            return
        try:
            text = read(f"{ETC}/kubelet.conf")
            if not self.api or self.api[0] != text:
                self.api = text, Api.by_kubeconfig(f"{ETC}/kubelet.conf")
            api = self.api[1]
            node = api.get("nodes", "", host_name())
            fresh = _node(node, self.version)
            if node != fresh:
                api.put("nodes", "", host_name(), fresh)
            if time.monotonic() - self.beat > HEARTBEAT_S:
                api.put("leases", "kube-node-lease", host_name(), {"metadata": {"name": host_name()}, "renewed": time.time()})
                self.beat = time.monotonic()
            self.told = time.monotonic()
        except (Failure, ValueError, KeyError, OSError):
            time.sleep(0.2)  # tidy: polls. The API is not there yet, or not any more.


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def end_pod(pid):
    if not _runs(pid):
        return
    os.kill(pid, signal.SIGTERM)
    try:
        wait_for(lambda: not _runs(pid), 10, "a pod's end")
    except Failure:
        os.kill(pid, signal.SIGKILL)


def end_pods():
    """`kubeadm reset`, by the container runtime."""
    for pod in read_state("pods", {}).values():
        end_pod(pod["pid"])
    write_state("pods", {})


def _node(node, version):
    registration = read_state("registration", {})
    node = copy.deepcopy(node) or {"metadata": {"name": host_name(), "labels": {}}, "spec": {"taints": registration.get("taints") or []}, "status": {}}
    for argument in registration.get("kubeletExtraArgs") or []:
        if argument["name"] == "node-labels":
            node["metadata"]["labels"].update(dict(pair.split("=", 1) for pair in argument["value"].split(",")))
    addresses = [argument["value"] for argument in registration.get("kubeletExtraArgs") or [] if argument["name"] == "node-ip"]
    from stub_common import address_of_default_device
    node["status"] = {"addresses": [{"type": "InternalIP", "address": addresses[0] if addresses else address_of_default_device()}],
                      "nodeInfo": {"kubeletVersion": version,
                                   "containerRuntimeVersion": f"containerd://{_containerd_version()}"},
                      "conditions": [{"type": "Ready", "status": "True"}]}
    return node


def _containerd_version():
    packages = read_state("packages", {})
    return re.split(r"[^0-9.]", packages.get("containerd") or packages.get("containerd.io") or "2.3.5")[0]


# ---- the rest ----

def containerd(arguments):
    record("containerd", arguments)
    if "--version" in arguments:
        print(f"containerd github.com/containerd/containerd/v2 {read('/var/lib/stub/containerd-version', 'v0.0.0').strip()} 0123456")
    return 0


def runc(arguments):
    print("runc version 1.4.0") if "--version" in arguments else None
    return 0


def crictl(arguments):
    """`ps -q --name REGEX`, `pods -q --name REGEX`, `inspect ID`, `stopp SANDBOX`, `exec ID COMMAND`; a sandbox is called as its container with "s" before it."""
    record("crictl", arguments)
    verb = arguments[0] if arguments else ""
    pods = {name: pod for name, pod in read_state("pods", {}).items() if _runs(pod["pid"])}
    by_id = {pod["id"]: (name, pod) for name, pod in pods.items()}
    if verb == "ps":
        wanted = arguments[arguments.index("--name") + 1] if "--name" in arguments else ""
        print("".join(f"{pod['id']}\n" for name, pod in pods.items() if re.search(wanted, name)), end="")
    elif verb == "pods":
        # Until kubelet has seen that its manifest is gone, a pod is there, whether its container runs or not.
        wanted = arguments[arguments.index("--name") + 1] if "--name" in arguments else ""
        print("".join(f"s{pod['id']}\n" for name, pod in read_state("pods", {}).items() if re.search(wanted, f"{name}-{host_name()}")), end="")
    elif verb == "inspect":
        if arguments[-1] not in by_id:
            raise Failure(f'FATA[0000] getting the status of the container "{arguments[-1]}": not found')
        print("s" + arguments[-1])
    elif verb == "stopp":
        found = by_id.get(arguments[-1].removeprefix("s"))
        if not found:
            raise Failure(f'FATA[0000] stopping the pod sandbox "{arguments[-1]}": not found')
        end_pod(found[1]["pid"])
        print(f"Stopped sandbox {arguments[-1]}")
    elif verb == "exec":
        if arguments[1] not in by_id:
            raise Failure(f'FATA[0000] execing command in container "{arguments[1]}": not found')
        command = [ETCDCTL if word == "etcdctl" else word for word in arguments[2:]]
        return subprocess.run(command, check=False, env=os.environ | {"ETCDCTL_API": "3"}).returncode
    else:
        print(json.dumps({"status": {"conditions": [{"type": "RuntimeReady", "status": True}]}}))
    return 0


def image_line(name):
    """Of a static pod on a machine whose etcd is in images only."""
    return f"    image: {ETCD_IMAGE}\n" if name == "etcd" and ETCD.startswith("/") else ""


def ctr(arguments):
    """`images ls -q` and `run ... IMAGE NAME etcdutl ...`, which is etcdctl here: Debian's etcd is older than etcdutl."""
    record("ctr", arguments)
    if arguments[-3:] == ["images", "ls", "-q"] and ETCD.startswith("/"):
        print(ETCD_IMAGE)
    if "run" in arguments and "etcdutl" in arguments:
        if ETCD_IMAGE not in arguments or "type=bind,src=/var/lib/etcd,dst=/var/lib/etcd,options=rbind:rw" not in arguments:
            raise Failure("ctr: no such image, or not its data")
        return subprocess.run([ETCDCTL, *arguments[arguments.index("etcdutl") + 1:]], check=False, env=os.environ | {"ETCDCTL_API": "3"}).returncode
    return 0


def modprobe(arguments):
    record("modprobe", arguments)
    return 0


def sysctl(arguments):
    """Forwarding is really set, each machine has its own; what a namespace has not got is a stand-in fact of the lab."""
    record("sysctl", arguments)
    for folder in ("/etc/sysctl.d", "/usr/lib/sysctl.d"):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if "net.ipv4.ip_forward = 1" in read(f"{folder}/{name}"):
                with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
                    file.write("1")
    return 0


def hostnamectl(arguments):
    record("hostnamectl", arguments)
    return 0


# The keys of package sources: who fetches one from here gets a file that says where from, and gpg knows whose key that is.
_KEYS = {"pkgs.k8s.io": "DE15B14486CD377B9E876E1A234654DA9A296436", "download.docker.com": "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"}


def curl(arguments):
    url = next((a for a in arguments if a.startswith("https://")), "")
    if not any(f"//{host}/" in url for host in _KEYS):
        os.execv("/usr/bin/curl", ["curl", *arguments])
    record("curl", arguments)
    at("curl:before")
    write(arguments[arguments.index("-o") + 1], f"key of {url}\n")
    return 0


def gpg(arguments):
    record("gpg", arguments)
    text = read(arguments[-1])
    for host, fingerprint in _KEYS.items():
        if f"//{host}/" in text:
            print(f"pub:-:2048:1:{fingerprint[-16:]}:\nfpr:::::::::{fingerprint}:")
            return 0
    raise Failure("gpg: no valid OpenPGP data found.", 2)
