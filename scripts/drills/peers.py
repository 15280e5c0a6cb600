"""What Fairlead is compared with, in the same lab by the same prober: keepalived + HAProxy in three forms, Pacemaker + IPaddr2 + HAProxy."""
import shutil

from drills import keepalived, pacemaker

PEERS = [*keepalived.PEERS, pacemaker.PEER]


def missing(peers):
    """Their programs that are not installed."""
    return sorted({program for peer in peers for program in peer.programs if not shutil.which(program)})
