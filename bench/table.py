# SPDX-License-Identifier: Apache-2.0
"""The README's table of speeds, from bench/results/*.json, with what is asked of each row (the bars) and whether it is reached.
Run by scripts/bench --markdown; needs nothing but Python. Without arguments it prints the table of the newest results."""
import argparse
import json
import re
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
README = BENCH.parent / "README.md"

# What is asked of each row: ratio to the fastest peer, share of the floor.
BARS = {"sine-T5-25": (2.5, None), "sine-T5-256": (5, 0.5), "sine-T5-1024": (5, 0.5), "sine-T16-256": (5, None),
        "sine-T1-1024": (4, None), "cleaning": (2.5, None), "hpo-256": (5, None), "cg-1": (1.25, 0.8), "hvp-K1": (1.6, 0.8), "hvp-K8": (3, 0.8)}
START_MS, PLAN_MS = 20, 1

# The rows of the table, in words; every row with a bar is here.
WORK = {"sine-T5-25": "MAML on sinusoids, 1-40-40-1, T = 5, 25 tasks",
        "sine-T5-256": "the same, 256 tasks",
        "sine-T5-1024": "the same, 1,024 tasks",
        "sine-T16-256": "T = 16, 256 tasks",
        "sine-T1-1024": "T = 1, 1,024 tasks",
        "cleaning": "row weights, softmax 5,000 x 784 x 10, T = 100",
        "hpo-256": "penalties, logistic 500 x 20, T = 100, 256 tasks",
        "cg-1": "penalties, logistic 100,000 x 1,000, implicit, 20 iterations of CG",
        "hvp-K1": "HVP, logistic 100,000 x 1,000, one vector",
        "hvp-K8": "the same, eight vectors"}
COLUMNS = ("work, one hypergradient", "bilevel", "JAX {jax}", "PyTorch {torch}", "against the faster", "of the machine's floor", "bar", "reached")


def number(value):
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def bars(name):
    """(which, what is asked, as text) of a row."""
    ratio, share = BARS[name]
    return ([("ratio", ratio, f"{ratio:g} x")] if ratio else []) + ([("share", share, f"{100 * share:.0f} %")] if share else [])


def reached(name, row):
    """Of each bar in turn: yes or no; one word where they agree."""
    each = ["yes" if row[which] >= asked else "no" for which, asked, _ in bars(name)]
    return each[0] if len(set(each)) == 1 else ", ".join(f"{text}: {e}" for (_, _, text), e in zip(bars(name), each))


def line(name, row):
    asked = ", ".join(text for _, _, text in bars(name))
    if row is None:
        return (WORK[name], "-", "-", "-", "-", "-", asked, "not measured")
    times = [number(row["programs"][p]["ms"]) if p in row["programs"] else "-" for p in ("bilevel", "jax", "torch")]
    return (WORK[name], times[0] + " ms", *times[1:], number(row["ratio"]) + " x", f"{100 * row['share']:.0f} %", asked, reached(name, row))


def markdown(results):
    versions = {k: ".".join(v.split(".")[:2]) for k, v in results["machine"]["versions"].items() if v}
    rows = {row["name"]: row for row in results["rows"]}
    lines = [[c.format(**versions) for c in COLUMNS], ["---"] * len(COLUMNS), *(line(name, rows.get(name)) for name in WORK)]
    return "".join(("|" + "|".join(cells) + "|" if cells[0] == "---" else "| " + " | ".join(cells) + " |") + "\n" for cells in lines)


def newest():
    found = [(json.loads(p.read_text()), p) for p in sorted((BENCH / "results").glob("*-threads.json"))]
    if not found:
        sys.exit("no results in bench/results: run scripts/bench")
    return max(found, key=lambda f: f[0]["machine"]["time"])[1]


TABLE = re.compile(r"^\| work, one hypergradient .*\n(?:\|.*\n)+", re.M)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, help="JSON file; default: the newest in bench/results")
    parser.add_argument("--write", action="store_true", help="put the table in README.md")
    arguments = parser.parse_args()
    table = markdown(json.loads((arguments.results or newest()).read_text()))
    if not arguments.write:
        print(table, end="")
        return
    text, count = TABLE.subn(lambda _: table, README.read_text())
    if count != 1:
        sys.exit(f"{README} has {count} tables that begin with '| {COLUMNS[0]}'")
    README.write_text(text)


if __name__ == "__main__":
    main()
