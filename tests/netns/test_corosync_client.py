"""CorosyncClient and GuardVoice against real Corosync: up to three nodes, each in namespaces of its own."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.cluster_probe import ClusterTest, main     # noqa: E402
from support.waiting import wait_for                    # noqa: E402


class CorosyncClientTest(ClusterTest):
    def test_views_messages_and_deaths(self):
        cluster = self.cluster(3)
        a, b, c = probes = [self.probe(cluster.nodes[i], options=["--node", str(i)]) for i in (1, 2, 3)]
        self.whole(probes)
        facts = a.wait("FACTS", token="800", consensus="960", name="lab", expected="3", quorum="2", two_node="false")[0]
        self.assertEqual(facts["node"], "1")
        self.assertTrue(all(p.log("CLUSTER_CONNECTED") for p in probes))

        with self.subTest("every process gets every message in one order"):
            for p in probes:
                p.tell("burst 100")
            for p in probes:
                p.wait("MESSAGE", 300)
            self.assertEqual(a.messages(), b.messages())
            self.assertEqual(a.messages(), c.messages())
            for p in probes:
                mine = [int(name) for sender, _, name in a.messages() if sender == p.name]
                self.assertEqual(mine, list(range(100, 0, -1)), "in the order they were sent")
            self.assertEqual(a.counters()["settled"], "1")

        with self.subTest("a guard greets each round and says Released"):
            guard = self.probe(cluster.nodes[2], options=["--guard"])
            wait_for(lambda: f"2/{guard.process.pid}" in a.view()["processes"], 20, "the guard is in the group")
            a.wait("MESSAGE", kind="guard_hello", name=a.view()["round"])
            guard.tell("released api")
            for p in probes:
                self.assertEqual(p.wait("MESSAGE", kind="released", name="api")[0]["from"], guard.name)

        with self.subTest("the death of a daemon is seen at once, its guard and its node stay"):
            ring = a.view()["ring"]
            b.process.kill()
            wait_for(lambda: b.name not in a.view()["processes"].split(","), 10, "b is gone")
            view = a.view()
            self.assertEqual((view["ring"], view["nodes"], view["quorate"]), (ring, "1,2,3", "1"))
            self.assertIn(guard.name, view["processes"].split(","))
            a.wait("MESSAGE", kind="guard_hello", name=view["round"])

        with self.subTest("links are told as they change"):
            self.assertTrue(all(p.wait("FACTS") for p in (a, c)))
            wait_for(lambda: {"2:0:true", "3:0:true"} <= set(a.lines("FACTS")[-1]["links"].split(",")), 20, "links are up")
            cluster.nodes[3].vanish()
            wait_for(lambda: "3:0:false" in a.lines("FACTS")[-1]["links"], 20, "the link to node 3 is down")

        with self.subTest("a cut leaves a quorate and a lonely side; no view of another ring is quorate"):
            wait_for(lambda: (a.view()["nodes"], a.view()["quorate"]) == ("1,2", "1"), 20, "majority")
            wait_for(lambda: (c.view()["nodes"], c.view()["quorate"]) == ("3", "0"), 20, "minority")
            self.assertEqual(c.view()["processes"], c.name)
            cluster.nodes[3].come_back()
            wait_for(lambda: a.view()["nodes"] == c.view()["nodes"] == "1,2,3" and a.view()["round"] == c.view()["round"] and
                     a.view()["quorate"] == c.view()["quorate"] == "1", 30, "merged")

    def test_corosync_killed_and_started_again(self):
        cluster = self.cluster(2)
        a, b = probes = [self.probe(cluster.nodes[i]) for i in (1, 2)]
        self.whole(probes)
        ring = b.view()["ring"]
        absences = len(b.log("CLUSTER_ABSENT"))   # It may have been there before Corosync.

        cluster.nodes[2].corosync.kill()
        b.wait("LOST")
        b.tell("say too-late")
        b.wait("REFUSED")
        wait_for(lambda: a.view()["nodes"] == "1", 20, "node 2 is gone")
        self.assertEqual(a.view()["quorate"], "1", "two_node")
        wait_for(lambda: len(b.log("CLUSTER_ABSENT")) > absences, 10, "absence is said")
        b.answers()

        cluster.nodes[2].start_corosync()
        b.wait("LOG", 2, cluster="lab")
        self.whole(probes)
        self.assertNotEqual(b.view()["ring"], ring)
        self.assertEqual(len(b.lines("LOST")), 1)
        self.assertEqual(len(b.log("CLUSTER_ABSENT")), absences + 1, "said once, not for each try")
        b.tell("say back")
        a.wait("MESSAGE", kind="move_vip", name="back")
        self.assertFalse([m for m in a.messages() if m[2] == "too-late"])

    def test_a_stopped_corosync_never_stops_the_client(self):
        cluster = self.cluster(2)
        a, b = probes = [self.probe(cluster.nodes[i]) for i in (1, 2)]
        self.whole(probes)

        cluster.nodes[1].corosync.freeze()
        # More than libqb's socket takes. It would be tried without end in the call.
        for _ in range(20):
            a.tell("beats 50")
            a.answers()
        self.assertFalse(a.lines("LOST"))
        late = self.probe(cluster.nodes[1])   # It connects to a Corosync that does not answer.
        late.answers()
        # What must not be lost ends the connection when it cannot be kept.
        a.tell("burst 300")
        a.wait("LOST")
        a.answers()
        leaver = self.probe(cluster.nodes[1])
        leaver.tell("quit")
        wait_for(lambda: not leaver.process.running, 10, "a client that waits for Corosync ends when told")
        self.assertEqual(leaver.process.returncode, 0)

        cluster.nodes[1].corosync.thaw()
        wait_for(lambda: late.view(), 20, "the late one is in the group")
        self.whole([a, b, late])

    def test_a_client_that_stops_leaves_a_stopped_corosync(self):
        cluster = self.cluster(1)
        a = self.probe(cluster.nodes[1])
        a.wait("VIEW", quorate="1")
        cluster.nodes[1].corosync.freeze()

        a.tell("quit")

        wait_for(lambda: not a.process.running, 10, "it ends without Corosync's answer")
        self.assertEqual(a.process.returncode, 0)

    def test_stop_and_start(self):
        cluster = self.cluster(1)
        a = self.probe(cluster.nodes[1])
        b = self.probe(cluster.nodes[1])
        self.whole([a, b])

        a.tell("stop")
        wait_for(lambda: b.view()["processes"] == b.name, 10, "a has left")
        b.tell("say unheard")
        b.wait("MESSAGE", name="unheard")
        self.assertFalse(a.lines("LOST"))
        self.assertFalse(a.lines("MESSAGE"))
        a.tell("start")
        self.whole([a, b])

        connects = len(a.log("CLUSTER_CONNECTED"))
        a.tell("restart")
        wait_for(lambda: len(a.log("CLUSTER_CONNECTED")) > connects, 10, "it is back")
        self.whole([a, b])
        a.tell("say heard")
        b.wait("MESSAGE", name="heard")

    def test_what_no_message_can_hold_is_said_and_ends_nothing(self):
        cluster = self.cluster(1)
        a = self.probe(cluster.nodes[1])
        a.wait("VIEW")

        a.tell("assign 65")
        a.tell("assign 65")
        wait_for(lambda: a.log("CLUSTER_MESSAGE_UNSENT"), 10, "it is logged")
        a.tell("assign 64")
        a.tell("say heard")
        a.wait("MESSAGE", name="heard")

        self.assertEqual([line["count"] for line in a.log("CLUSTER_MESSAGE_UNSENT")], ["1"], "the second within a minute is not said")
        self.assertFalse(a.lines("LOST"))

    def test_strangers_are_ignored(self):
        cluster = self.cluster(1)
        a = self.probe(cluster.nodes[1])
        a.wait("VIEW")
        raw = self.probe(cluster.nodes[1], options=["--raw"])
        wait_for(lambda: raw.name in a.view()["processes"], 10, "the raw member is seen")

        raw.tell("foreign x")
        raw.tell("garbage")
        raw.tell("foreign y")
        wait_for(lambda: a.log("CLUSTER_FOREIGN_MESSAGE") and a.log("CLUSTER_MESSAGE_IGNORED"), 10, "both are logged")
        wait_for(lambda: (lambda n: (n["foreign"], n["malformed"]) == ("2", "1"))(a.counters()), 10, "both are counted")

        self.assertEqual(a.messages(), [])
        self.assertEqual(len(a.log("CLUSTER_FOREIGN_MESSAGE")), 1, "the second within a minute is not")
        self.assertFalse(a.lines("LOST"))

    def test_another_node_id_or_name_is_refused(self):
        cluster = self.cluster(1)
        wrong_id = self.probe(cluster.nodes[1], options=["--node", "7"])
        wrong_name = self.probe(cluster.nodes[1], cluster="other")
        right = self.probe(cluster.nodes[1])
        for probe in (wrong_id, wrong_name):
            wait_for(lambda p=probe: p.log("CLUSTER_REFUSED"), 20, "refused")

        right.wait("VIEW", processes=right.name, quorate="1")

        self.assertFalse(wrong_id.lines("VIEW") + wrong_name.lines("VIEW"))
        # It is tried again: each as soon as Corosync answers, the cause is said once.
        wrong_id.answers()
        self.assertEqual(len(wrong_id.log("CLUSTER_REFUSED")), 1)


if __name__ == "__main__":
    main()
