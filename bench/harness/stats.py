"""From cells to rows: medians, spreads, ratios; and the test that says whether two sets of rounds differ."""
import itertools
import math
import random
import statistics

REFERENCE = "haproxy"


def row_of(workload, contender, version, unit, values, reference_values, noise):
    """One row of report.json. `values` and `reference_values`: {round: value}."""
    numbers = list(values.values())
    median = statistics.median(numbers)
    reference = statistics.median(reference_values.values()) if reference_values else None
    paired = [values[r] / reference_values[r] for r in values if r in reference_values and reference_values[r] > 0]
    spread = (max(numbers) - min(numbers)) / median if median > 0 else 0.0
    return {
        "workload": workload, "contender": contender, "version": version, "unit": unit,
        "median": median, "min": min(numbers), "max": max(numbers), "n": len(numbers),
        "ratio_to_haproxy": median / reference if reference else None,
        "ratio_by_round": {"median": statistics.median(paired), "min": min(paired), "max": max(paired)} if paired else None,
        "spread": spread, "noisy": spread > noise, "values": numbers, "paired_ratios": paired,
    }


def rank_sum_p(a, b, permutations=20000):
    """Two-sided p of the rank-sum test: exact for small sets, by seeded permutation for large ones."""
    pooled = sorted(a + b)
    rank = {value: statistics.mean(i for i, other in enumerate(pooled, 1) if other == value) for value in set(pooled)}
    ranks = [rank[value] for value in a + b]
    expected = len(a) * (len(pooled) + 1) / 2
    seen = abs(sum(ranks[:len(a)]) - expected)
    if math.comb(len(ranks), len(a)) <= permutations:
        sums = [sum(chosen) for chosen in itertools.combinations(ranks, len(a))]
    else:
        shuffler = random.Random(1)
        sums = [sum(shuffler.sample(ranks, len(a))) for _ in range(permutations)]
    return sum(1 for s in sums if abs(s - expected) >= seen - 1e-9) / len(sums)
