#!/usr/bin/env python3
"""make test-kubeadm: what Fairlead writes for kubeadm, shown to a real one.

  scripts/test_kubeadm.py [FOLDER OF THE PROGRAMS]

Without a kubeadm on the PATH it prints NOT RUN. With one, of a release that Fairlead knows:
  every document that `fairlead bootstrap` renders for its first site, in that kubeadm's version, passes `kubeadm config validate`, and one
  with a field that kubeadm does not know is refused;
  as root, `kubeadm init --dry-run` goes through with the rendered configuration; nothing is changed on this machine;
  FL_KUBEADM_SITE=site.yaml: a site of machines THAT MAY BE LOST, reached as it says, is made: plan, apply, a second apply with nothing to
  do, verify, status. Without it that part is NOT RUN.
Exit: 0 all that ran is well, 1 something is not.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

PLACEHOLDERS = {"${certificate-key}": "0123456789abcdef" * 4, "${join-token}": "abcdef.0123456789abcdef", "${ca-hash}": "sha256:" + "0123456789abcdef" * 4}
DOCUMENTS = [("mast-1", "init"), ("mast-2", "join"), ("node-1", "join"), ("mast-1", "reset"), ("mast-1", "upgrade")]


class Failed(Exception):
    """What went wrong, for people."""


def run(*argv, text=None, timeout=120):
    return subprocess.run(argv, input=text, capture_output=True, text=True, timeout=timeout, check=False)


def must(what, *argv, text=None, timeout=120):
    done = run(*argv, text=text, timeout=timeout)
    if done.returncode != 0:
        raise Failed(f"{what}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    print(f"ok       {what}")
    return done.stdout


def first_site(fairlead, folder, version):
    """The site of `bootstrap init`, with this version of Kubernetes."""
    path = os.path.join(folder, "site.yaml")
    must("fairlead bootstrap init", fairlead, "bootstrap", "init", "--output", path)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"(?m)^  kubernetes: [0-9.]+", f"  kubernetes: {version}", text))
    return path


def documents(fairlead, site):
    """(name, text) of each rendered document, with values where `apply` puts them."""
    for machine, name in DOCUMENTS:
        text = must(f"renders {machine}:{name}", fairlead, "bootstrap", "plan", "--show", f"{machine}:{name}", site)
        for placeholder, value in PLACEHOLDERS.items():
            text = text.replace(placeholder, value)
        yield f"{machine}:{name}", text


def check_documents(fairlead, site):
    init = ""
    for name, text in documents(fairlead, site):
        must(f"kubeadm config validate {name}", "kubeadm", "config", "validate", "--config", "/dev/stdin", text=text)
        init = text if name.endswith(":init") else init
    bad = init.replace("clusterName:", "clusterNam:", 1)
    if run("kubeadm", "config", "validate", "--config", "/dev/stdin", text=bad).returncode == 0:
        raise Failed("kubeadm config validate takes a field that does not exist: it checks nothing")
    print("ok       kubeadm refuses a field that it does not know")
    return init


def dry_run(init, folder):
    if os.geteuid() != 0:
        return print("NOT RUN  kubeadm init --dry-run: it wants root")
    path = os.path.join(folder, "init.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(init)
    must("kubeadm init --dry-run", "kubeadm", "init", "--dry-run", "--ignore-preflight-errors=all", "--config", path, timeout=600)
    return None


def whole_site(fairlead):
    site = os.environ.get("FL_KUBEADM_SITE")
    if not site:
        return print("NOT RUN  a whole bring-up: name a site of machines that may be lost in FL_KUBEADM_SITE")
    for words in (("plan",), ("apply", "--yes"), ("plan", "--exit-code"), ("verify", "--yes"), ("status",)):
        print(must(f"fairlead bootstrap {' '.join(words)}", fairlead, "bootstrap", *words, site, timeout=3600))
    return None


def main():
    if not shutil.which("kubeadm"):
        print("NOT RUN: there is no kubeadm on the PATH")
        return 0
    fairlead = os.path.join(sys.argv[1] if len(sys.argv) > 1 else "build/bin", "fairlead")
    try:
        version = must("kubeadm version", "kubeadm", "version", "-o", "short").strip().removeprefix("v")
        with tempfile.TemporaryDirectory(prefix="fairlead-kubeadm.") as folder:
            dry_run(check_documents(fairlead, first_site(fairlead, folder, version)), folder)
        whole_site(fairlead)
    except Failed as failed:
        print(f"FAILED   {failed}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
