#!/usr/bin/env python3
"""Question C: who answers for an address while it is added, deleted, or left to its lifetime?

    arp.py [--cycles 200] [--period 200]        microseconds between questions

A holder and an asker on one bridge (no Corosync in this). The holder's own tap gives the kernel's transmit time of each answer.
"""
import argparse
import collections

from cluster import Lab, _ip, build, load, pause, spread, versions

VIP4, VIP6 = "10.77.9.9", "fd77::9:9"


def sysctl(node, key, value):
    with node.entered(), open(f"/proc/sys/net/{key}", "w", encoding="ascii") as file:
        file.write(str(value))


def lines(process, kind):
    return [x.split()[1:] for x in process.stdout().splitlines() if x.startswith(kind + " ")]


def own(node, address):
    return node.address6 if ":" in address else node.address


def race(lab, title, address, cycles, lifetime, period, stay=40):
    holder, asker = lab.node("holder"), lab.node("asker")
    seconds = cycles * ((lifetime + 1.5) if lifetime else 0.03 + stay / 1e3) + 1
    question = asker.spawn([build("arp_race"), "ask", "eth0", address, own(asker, address), str(period), str(seconds)], f"ask-{title}")
    pause(0.3)
    answer = holder.spawn([build("arp_race"), "hold", "eth0", address, str(cycles), str(lifetime), str(stay)], f"hold-{title}")
    code = answer.wait(seconds + 30)
    question.wait(seconds + 30)
    adds = [tuple(map(int, x[:2])) for x in lines(answer, "ADD")]
    ends = [tuple(map(int, x[:2])) for x in lines(answer, "DEL")] or [(int(x[0]),) * 2 for x in lines(answer, "GONE")]
    sent = sorted(int(x[0]) for x in lines(answer, "TX"))
    got = sorted(int(x[0]) for x in lines(question, "RX"))
    late, late_rx, between, past, first, expiry, last = 0, 0, 0, 0, [], [], []
    for i, (add, end) in enumerate(zip(adds, ends)):
        until = adds[i + 1][0] if i + 1 < len(adds) else 1 << 63
        after = [t for t in sent if add[0] <= t < until]
        late += sum(t > end[1] for t in after)
        late_rx += sum(end[1] < t < until for t in got)
        between += sum(end[0] < t <= end[1] for t in after)
        if after:
            first.append((after[0] - add[1]) / 1e3)
            last.append((end[1] - after[-1]) / 1e3)
        if lifetime:
            expiry.append((end[1] - add[1]) / 1e6 - lifetime * 1e3)
            past += sum(add[1] + lifetime * 1e9 < t <= end[1] for t in after)
    print(f"{title}: exit {code}, cycles {len(ends)}, answers {len(sent)}, {load()}")
    print(f"  answers after the end was known: sent {late}, received {late_rx}; while deleting: {between}")
    print(f"  add's ack -> first answer       {spread(first, 'us', 0)}   (questions each {period} us; < 0: before the ack)")
    print(f"  last answer -> end known        {spread(last, 'us', 0)}")
    if lifetime:
        print(f"  deleted this late after its life {spread(expiry)}; answers after the life, before that: {past}")
    else:
        print(f"  RTM_DELADDR, send -> ack        {spread([(b - a) / 1e3 for a, b in ends], 'us', 0)}")
        print(f"  RTM_NEWADDR, send -> ack        {spread([(b - a) / 1e3 for a, b in adds], 'us', 0)}", flush=True)


def who_answers(lab, title, address, seconds=1.5):
    asker = lab.node("asker")
    question = asker.spawn([build("arp_race"), "ask", "eth0", address, own(asker, address), "20000", str(seconds)], f"who-{title}")
    question.wait(30)
    counts = collections.Counter(x[1] for x in lines(question, "RX"))
    asked = int(lines(question, "ASKED")[0][0])
    delays = [(int(x[0]) - int(x[2])) / 1e6 for x in lines(question, "RX") if x[2] != "0"]
    print(f"{title}: asked {asked}, answers by MAC {dict(counts)}; delay after the newest question {spread(delays, 'ms', 2)}", flush=True)



