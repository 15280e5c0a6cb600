"""Seeds of VMs as Debian's cloud-init reads them. The files are tests/golden/k8s-bootstrap/seed/: the unit tests hold the program to them."""
import glob
import ipaddress
import os
import sys
import tempfile
import unittest

import yaml

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import cloud_init                    # noqa: E402
from support.cluster_probe import main            # noqa: E402
from support.fairlead import ROOT                 # noqa: E402

SEEDS = sorted(glob.glob(f"{ROOT}/tests/golden/k8s-bootstrap/seed/*"))


class SeedTest(unittest.TestCase):
    def setUp(self):
        reason = cloud_init.why_unavailable()
        if reason:
            self.skipTest(reason)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_every_role_is_there(self):
        self.assertEqual({os.path.basename(seed) for seed in SEEDS}, {"gate-1", "bastion", "mast-1", "node-1", "stor-1", "ipv6-gate-1", "ipv6-mast-1"})

    # Defect 2 of the system that this replaces: six of six were invalid.
    def test_user_data_passes_the_schema(self):
        for seed in SEEDS:
            with self.subTest(os.path.basename(seed)):
                self.assertEqual(cloud_init.schema_errors(f"{seed}/user-data"), "")

    def test_the_schema_would_refuse_that_systems_mistake(self):
        path = os.path.join(self.folder, "user-data")
        with open(f"{SEEDS[0]}/user-data", encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("ssh_deletekeys: false", "ssh_deletekeys: 1"))
        self.assertIn("ssh_deletekeys", cloud_init.schema_errors(path))

    def test_networks_become_configurations_of_debian(self):
        for seed in SEEDS:
            with open(f"{seed}/network-config", encoding="utf-8") as file:
                cards = yaml.safe_load(file)["ethernets"]
            for renderer in ("eni", "networkd"):
                with self.subTest(os.path.basename(seed), renderer=renderer):
                    text = cloud_init.convert_network(f"{seed}/network-config", tempfile.mkdtemp(dir=self.folder), renderer)
                    for name, card in cards.items():
                        self.assertIn(name, text)
                        self.assertIn(card["addresses"][0], text)
                        self.assertIn(card["match"]["macaddress"], text.lower())
                        for route in card.get("routes", []):
                            self.assertIn(route["via"], text)
                            ipaddress.ip_network(route["to"])

    def test_meta_data_names_the_instance(self):
        ids = set()
        for seed in SEEDS:
            with open(f"{seed}/meta-data", encoding="utf-8") as file:
                meta = yaml.safe_load(file)
            ids.add(meta["instance-id"])
            self.assertEqual(meta["local-hostname"], os.path.basename(seed).removeprefix("ipv6-"))
        self.assertEqual(len(ids), len(SEEDS))


if __name__ == "__main__":
    main()
