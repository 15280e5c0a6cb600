#!/usr/bin/env python3
"""Question G: names and types of the cmap keys, in a whole ring, a second after a cut, and in a ring of two with two_node."""
from cluster import Cluster, build, pause, versions


def main():
    print(versions())
    for count in (3, 2):
        with Cluster(count) as cluster:
            cluster.start()
            cluster.probes()
            cluster.wait_whole()
            pause(2)
            print(f"{count} nodes, node 1:")
            print(cluster.nodes[1].run([build("keys")]).stdout)
            cluster.nodes[2].cut()
            pause(3)
            out = cluster.nodes[1].run([build("keys")]).stdout
            print("3 s after node 2 was cut off:", *(x for x in out.splitlines() if "node2." in x or "time_since" in x or "members" in x), sep="\n  ")


if __name__ == "__main__":
    main()
