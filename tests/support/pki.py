"""A certificate authority for tests, by the openssl command. ECDSA keys, so that a certificate costs 10 ms."""
import os
import subprocess
from dataclasses import dataclass

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True)
class Certificate:
    cert: str
    key: str


class Authority:
    """One CA. `issue` makes certificates signed by it."""

    def __init__(self, folder, name="ca"):
        self._dir = os.path.join(folder, name)
        os.makedirs(self._dir, exist_ok=True)
        self.cert = os.path.join(self._dir, "ca.crt")
        self._key = os.path.join(self._dir, "ca.key")
        _openssl("req", "-x509", *_NEW_KEY, "-subj", f"/CN={name}", "-days", "3650", "-keyout", self._key, "-out", self.cert,
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, addresses=(), names=(), client=False, expired=False, days=365):
        """A server certificate for the given IP addresses and DNS names, or a client certificate with CN=name."""
        cert, key, request = (os.path.join(self._dir, f"{name}.{end}") for end in ("crt", "key", "csr"))
        alternatives = ",".join([f"IP:{a}" for a in addresses] + [f"DNS:{n}" for n in names])
        lines = ["[issued]", "basicConstraints=CA:FALSE", "keyUsage=critical,digitalSignature",
                 f"extendedKeyUsage={'clientAuth' if client else 'serverAuth,clientAuth'}"]
        if alternatives:
            lines.append(f"subjectAltName={alternatives}")
        _openssl("req", "-new", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        if expired:
            self._sign_expired(name, request, cert, lines)
        else:
            extensions = self._write(f"{name}.ext", lines)
            _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key, "-days", str(days), "-out", cert,
                     "-extfile", extensions, "-extensions", "issued")
        return Certificate(cert, key)

    def _sign_expired(self, name, request, cert, extension_lines):
        """`openssl x509` of this age cannot sign into the past; `openssl ca` can, and wants a database for it."""
        database, serial = self._write(f"{name}.db", []), self._write(f"{name}.serial", ["0F"])
        config = self._write(f"{name}.cnf", [
            "[ca]", "default_ca=this", "[this]", f"database={database}", f"serial={serial}", f"new_certs_dir={self._dir}",
            "default_md=sha256", "policy=any", "[any]", "commonName=supplied", *extension_lines])
        _openssl("ca", "-batch", "-notext", "-config", config, "-in", request, "-out", cert, "-cert", self.cert, "-keyfile", self._key,
                 "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-extensions", "issued")

    def _write(self, name, lines):
        path = os.path.join(self._dir, name)
        with open(path, "w", encoding="ascii") as file:
            file.writelines(line + "\n" for line in lines)
        return path


def _openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")
