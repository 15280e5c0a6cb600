"""What a reader must know beside the figures: what is missing and why, what disturbed the run, what a figure does not mean."""
from . import plan
from .workloads import idle_marks

FULL_PROXY = 80.0     # percent of its CPU, below which the proxy was not the bottleneck
BETWEEN_TURNS = 3.0   # percent of a proxy's CPU time, spent while the load was with others, above which the run gets a note
BUSY_OTHER = 15.0     # percent of one CPU used by others, above which the run gets a note


def notes_of(run, rows, missing, interrupted, descriptors):
    notes = [f"{name} left out: {reason}" for name, reason in missing.items()]
    notes += [f"{workload} {contender} left out: {reason}" for (workload, contender), reason in run.dropped.items()]
    notes += [f"{c.name} has no cost per unit: {c.cost_unknown}" for c in run.contenders if c.cost_unknown and any(name == c.name for _, name in run.cells)]
    if run.failures:
        notes.append(f"{len(run.failures)} cells gave no result, the first: {run.failures[0]['workload']} {run.failures[0]['contender']}: {run.failures[0]['error']}")
    if interrupted:
        notes.append(f"interrupted in round {run.rounds_done + 1} of {plan.most_rounds(run.options)}")
    if run.state.earlier:
        notes.append(f"{run.state.earlier} cells are of an earlier, interrupted part of this run")
    notes += [f"{name}: {repeats} further round{'s' if repeats > 1 else ''}, because it was noisy" for name, repeats in run.repeats.items()]
    if run.no_repeats:
        notes.append(run.no_repeats)
    if run.calls_by:
        notes.append(f"system calls per unit: counted by {run.calls_by.name} in one window per row after the timed rounds, timers and health checks included")
    elif run.no_calls:
        notes.append(f"system calls per unit left out: {run.no_calls}")
    notes += [f"system calls of {workload} {contender} not counted: {reason}" for (workload, contender), reason in run.calls_without.items()]
    disturbed = sorted({r["workload"] for r in rows if r["unit"] == "% other CPU" and r["median"] > BUSY_OTHER})
    if disturbed:
        notes.append(f"other programs (or the hypervisor) used more than {BUSY_OTHER:.0f} % of a CPU during {', '.join(disturbed)}: trust ratios of one run only")
    paced = {w.name for w in run.workloads if w.paced}
    if any(w.calibrated for w in run.workloads) and run.calibrated:
        notes.append(f"lat: the same rate for all, {run.calibrated}; latencies are counted from the moment a request was meant to leave")
    proxied = [r for r in rows if r["unit"] == "% proxy CPU" and r["workload"] not in paced]
    waiting = [r for r in proxied if r["median"] < FULL_PROXY]
    if waiting:
        notes.append(f"in {len(waiting)} of {len(proxied)} the proxy had less than {FULL_PROXY:.0f} % of its CPU (the load side or other programs were the limit; "
                     "CPU per unit then includes more wake-ups): workloads " + ", ".join(dict.fromkeys(r["workload"] for r in waiting)))
    between = [f"{r['workload']} {r['contender']} {r['median']:.0f} %" for r in rows if r["unit"] == "% CPU between turns" and r["median"] > BETWEEN_TURNS]
    if between:
        notes.append(f"CPU time spent while the load was with others, in percent of what is counted, and not counted: {', '.join(between)}")
    ended = sorted({contender for (_, contender), rounds in run.cells.items() for result in rounds.values() if result.get("threads_ended")})
    if ended:
        notes.append(f"threads ended inside the window, their CPU time is not counted: {', '.join(ended)}")
    marks = idle_marks(descriptors)
    if marks[-1] < 10000 and any(w == "idle" for w, _ in run.cells):
        notes.append(f"idle: the descriptor limit is {descriptors:,} and may not be raised here: read at {marks[0]:,} and {marks[-1]:,} connections instead of 10,000")
    if run.rounds_done < 5:
        notes.append(f"{run.rounds_done} complete rounds: fewer than the 5 a figure needs to be quoted; how noisy the figures are is unknown")
    return notes
