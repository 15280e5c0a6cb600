"""An air-gap bundle, made and used: packages by real apt of a Debian archive and of a signed repository made here, images by real skopeo of a real
registry; then a machine without a network installs from it. Kubernetes' packages are small ones of the test's own, and gpg, asked for the fingerprint
of their key, says that of the real one."""
import functools
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import netns                    # noqa: E402
from support.fairlead import BIN             # noqa: E402
from support.process import Spawner          # noqa: E402
from support.waiting import SCALE, wait_for  # noqa: E402
from netns.test_image import debian_mirror   # noqa: E402

KUBERNETES = "1.34.4"
KUBEADM_IMAGES = [f"registry.k8s.io/kube-apiserver:v{KUBERNETES}", "registry.k8s.io/pause:3.10.2"]
FINGERPRINT = "DE15B14486CD377B9E876E1A234654DA9A296436"
ADDON = "apiVersion: v1\nkind: Pod\nmetadata: {name: shown}\nspec:\n  containers:\n    - name: one\n      image: nginx:1.29\n"
GPG = f"""#!/bin/sh
# The key is the test's own, and the fingerprint that is looked for is the publisher's.
/usr/bin/gpg "$@" | sed -E 's/^(fpr:+)[0-9A-F]{{40}}:/\\1{FINGERPRINT}:/'
"""
# In a mount namespace: root is an overlay, so that what is installed is gone afterwards; no network at all.
MACHINE = """set -e
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/system
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/system
mount -t proc proc /mnt/system/proc
mount --rbind /dev /mnt/system/dev
mkdir -p /mnt/system/srv/bundle
mount --bind "$2" /mnt/system/srv/bundle
exec chroot /mnt/system /bin/sh -euc "$1"
"""


def why_unavailable():
    for program, package in (("skopeo", "skopeo"), ("docker-registry", "docker-registry"), ("apt-ftparchive", "apt-utils"), ("gpg", "gpg")):
        if not shutil.which(program):
            return f"{program} is missing (package {package})"
    if debian_mirror() is None:
        return "no Debian archive in /etc/apt"
    return netns.why_unavailable()


def oci_layout(folder):
    """An image of one small file."""
    blobs = os.path.join(folder, "blobs/sha256")
    os.makedirs(blobs)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as file:
            file.write(data)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        about = tarfile.TarInfo("hello")
        about.size = 6
        archive.addfile(about, io.BytesIO(b"hello\n"))
    layer = layer.getvalue()
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": blob(config, "application/vnd.oci.image.config.v1+json"), "layers": [blob(layer, "application/vnd.oci.image.layer.v1.tar")]}).encode()
    index = {"schemaVersion": 2, "manifests": [blob(manifest, "application/vnd.oci.image.manifest.v1+json")]}
    for name, value in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            json.dump(value, file)


class _Here:
    @staticmethod
    def entered():
        import contextlib
        return contextlib.nullcontext()