def several_interfaces(lab):
    holder = lab.node("holder")
    with lab._switch.entered():
        _ip(f"link add name extra type veth peer name eth1 netns {holder.namespace_path}", "link set dev extra master br0 up")
    with holder.entered():
        _ip("link set dev eth1 up", "addr add 10.78.0.1/16 dev eth1", f"addr add {VIP4}/16 dev eth0 noprefixroute",
            f"addr add {VIP6}/64 dev eth0 nodad noprefixroute")
    print(f"holder: eth0 {mac_of_ip(holder, 'eth0')} (the VIP's), eth1 {mac_of_ip(holder, 'eth1')}")
    for ignore in (0, 1, 2):
        sysctl(holder, "ipv4/conf/all/arp_ignore", ignore)
        who_answers(lab, f"two interfaces, arp_ignore {ignore}, v4", VIP4)
    sysctl(holder, "ipv4/conf/all/arp_ignore", 0)
    sysctl(holder, "ipv4/conf/eth1/arp_ignore", 1)
    sysctl(holder, "ipv4/conf/eth0/arp_ignore", 1)
    who_answers(lab, "two interfaces, arp_ignore 1 set on both, not on all, v4", VIP4)
    sysctl(holder, "ipv4/conf/eth1/arp_ignore", 0)
    who_answers(lab, "two interfaces, arp_ignore 1 only on the VIP's, v4", VIP4)
    who_answers(lab, "two interfaces, v6", VIP6)
    with holder.entered():
        _ip(f"addr del {VIP4}/16 dev eth0", f"addr del {VIP6}/64 dev eth0", f"addr add {VIP4}/32 dev lo")
    sysctl(holder, "ipv4/conf/eth0/arp_ignore", 0)
    who_answers(lab, "VIP on lo, arp_ignore 0", VIP4)
    with holder.entered():
        _ip(f"addr del {VIP4}/32 dev lo")
    who_answers(lab, "VIP nowhere", VIP4)
    with lab._switch.entered():
        _ip("link del dev extra")


def mac_of_ip(node, device):
    """The MAC of a device of a node (sysfs shows the namespace it was mounted in, so `ip` is asked)."""
    return node.run(["ip", "-o", "link", "show", "dev", device]).stdout.split("link/ether ")[1].split()[0]


def proxies(lab):
    router = lab.node("router")
    with router.entered():
        _ip("link add name away type veth peer name away1", "link set dev away up", "link set dev away1 up", f"route add {VIP4}/32 dev away")
    sysctl(router, "ipv4/conf/eth0/proxy_arp", 1)
    sysctl(router, "ipv4/ip_forward", 1)
    print(f"router: {mac_of_ip(router, 'eth0')}")
    who_answers(lab, "proxy_arp on a router with a route elsewhere, VIP nowhere", VIP4)
    sysctl(router, "ipv4/neigh/eth0/proxy_delay", 0)
    who_answers(lab, "the same, proxy_delay 0", VIP4)
    sysctl(router, "ipv4/conf/eth0/proxy_arp", 0)
    mac = mac_of_ip(lab.node("holder"), "eth0")
    with lab._switch.entered():
        _ip("addr add 10.77.200.1/16 dev br0", f"neigh replace {VIP4} lladdr {mac} dev br0 nud permanent")
    ports = [lab.node(name)._port for name in ("asker", "holder")]
    for flag in ("proxy_arp", "proxy_arp_wifi", "neigh_suppress"):
        for port in ports:
            set_port_flag(lab, port, flag, "on")
        who_answers(lab, f"bridge ports {flag}, the holder's own address", lab.node("holder").address, 0.3)   # the bridge learns its MAC
        who_answers(lab, f"bridge ports {flag}, the bridge has the VIP at the old holder's MAC, VIP nowhere", VIP4)
        for port in ports:
            set_port_flag(lab, port, flag, "off")


def set_port_flag(lab, port, flag, value):
    with lab._switch.entered():
        _ip(f"link set dev {port} type bridge_slave {flag} {value}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--period", type=int, default=200)
    parser.add_argument("--part", default="all")
    args = parser.parse_args()
    print(versions())
    with Lab(mode="namespaces") as lab:
        for name in ("holder", "asker", "router"):
            lab.node(name)
        if args.part in ("all", "who"):
            several_interfaces(lab)
            proxies(lab)
    with Lab(mode="namespaces") as lab:
        lab.node("holder"), lab.node("asker")
        if args.part in ("all", "race"):
            for ignore in (0, 1):
                sysctl(lab.node("holder"), "ipv4/conf/all/arp_ignore", ignore)
                for period in (args.period, 1000):
                    race(lab, f"v4 delete, arp_ignore {ignore}, each {period} us", VIP4, args.cycles, 0, period)
            race(lab, f"v6 delete, each {args.period} us", VIP6, args.cycles // 2, 0, args.period, 150)
            race(lab, "v6 delete, each 1000 us", VIP6, args.cycles // 2, 0, 1000, 150)
        if args.part in ("all", "life"):
            for life in (1, 2):
                race(lab, f"v4 valid_lft {life}", VIP4, 12, life, 1000)
                race(lab, f"v6 valid_lft {life}", VIP6, 12, life, 1000)


if __name__ == "__main__":
    main()
