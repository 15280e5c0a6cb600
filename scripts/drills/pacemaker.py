"""Pacemaker with IPaddr2 and HAProxy, on the Corosync of the lab and with its timing (profile vm: Debian's own is 3 times as slow).

One group: the address, then HAProxy, which runs where the address is. Both are looked at every 10 s, as their agents advise; no fencing, as on
gateways that have no power switch. HAProxy has no agent of its own in Debian: `anything` looks whether its process is there.
"""
from drills.gateways import Gateways, Peer
from support.waiting import wait_for

AGENT = """      <primitive id="{name}" class="ocf" provider="heartbeat" type="{type}">
       <instance_attributes id="{name}-attributes">{attributes}</instance_attributes>
       <operations><op id="{name}-monitor" name="monitor" interval="10s" timeout="20s"/></operations>
      </primitive>
"""
CIB = """<cib crm_feature_set="3.16.0" validate-with="pacemaker-3.0" epoch="1" num_updates="0" admin_epoch="1">
 <configuration>
  <crm_config><cluster_property_set id="options">
   <nvpair id="no-fencing" name="stonith-enabled" value="false"/>
   <nvpair id="first-election" name="dc-deadtime" value="5s"/>
  </cluster_property_set></crm_config>
  <nodes/>
  <resources>
   <group id="gateway">
{agents}   </group>
  </resources>
  <constraints/>
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


def agent(name, kind, **attributes):
    return AGENT.format(name=name, type=kind, attributes="".join(
        f'<nvpair id="{name}-{key}" name="{key}" value="{value}"/>' for key, value in attributes.items()))


def cib(vip):
    return CIB.format(agents=agent("vip", "IPaddr2", ip=vip, cidr_netmask="24", nic="lan")
                      + agent("haproxy", "anything", binfile="/usr/sbin/haproxy", cmdline_options="-db -f /etc/lab/haproxy.cfg"))


class PacemakerGateways(Gateways):
    def start(self):
        self.lab.end_programs("fairleadd")
        for name in self.names():
            self.write_haproxy(name, "inter 1s rise 2 fall 2")
            self.write(name, "cib.xml", cib(self.lab.vip[0]))
            self.lab.exec(name, "sh", "-ec", PREPARE)
        for name in self.names():
            self.lab.start(name, ["env", "PCMK_logfile=/run/lab/pacemaker.log", "pacemakerd"], f"pacemakerd-{name}-{self.number}")
        wait_for(lambda: self.answers("client", self.lab.vip[0]), 90, "HAProxy answers through the VIP")
        self.lab.exec(self.names()[0], "crm_resource", "--wait", "--timeout", "60s")   # Nothing is under way any more.

    def close(self):
        """To stop it in order takes as long as what it has to stop; some of that may be frozen."""
        for gate in self.lab.nodes("gateway"):
            if gate["on"]:
                self.lab.power_off(gate["name"])

    def move(self, holder):
        self.lab.exec(holder, "crm_resource", "--move", "--resource", "gateway")


PEER = Peer("pacemaker", {"pacemakerd": ["--version"], "haproxy": ["-v"]}, PacemakerGateways)
