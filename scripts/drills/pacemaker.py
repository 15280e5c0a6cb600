"""Pacemaker with IPaddr2 and HAProxy, on the Corosync of the lab and with its timing (profile vm: Debian's own is 3 times as slow).

HAProxy runs on every node (a clone), the address where a HAProxy runs and after it: a takeover meets a proxy that is warm, as Fairlead's and
keepalived's are. Everything is looked at every 10 s, as the agents advise; no fencing, as on gateways that have no power switch. HAProxy has no agent
of its own in Debian: `anything` looks whether its process is there, so that one that hangs is not noticed. What has failed is started again where it
was, which is Pacemaker's default. A carrier that is lost is seen by `ethmonitor`, a clone as well, and the address avoids a node without one; it asks
once and not five times in 40 s, as it would by default: a carrier is there or not.
"""
from drills.gateways import Gateways, Peer
from drills.measure import pause
from support.waiting import wait_for

LOOK_S = 10   # How often the agents look.
AGENT = """<primitive id="{name}" class="ocf" provider="heartbeat" type="{type}">
     <instance_attributes id="{name}-attributes">{attributes}</instance_attributes>
     <operations><op id="{name}-monitor" name="monitor" interval="{look_s}s" timeout="{timeout}"/></operations>
    </primitive>"""
CIB = """<cib crm_feature_set="3.16.0" validate-with="pacemaker-3.0" epoch="1" num_updates="0" admin_epoch="1">
 <configuration>
  <crm_config><cluster_property_set id="options">
   <nvpair id="no-fencing" name="stonith-enabled" value="false"/>
   <nvpair id="first-election" name="dc-deadtime" value="5s"/>
  </cluster_property_set></crm_config>
  <nodes/>
  <resources>
   <clone id="haproxies">{haproxy}</clone>
   <clone id="carriers">{carrier}</clone>
   {vip}
  </resources>
  <constraints>
   <rsc_colocation id="with-haproxy" rsc="vip" with-rsc="haproxies" score="INFINITY"/>
   <rsc_order id="after-haproxy" first="haproxies" then="vip"/>
   <rsc_location id="with-carrier" rsc="vip"><rule id="without-carrier" score="-INFINITY">
    <expression id="no-carrier" attribute="ethmonitor-lan" operation="ne" value="1"/>
   </rule></rsc_location>
  </constraints>
 </configuration>
 <status/>
</cib>
"""
# A disk of its own for each node: the machine's is only to be read there.
PREPARE = """rm /var/lib/pacemaker
for folder in cib pengine blackbox cores; do mkdir -p /var/lib/pacemaker/$folder; done
mkdir -p /run/crm /run/resource-agents
cp /etc/lab/cib.xml /var/lib/pacemaker/cib/cib.xml
chmod 600 /var/lib/pacemaker/cib/cib.xml
chown -R hacluster:haclient /var/lib/pacemaker /run/crm
"""


def agent(name, kind, timeout="20s", **attributes):
    return AGENT.format(name=name, type=kind, look_s=LOOK_S, timeout=timeout, attributes="".join(
        f'<nvpair id="{name}-{key}" name="{key}" value="{value}"/>' for key, value in attributes.items()))


def cib(vip):
    return CIB.format(haproxy=agent("haproxy", "anything", binfile="/usr/sbin/haproxy", cmdline_options="-db -f /etc/lab/haproxy.cfg"),
                      carrier=agent("carrier", "ethmonitor", "60s", interface="lan", link_status_only="true", repeat_count="1"),
                      vip=agent("vip", "IPaddr2", ip=vip, cidr_netmask="24", nic="lan"))


class PacemakerGateways(Gateways):
    def start(self):
        self.lab.end_programs("fairleadd")
        for name in self.names():
            self.write_haproxy(name, "inter 1s rise 2 fall 2")
            self.write(name, "cib.xml", cib(self.lab.vip[0]))
            self.lab.exec(name, "sh", "-ec", PREPARE)
        for name in self.names():
            self.lab.start(name, ["env", "PCMK_logfile=/run/lab/pacemaker.log", "pacemakerd"], f"pacemakerd-{name}-{self.number}")
        for name in self.names():
            wait_for(lambda name=name: self.answers(name, "localhost"), 90, f"HAProxy answers on {name}")
        wait_for(lambda: self.answers("client", self.lab.vip[0]), 90, "HAProxy answers through the VIP")
        self.lab.exec(self.names()[0], "crm_resource", "--wait", "--timeout", "60s")   # Nothing is under way any more.
        pause(self.number % LOOK_S)   # All agents began to look just now: ten runs in a row meet every moment between two looks.

    def close(self):
        """To stop it in order takes as long as what it has to stop; some of that may be frozen."""
        for gate in self.lab.nodes("gateway"):
            if gate["on"]:
                self.lab.power_off(gate["name"])

    def move(self, holder):
        self.lab.exec(holder, "crm_resource", "--move", "--resource", "vip")


PEER = Peer("pacemaker", {"pacemakerd": ["--version"], "haproxy": ["-v"]}, PacemakerGateways)
