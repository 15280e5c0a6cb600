"""The corosync.conf that is written from the configuration: real Corosync starts with it, and runs as it says."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import ClusterTest, main, program    # noqa: E402
from support.waiting import wait_for                            # noqa: E402


def rendered(profile, links=1, qdevice=False):
    def make(hosts):
        addresses = [",".join([host.address] + [host.add_address() for _ in range(links - 1)]) for host in hosts]
        options = ["--qdevice"] if qdevice else []
        return subprocess.run([program("render_conf"), profile, *options, *addresses], capture_output=True, text=True, check=True).stdout
    return make


class CorosyncConfTest(ClusterTest):
    def runs(self, count, make_config, **facts):
        cluster = self.cluster(count, make_config=make_config)
        probes = [self.probe(node, options=["--node", str(node.number)]) for node in cluster.nodes.values()]
        self.whole(probes)
        for probe in probes:
            probe.wait("FACTS", name="lab", **facts)
        return cluster, probes

    def test_three_nodes_vm(self):
        self.runs(3, rendered("vm"), token="800", consensus="960", expected="3", quorum="2", two_node="false")

    def test_two_nodes_fast_do_not_wait_for_all(self):
        cluster = self.cluster(2, make_config=rendered("fast"))
        cluster.nodes[2].corosync.kill()
        alone = self.probe(cluster.nodes[1])
        alone.wait("VIEW", nodes="1", quorate="1")
        alone.wait("FACTS", token="400", consensus="480", expected="2", quorum="1", two_node="true")

    def test_two_links_min(self):
        _, probes = self.runs(2, rendered("min", links=2), token="250", consensus="300")
        wait_for(lambda: {"2:0:true", "2:1:true"} <= set(probes[0].lines("FACTS")[-1]["links"].split(",")), 20, "both links are up")

    def test_qdevice_gives_no_vote_before_it_is_there(self):
        self.runs(2, rendered("vm", qdevice=True), expected="3", quorum="2", two_node="false")


if __name__ == "__main__":
    main()
