"""A site with Gluster: a control plane, two workers and storage machines with real glusterd, bricks of XFS on loop devices.

    cls.lab = GlusterLab()
    cls.addClassCleanup(cls.lab.close)
    applied = cls.lab.fairlead("bootstrap", "apply", "--yes")

A loop device is set to go with its last mount as soon as it is mounted, so it goes with its machine, however that ends.
"""
import contextlib
import os
import subprocess

from support.site_machines import Site, why_unavailable as no_machines

SITE = "/srv/site/site.yaml"
NETWORK = {"storage": "192.168.3.0/24"}
WORKERS = {"node-1": "192.168.3.21", "node-2": "192.168.3.22"}
BRICK_BYTES = 320 << 20   # mkfs.xfs makes none below 300 MB.
_UNIT = "[Mount]\nWhat={device}\nWhere=/srv/brick\nType=xfs\nOptions=noatime\n"


def why_unavailable():
    """None when such a site can be made here; else the reason."""
    for program, package in (("/usr/sbin/glusterd", "glusterfs-server"), ("/usr/sbin/mkfs.xfs", "xfsprogs"), ("/usr/bin/getfattr", "attr")):
        if not os.path.exists(program):
            return f"{program} is missing (package {package})"
    if not os.path.exists("/dev/fuse"):
        return "/dev/fuse is missing"
    probe = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        return f"no loop device: {probe.stderr.strip()}"
    with open("/proc/filesystems", encoding="ascii") as file:
        if "\txfs\n" not in file.read() and subprocess.run(["modprobe", "xfs"], capture_output=True, check=False).returncode != 0:
            return "this kernel has no XFS"
    return no_machines()


def storage_address(name):
    return f"192.168.3.{10 + int(name.split('-')[1])}"


def site_yaml(storage):
    machines = "  - {name: mast-1, roles: [control-plane], addresses: {storage: 192.168.3.10}}\n"
    machines += "".join(f"  - {{name: {name}, roles: [worker], addresses: {{storage: {address}}}}}\n" for name, address in WORKERS.items())
    machines += "".join(f"  - {{name: {name}, roles: [storage], addresses: {{storage: {storage_address(name)}}}, bricks: [{{name: brick-1, path: /srv/brick}}]}}\n"
                        for name in storage)
    return f"""apiVersion: fairlead/v1
kind: Site
name: demo
domain: kube.demo
state_dir: /srv/site/demo.state
ssh: {{user: root, key: /etc/ssh/operator_key, parallel: 8}}
versions:
  kubernetes: 1.36.4
  containerd: {{version: 1.7.24, source: debian}}
networks:
  - {{name: storage, cidr: 192.168.3.0/24}}
machines:
{machines}kubernetes:
  pods: 10.244.0.0/16
  services: 10.96.0.0/12
storage:
  gluster:
    volumes:
      - {{name: pods, bricks: brick-1, allow: [storage], options: {{network.ping-timeout: 5}}, mount: {{path: /srv/pods, on: worker}}}}
    persistent_volumes: [{{name: shared, volume: pods, size: 50MiB}}]
"""


class BrickLab:
    """Machines whose bricks are file systems on loop devices. Who derives from it has `site` and `machines`, by name."""

    # ---- disks ----
    def new_brick(self, name):
        """An empty file system at /srv/brick, as an operator prepares one."""
        image = os.path.join(self.machines[name].dir, "brick.img")
        if os.path.exists(image):
            os.unlink(image)
        with open(image, "wb") as file:
            file.truncate(BRICK_BYTES)
        subprocess.run(["mkfs.xfs", "-q", "-i", "size=512", image], check=True)
        self._attach(name, running=True)

    def _attach(self, name, running):
        """`running`: it is mounted now; else when the machine boots."""
        machine = self.machines[name]
        device = subprocess.run(["losetup", "--show", "-f", os.path.join(machine.dir, "brick.img")], check=True, capture_output=True, text=True).stdout.strip()
        try:
            if running:
                machine.write("/etc/systemd/system/srv-brick.mount", _UNIT.format(device=device))
                done = machine.run("sh", "-c", "systemctl enable srv-brick.mount && systemctl start srv-brick.mount")
                assert done.returncode == 0, done.stderr
            else:
                with open(os.path.join(machine.dir, "upper/etc/systemd/system/srv-brick.mount"), "w", encoding="ascii") as file:
                    file.write(_UNIT.format(device=device))
                machine.boot()
        finally:
            subprocess.run(["losetup", "-d", device], check=False)   # In use: it goes when the mount does.

    # ---- machines that come and go ----
    def kill(self, name):
        self.machines[name].power_off()

    def boot(self, name):
        self._attach(name, running=False)

    def close(self):
        with contextlib.ExitStack() as everything:   # One that fails keeps no other from going.
            everything.callback(self.site.close)
            for machine in self.machines.values():
                everything.callback(machine.close)


class GlusterLab(BrickLab):
    """`storage`: names of the storage machines that there are; the site file begins with the first three."""

    def __init__(self, storage):
        self.site = Site(NETWORK)
        self.machines = {}
        try:
            self.machines["mast-1"] = self.site.machine("mast-1", {"storage": "192.168.3.10"})
            for name, address in WORKERS.items():
                self.machines[name] = self.site.machine(name, {"storage": address})
            for name in storage:
                self.machines[name] = self.site.machine(name, {"storage": storage_address(name)})
                self.new_brick(name)
            self.operator = self.site.operator()
            self.write_site(storage[:3])
        except BaseException:
            self.close()
            raise

    def write_site(self, storage):
        self.operator.write(SITE, site_yaml(storage))

    def fairlead(self, *words, timeout=300):
        return self.operator.run("env", "FL_UNRELEASED=1", "fairlead", *words, SITE, timeout=timeout)

    def install_anew(self, name):
        """Another system and an empty disk; its name and address are the old ones."""
        machine = self.machines[name]
        machine.install_anew()
        self.new_brick(name)
        self.operator.run("ssh-keygen", "-R", name, "-f", "/srv/site/demo.state/known_hosts")
