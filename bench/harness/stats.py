"""From cells to rows: medians, spreads, ratios; and the test that says whether two sets of rounds differ."""
import bisect
import math
import random
import statistics

REFERENCE = "haproxy"
SIGNIFICANT = 0.05
MEDIAN_CONFIDENCE = 0.9
NOISE_ROUNDS = 5      # fewer say nothing of the noise: three lie close together by chance
FIRM_ROUNDS = 8       # from here on the median's interval leaves the lowest and the highest round out
BY_RATIO, BY_FIGURE = "ratio", "figure"


def row_of(workload, contender, version, unit, values, reference_values, noise, judged_by=BY_FIGURE):
    """One row of report.json. `values` and `reference_values`: {round: value}. `noisy` is None where too few rounds leave it unknown.

    `judged_by`: whether spread, noise and verdict are of the figures, or of their ratios to the reference in the same round: where both were
    measured in turns these are of one moment, and what the machine did in it is in neither. The reference itself has its figures only."""
    numbers = list(values.values())
    median = statistics.median(numbers)
    reference = statistics.median(reference_values.values()) if reference_values else None
    paired = [values[r] / reference_values[r] for r in values if r in reference_values and reference_values[r] > 0]
    by_ratio = judged_by == BY_RATIO and contender != REFERENCE and bool(paired)
    judged = paired if by_ratio else numbers
    low, high = median_interval(judged)
    spread = (high - low) / statistics.median(judged) if statistics.median(judged) > 0 else 0.0
    other = list(reference_values.values()) if contender != REFERENCE else []
    verdict = verdict_of_ratios(paired) if by_ratio else verdict_against(numbers, other) if other else None
    return {
        "workload": workload, "contender": contender, "version": version, "unit": unit,
        "median": median, "min": min(numbers), "max": max(numbers), "n": len(numbers),
        "ratio_to_haproxy": statistics.median(paired) if by_ratio else median / reference if reference else None,
        "ratio_by_round": {"median": statistics.median(paired), "min": min(paired), "max": max(paired)} if paired else None,
        "judged_by": BY_RATIO if by_ratio else BY_FIGURE, "spread": spread, "noisy": spread > noise if len(judged) >= NOISE_ROUNDS else None, "values": numbers,
        "paired_ratios": paired, **({"against_haproxy": verdict} if verdict else {}),
    }


def median_interval(values):
    """From which round to which the true median lies, with at least 90 % confidence whatever the distribution: with 5 to 7 rounds from the
    lowest to the highest (with fewer likewise, and less confidence: 3 rounds 75 %), with 8 without these two, and so on. So a figure gets
    firmer by more rounds, and one bad round stops deciding."""
    ordered, n = sorted(values), len(values)
    outside = 0                       # of 2^n: orders of heads and tails that leave the median outside
    cut = 0
    while cut < (n - 1) // 2:
        outside += 2 * math.comb(n, cut)
        if 1 - (outside + 2 * math.comb(n, cut + 1)) / 2 ** n < MEDIAN_CONFIDENCE:
            break
        cut += 1
    return ordered[cut], ordered[n - 1 - cut]


def verdict_against(values, reference):
    """Whether `values` are lower or higher than `reference`, at 95 % confidence: by the rank-sum test over rounds; the interval is a bootstrap's."""
    p = rank_sum_p(values, reference)
    if p < SIGNIFICANT:
        verdict = "lower" if statistics.median(values) < statistics.median(reference) else "higher"
    else:
        # With fewer rounds than 4 and 4 no difference, however large, can reach p < 0.05.
        verdict = "too few rounds" if min(len(values), len(reference)) < 4 else "no difference shown"
    return {"verdict": verdict, "p": p, "ratio_ci95": ratio_interval(values, reference)}


def verdict_of_ratios(ratios):
    """The same of ratios to the reference, round by round: by the signed-rank test of their logarithms; the interval is the median's, without
    any assumption (at least 90 %)."""
    p = signed_rank_p([math.log(r) for r in ratios if r > 0])
    if p < SIGNIFICANT:
        verdict = "lower" if statistics.median(ratios) < 1 else "higher"
    else:
        verdict = "too few rounds" if 2 / 2 ** len(ratios) >= SIGNIFICANT else "no difference shown"
    return {"verdict": verdict, "p": p, "ratio_ci90": list(median_interval(ratios)) if len(ratios) >= NOISE_ROUNDS else None}


def ratio_interval(values, reference, draws=2000):
    """95 % bootstrap interval of the ratio of medians, seeded; None with too few rounds or a reference of 0."""
    if min(len(values), len(reference)) < 4 or min(reference) <= 0:
        return None
    chance = random.Random(1)
    ratios = sorted(statistics.median(chance.choices(values, k=len(values))) / statistics.median(chance.choices(reference, k=len(reference)))
                    for _ in range(draws))
    return [ratios[int(0.025 * draws)], ratios[int(0.975 * draws) - 1]]


def least_p(a, b):
    """The least p that sets of these sizes can have: the two of all divisions in which they do not overlap."""
    return min(1.0, 2 / math.comb(a + b, a))


def holm(ps):
    """p of each question when all of them are asked: with Holm's correction, the chance that any difference is named where there is none is still
    SIGNIFICANT."""
    out, least = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, ps[index] * (len(ps) - rank)))
        out[index] = least
    return out


def doubled_ranks(values):
    """Twice the rank of each among all (ties share the mean of theirs): whole numbers."""
    ordered = sorted(values)
    rank = {value: 2 * bisect.bisect_left(ordered, value) + ordered.count(value) + 1 for value in set(ordered)}
    return [rank[value] for value in values]


def signed_rank_p(differences):
    """Two-sided p of Wilcoxon's signed-rank test, exact: of all ways to give the differences their signs, how many are as far from even."""
    moved = [d for d in differences if d != 0]
    ranks = doubled_ranks([abs(d) for d in moved])
    ways = {0: 1}                                    # sum of the ranks that got a plus -> in how many ways
    for rank in ranks:
        for total, count in list(ways.items()):
            ways[total + rank] = ways.get(total + rank, 0) + count
    return share_as_far(ways, sum(ranks) / 2, sum(r for r, d in zip(ranks, moved) if d > 0))


def rank_sum_p(a, b):
    """Two-sided p of the rank-sum test, exact: of all divisions into sets of these sizes, how many are as far from even."""
    ranks = doubled_ranks([*a, *b])
    ways = [{0: 1}] + [{} for _ in a]                # of so many chosen: sum of their ranks -> in how many ways
    for rank in ranks:
        for chosen in range(len(a), 0, -1):
            for total, count in ways[chosen - 1].items():
                ways[chosen][total + rank] = ways[chosen].get(total + rank, 0) + count
    return share_as_far(ways[len(a)], len(a) * (len(ranks) + 1), sum(ranks[:len(a)]))


def share_as_far(ways, expected, seen):
    far = sum(count for total, count in ways.items() if abs(total - expected) >= abs(seen - expected))
    return far / sum(ways.values())