@unittest.skipIf(why_unavailable(), why_unavailable())
class Bundle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="fairlead-bundle.")
        cls.addClassCleanup(folder.cleanup)
        cls.dir = folder.name
        os.chmod(cls.dir, 0o755)
        cls.spawner = Spawner()
        cls.addClassCleanup(cls.spawner.close)
        cls.environment = dict(os.environ, LC_ALL="C", GNUPGHOME=f"{cls.dir}/gnupg", PATH=f"{cls.dir}/bin:{os.environ['PATH']}",
                               HOME=f"{cls.dir}/home", XDG_CONFIG_HOME=f"{cls.dir}/home/.config")
        os.makedirs(f"{cls.dir}/home/.config/containers")
        os.makedirs(f"{cls.dir}/bin")
        os.mkdir(f"{cls.dir}/gnupg", 0o700)
        with open(f"{cls.dir}/bin/gpg", "w", encoding="ascii") as file:
            file.write(GPG)
        os.chmod(f"{cls.dir}/bin/gpg", 0o755)
        cls.addClassCleanup(cls.call, "gpgconf", "--kill", "all")
        cls.make_repository()
        cls.make_registry()
        cls.site = f"{cls.dir}/site.yaml"
        with open(cls.site, "w", encoding="ascii") as file:
            file.write(cls.site_text())
        with open(f"{cls.dir}/shown.yml", "w", encoding="ascii") as file:
            file.write(ADDON)

    @classmethod
    def call(cls, *argv, **options):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=cls.environment, timeout=600 * SCALE, **options)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
        return done.stdout

    @classmethod
    def make_repository(cls):
        """What pkgs.k8s.io has, in small: three packages and a signed Release."""
        at = f"{cls.dir}/www/core:/stable:/v1.34/deb"
        os.makedirs(at)
        programs = {"kubeadm": "#!/bin/sh\n" + "".join(f"echo {image}\n" for image in KUBEADM_IMAGES), "kubelet": "#!/bin/sh\n", "kubectl": "#!/bin/sh\n"}
        for name, text in programs.items():
            for version in (f"{KUBERNETES}-1.1", "1.34.9-1.1"):
                root = f"{cls.dir}/package-{name}"
                for folder in ("DEBIAN", "usr/bin"):
                    os.makedirs(f"{root}/{folder}", exist_ok=True)
                with open(f"{root}/DEBIAN/control", "w", encoding="ascii") as file:
                    file.write(f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: nobody <nobody@example.org>\nDescription: of the test\n")
                with open(f"{root}/usr/bin/{name}", "w", encoding="ascii") as file:
                    file.write(text)
                os.chmod(f"{root}/usr/bin/{name}", 0o755)
                cls.call("dpkg-deb", "-b", root, f"{at}/{name}_{version}_amd64.deb")
        for argv, out in ((["apt-ftparchive", "packages", "."], "Packages"), (["apt-ftparchive", "release", "."], "Release")):
            text = cls.call(*argv, cwd=at)
            with open(f"{at}/{out}", "w", encoding="ascii") as file:
                file.write(text)
        cls.call("/usr/bin/gpg", "--batch", "--passphrase", "", "--quick-gen-key", "packages@example.org", "rsa3072", "sign", "never")
        cls.call("/usr/bin/gpg", "--batch", "--clearsign", "-o", f"{at}/InRelease", f"{at}/Release")
        cls.call("/usr/bin/gpg", "--armor", "--export", "-o", f"{at}/Release.key", "packages@example.org")
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=f"{cls.dir}/www")
        handler.func.log_message = lambda *_: None
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        cls.addClassCleanup(thread.join)
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.repository = f"http://127.0.0.1:{server.server_port}"

    @classmethod
    def make_registry(cls):
        """A registry that stands for every other one."""
        with open(f"{cls.dir}/registry.yml", "w", encoding="ascii") as file:
            file.write(f"version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {cls.dir}/registry}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n")
        server = cls.spawner.start(["docker-registry", "serve", f"{cls.dir}/registry.yml"], node=_Here, log_dir=cls.dir, name="registry")
        port = wait_for(lambda: re.search(r"listening on 127\.0\.0\.1:(\d+)", server.stderr()), 20 * SCALE, "the registry listens")[1]
        at = f"127.0.0.1:{port}"
        with open(f"{cls.dir}/home/.config/containers/registries.conf", "w", encoding="ascii") as file:
            file.write("".join(f'[[registry]]\nprefix = "{name}"\nlocation = "{at}"\ninsecure = true\n' for name in ("registry.k8s.io", "docker.io")))
        oci_layout(f"{cls.dir}/image")
        for image in ("kube-apiserver:v" + KUBERNETES, "pause:3.10.2", "library/busybox:1.36", "library/nginx:1.29"):
            cls.call("skopeo", "copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", f"oci:{cls.dir}/image", f"docker://{at}/{image}")

    @classmethod
    def site_text(cls):
        return f"""apiVersion: fairlead/v1
kind: Site
name: demo
domain: kube.demo
state_dir: ./demo.state
versions:
  kubernetes: {KUBERNETES}
  containerd: {{version: 1.6.20, source: debian}}
mirrors: {{debian: "{debian_mirror()}", kubernetes: "{cls.repository}"}}
networks:
  - {{name: mast, cidr: 192.168.1.0/24}}
machines:
  - {{name: mast-1, roles: [control-plane], addresses: {{mast: 192.168.1.11}}}}
kubernetes:
  pods: 10.244.0.0/16
  services: 10.96.0.0/12
  addons:
    - {{name: shown, manifest: shown.yml}}
"""

    def fairlead(self, *words):
        return subprocess.run([f"{BIN}/fairlead", "bootstrap", *words, self.site], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd=self.dir,
                              env=self.environment, timeout=900 * SCALE)

    def test_1_it_has_all_that_the_site_needs(self):
        made = self.fairlead("bundle")
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        at = f"{self.dir}/demo.bundle"
        self.assertEqual(sorted(os.listdir(at)), ["SHA256SUMS", "images.tar", "images.txt", "packages.tar", "packages.txt"])
        self.call("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=at)
        with open(f"{at}/packages.txt", encoding="ascii") as file:
            packages = file.read().split()
        self.assertIn(f"kubeadm_{KUBERNETES}-1.1_amd64.deb", packages)
        self.assertEqual([p for p in packages if "1.34.9" in p], [], "the site's version, not the newest")
        for name in ("containerd_1.6.20", "runc_", "chrony_", "libc6_"):
            self.assertTrue([p for p in packages if p.startswith(name)], name)
        with open(f"{at}/images.txt", encoding="ascii") as file:
            images = file.read().split()
        self.assertEqual(images, sorted([*KUBEADM_IMAGES, "docker.io/library/busybox:1.36", "docker.io/library/nginx:1.29"]))
        with tarfile.open(f"{at}/images.tar") as all_of_them:
            named = set()
            for member in all_of_them.getmembers():
                if member.isfile():
                    with tarfile.open(fileobj=all_of_them.extractfile(member)) as one:
                        named |= {tag for about in json.load(one.extractfile("manifest.json")) for tag in about["RepoTags"]}
        self.assertEqual(named, set(images), "each is imported under the name that pods say")

    def test_2_a_machine_without_a_network_installs_from_it_what_it_lacks(self):
        script = subprocess.run([f"{BIN}/bootstrap_probe", "/dev/null", "packages", "'kubeadm=1.34.4-*' 'kubelet=1.34.4-*'"], capture_output=True, text=True, check=True).stdout
        work = "/var/lib/fairlead/bootstrap"
        asked = (f"mkdir -p {work}; cp /srv/bundle/packages.tar {work}/\nexport DEBIAN_FRONTEND=noninteractive\n{script}"
                 f"dpkg-query -W kubeadm kubelet\ndpkg-query -W kubectl || true\necho left: $(ls {work})\n")
        done = subprocess.run(["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", MACHINE, "sh", asked,
                               f"{self.dir}/demo.bundle"], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=300 * SCALE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"kubeadm\t{KUBERNETES}-1.1\nkubelet\t{KUBERNETES}-1.1\n", done.stdout)
        self.assertNotIn(f"kubectl\t{KUBERNETES}", done.stdout, "of the bundle's packages it gets those that it needs")
        self.assertTrue(done.stdout.endswith("left:\n"), f"nothing is left in the work folder: {done.stdout[-200:]}")

    def test_3_a_key_with_another_fingerprint_ends_it(self):
        os.rename(f"{self.dir}/bin/gpg", f"{self.dir}/bin/gpg.off")
        self.addCleanup(os.rename, f"{self.dir}/bin/gpg.off", f"{self.dir}/bin/gpg")
        refused = self.fairlead("bundle", "--output", f"{self.dir}/other.bundle")
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn(f"not {FINGERPRINT}: it is not used", refused.stderr)
        self.assertFalse(os.path.exists(f"{self.dir}/other.bundle/packages.tar"))

    def test_4_an_image_that_is_not_there_is_named(self):
        with open(f"{self.dir}/shown.yml", "w", encoding="ascii") as file:
            file.write(ADDON.replace("nginx:1.29", "nginx:0.1"))
        self.addCleanup(lambda: open(f"{self.dir}/shown.yml", "w", encoding="ascii").write(ADDON))
        refused = self.fairlead("bundle", "--output", f"{self.dir}/third.bundle")
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("image docker.io/library/nginx:0.1 was not fetched", refused.stderr)
        self.assertFalse(os.path.exists(f"{self.dir}/third.bundle/images.tar"))


if __name__ == "__main__":
    unittest.main()
