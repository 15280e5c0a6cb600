"""Debian's cloud-init, taken out of its package and never installed: it would set up this machine at its next boot."""
import glob
import os
import re
import shutil
import subprocess

from support.fairlead import BIN

PYTHON = "/usr/bin/python3"   # Debian's: its modules are what cloud-init needs.
MODULES = ("configobj", "jinja2", "jsonpatch", "jsonschema", "netifaces", "oauthlib", "requests", "serial", "yaml")


def why_unavailable():
    """None when it can be run here; else the reason."""
    for program in (PYTHON, "apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    tried = subprocess.run([PYTHON, "-c", "import " + ", ".join(MODULES)], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return f"{tried.stderr.strip().splitlines()[-1]} (scripts/setup.sh test)"
    return None


def _folder():
    folder = os.path.join(os.path.dirname(BIN), "cloud-init")
    if os.path.isdir(f"{folder}/usr/lib/python3/dist-packages/cloudinit"):
        return folder
    fresh = folder + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh)
    for attempt in ("with the lists there are", "with new ones"):
        if subprocess.run(["apt-get", "download", "-q", "cloud-init"], cwd=fresh, capture_output=True, check=False).returncode == 0:
            break
        subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
    else:
        raise RuntimeError(f"apt-get download cloud-init, {attempt}: it did not come")
    subprocess.run(["dpkg-deb", "-x", glob.glob(f"{fresh}/*.deb")[0], fresh], check=True)
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(fresh, folder)
    return folder


def run(*words, cwd=None):
    """The CompletedProcess of `cloud-init WORD...`."""
    path = f"{_folder()}/usr/lib/python3/dist-packages"
    return subprocess.run([PYTHON, "-m", "cloudinit.cmd.main", *words], cwd=cwd, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"})


def schema_errors(user_data):
    """What its schema says of the file; empty: nothing."""
    done = run("schema", "--config-file", user_data)
    fine = done.returncode == 0 and re.search(r"Valid (cloud-config|schema)", done.stdout)
    return "" if fine else done.stdout + done.stderr


def convert_network(network_config, folder, renderer):
    """Files below `folder`, by what the network configuration becomes on a Debian: renderer eni, netplan or networkd."""
    done = run("devel", "net-convert", "-p", network_config, "-k", "yaml", "-d", folder, "-D", "debian", "-O", renderer)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    text = ""
    for place, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            with open(os.path.join(place, name), encoding="utf-8") as file:
                text += file.read()
    return text
