"""Certificates and kubeconfigs as kubeadm makes them, by the openssl command. CA pairs that are there already are taken."""
import base64
import hashlib
import os
import subprocess
import tempfile

from stub_common import ETC, PKI, read, run, write

AUTHORITIES = {"ca": "kubernetes", "front-proxy-ca": "front-proxy-ca", "etcd/ca": "etcd-ca"}
KUBECONFIGS = {"admin": ("kubernetes-admin", "kubeadm:cluster-admins"), "super-admin": ("kubernetes-super-admin", "system:masters"),
               "controller-manager": ("system:kube-controller-manager", ""), "scheduler": ("system:kube-scheduler", "")}
# What every control plane shares, and what upload-certs puts into the Secret.
SHARED = ["ca.crt", "ca.key", "sa.pub", "sa.key", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key"]


def make_authorities(only=None):
    for name, common_name in AUTHORITIES.items():
        if os.path.exists(f"{PKI}/{name}.crt") or (only and name not in only):
            continue
        os.makedirs(os.path.dirname(f"{PKI}/{name}"), exist_ok=True)
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={common_name}", "-days", "3650",
            "-keyout", f"{PKI}/{name}.key", "-out", f"{PKI}/{name}.crt", "-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign")
    os.makedirs(PKI, exist_ok=True)
    if not os.path.exists(f"{PKI}/sa.key") and (not only or "sa" in only):
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{PKI}/sa.key")
        run("openssl", "pkey", "-in", f"{PKI}/sa.key", "-pubout", "-out", f"{PKI}/sa.pub")
    for name in [*AUTHORITIES, "sa"]:
        if os.path.exists(f"{PKI}/{name}.key"):
            os.chmod(f"{PKI}/{name}.key", 0o600)


def issue(authority, path, subject, names=(), days=365):
    """PATH.crt and PATH.key, for servers and clients."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    alternatives = ",".join(sorted({f"IP:{n}" if n.replace(".", "").isdigit() or ":" in n else f"DNS:{n}" for n in names}))
    with tempfile.NamedTemporaryFile("w", suffix=".ext") as extensions:
        extensions.write("keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n")
        if alternatives:
            extensions.write(f"subjectAltName={alternatives}\n")
        extensions.flush()
        request = subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
                                  "-keyout", f"{path}.key"], capture_output=True, text=True, check=True).stdout
        run("openssl", "x509", "-req", "-CA", f"{PKI}/{authority}.crt", "-CAkey", f"{PKI}/{authority}.key", "-days", str(days), "-out", f"{path}.crt",
            "-extfile", extensions.name, text=request)
    os.chmod(f"{path}.key", 0o600)


def make_leaves(names, days=365, etcd=True):
    """What one control plane has of its own."""
    issue("ca", f"{PKI}/apiserver", "/CN=kube-apiserver", names, days)
    issue("ca", f"{PKI}/apiserver-kubelet-client", "/O=kubeadm:cluster-admins/CN=kube-apiserver-kubelet-client", (), days)
    issue("front-proxy-ca", f"{PKI}/front-proxy-client", "/CN=front-proxy-client", (), days)
    if etcd:
        for leaf in ("server", "peer", "healthcheck-client"):
            issue("etcd/ca", f"{PKI}/etcd/{leaf}", f"/CN=kube-etcd-{leaf}", names, days)
        issue("etcd/ca", f"{PKI}/apiserver-etcd-client", "/CN=kube-apiserver-etcd-client", (), days)


def kubeconfig(name, user, group, server, days=365):
    subject = (f"/O={group}" if group else "") + f"/CN={user}"
    with tempfile.TemporaryDirectory() as folder:
        issue("ca", f"{folder}/client", subject, (), days)
        cert, key = read(f"{folder}/client.crt"), read(f"{folder}/client.key")
    write_kubeconfig(name, user, server, read(f"{PKI}/ca.crt"), cert, key)


def write_kubeconfig(name, user, server, ca, cert, key):
    def data(text):
        return base64.b64encode(text.encode()).decode()
    write(f"{ETC}/{name}.conf",
          "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n"
          f"    certificate-authority-data: {data(ca)}\n    server: {server}\n  name: kubernetes\n"
          f"contexts:\n- context:\n    cluster: kubernetes\n    user: {user}\n  name: {user}@kubernetes\ncurrent-context: {user}@kubernetes\n"
          f"users:\n- name: {user}\n  user:\n    client-certificate-data: {data(cert)}\n    client-key-data: {data(key)}\n", 0o600)


def ca_hash(certificate_text):
    """sha256:HEX of the public key (RFC 7469), as --discovery-token-ca-cert-hash wants it."""
    public = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=certificate_text, capture_output=True, text=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public.encode(), capture_output=True, check=True).stdout
    return "sha256:" + hashlib.sha256(der).hexdigest()
