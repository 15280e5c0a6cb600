"""What the records of watch.py and clients.py say. Pure: lines in, figures out."""
from collections import Counter
from dataclasses import dataclass, field

MS = 1_000_000


@dataclass
class Record:
    probes: list = field(default_factory=list)         # (begun, ended, result)
    rounds: list = field(default_factory=list)         # (asked, (mac, ...))
    announcements: list = field(default_factory=list)  # (seen, mac)
    lateness: list = field(default_factory=list)       # (scheduled, late)
    requests: list = field(default_factory=list)       # (client, number, begun, ended, result)
    cuts: list = field(default_factory=list)           # when a client found its kept connection cut

    def read(self, lines):
        for line in lines:
            word, *rest = line.split()
            if word == "P":
                self.probes.append((int(rest[0]), int(rest[1]), rest[2]))
            elif word == "A":
                self.rounds.append((int(rest[0]), () if rest[1] == "-" else tuple(rest[1].split(","))))
            elif word == "G":
                self.announcements.append((int(rest[0]), rest[1]))
            elif word == "L":
                self.lateness.append((int(rest[0]), int(rest[1])))
            elif word == "C":
                self.requests.append((int(rest[0]), int(rest[1]), int(rest[2]), int(rest[3]), rest[4]))
            elif word == "R":
                self.cuts.append(int(rest[1]))
        return self


@dataclass(frozen=True)
class Figures:
    """What happened between two moments."""
    outage_ms: float          # The longest time without an answer to a new connection; what answers are apart anyway is in it.
    probes: int
    probes_failed: int
    requests: int
    requests_failed: int
    resets: int               # Connections that were cut: new ones, and those that clients kept.
    rounds: int
    holders: int              # The most MACs that answered one ARP request.
    announcements: int
    late_ms: float            # How late the watcher itself was, at worst: what the outage may be too long by.


def figures(record, since, until):
    probes = [p for p in record.probes if since <= p[0] < until]
    ends = sorted(end for begun, end, result in record.probes if result == "ok" and begun < until and end >= since)
    before = [end for _, end, result in record.probes if result == "ok" and end < since]
    ends = ([max(before)] if before else [since]) + ends
    if not any(end >= until for end in ends):
        ends.append(until)
    requests = [r for r in record.requests if since <= r[3] and r[2] < until]
    rounds = [r for r in record.rounds if since <= r[0] < until]
    return Figures(
        outage_ms=max(b - a for a, b in zip(ends, ends[1:])) / MS,
        probes=len(probes), probes_failed=sum(1 for p in probes if p[2] != "ok"),
        requests=len(requests), requests_failed=sum(1 for r in requests if r[4] != "ok"),
        resets=sum(1 for p in probes if p[2] == "reset") + sum(1 for at in record.cuts if since <= at < until),
        rounds=len(rounds), holders=max((len(macs) for _, macs in rounds), default=0),
        announcements=sum(1 for seen, _ in record.announcements if since <= seen < until),
        late_ms=max((late for at, late in record.lateness if since <= at < until), default=0) / MS)


def most_holders(record):
    """The most MACs that ever answered one ARP request."""
    return max((len(macs) for _, macs in record.rounds), default=0)


def is_quiet(record, now, *, for_ms=1000, gap_ms=100):
    """Whether in the time just before `now` every probe was answered and no two answers were further apart than `gap_ms`. What began later than that
    time is not quiet: until the first answer nothing is known."""
    since = now - for_ms * MS
    ended = [(end, result) for _, end, result in record.probes[-for_ms:] if end >= since]   # There are fewer than one each ms.
    moments = [since] + sorted(end for end, _ in ended) + [now]
    return all(result == "ok" for _, result in ended) and all(b - a <= gap_ms * MS for a, b in zip(moments, moments[1:]))


def timeline(record, since, cell_ms, cells, names):
    """A character for each stretch of time: who answered ARP where new connections were answered, '.' where none was, '!' for two at once.
    `names`: {mac: character}."""
    out = []
    for i in range(cells):
        begin, end = since + i * cell_ms * MS, since + (i + 1) * cell_ms * MS
        rounds = [macs for asked, macs in record.rounds if begin <= asked < end]
        answered = any(result == "ok" and begin <= ended < end for _, ended, result in record.probes)
        seen = Counter(mac for macs in rounds for mac in macs)
        if any(len(macs) > 1 for macs in rounds):
            out.append("!")
        elif not answered:
            out.append(".")
        else:
            out.append(names.get(seen.most_common(1)[0][0], "?") if seen else "-")
    return "".join(out)


def client_line(requests):
    """`ok 4,812  lost 0  longest gap 12 ms`: by the clients' own numbers. A number that is missing in the record is lost, too."""
    ok = sum(1 for r in requests if r[4] == "ok")
    expected = sum(max((r[1] for r in requests if r[0] == client), default=0) for client in {r[0] for r in requests})
    return f"ok {ok:,}  lost {expected - ok:,}  longest gap {longest_gap_ms(requests):,.0f} ms"


def longest_gap_ms(requests):
    """The longest time that one client was without an answer to one of its own numbers."""
    longest, last = 0, {}
    for client, _, begun, ended, result in requests:
        last.setdefault(client, begun)
        if result == "ok":
            longest = max(longest, ended - last[client])
            last[client] = ended
    return longest / MS
