# SPDX-License-Identifier: Apache-2.0
"""Runs bilevel_same_bits with two builds of libbilevel.so, this tree's and another commit's, and tells the random plans for which they
write other bits: which they are, what is different, and what they have in common. Run by scripts/same-bits COMMIT; needs nothing but
Python. Exit status: 0 if every case is the same, 1 if not.

A case is known by its seed; `bilevel_same_bits --first SEED --cases 1` executes it again, `--filter` as below. What the other commit's
bilevel.h does not name is not drawn, and structs have the size that they had there. A difference is that of the first slot (in the order
of the plan) that differs: how many elements, and the largest difference relative to the slot's largest element, over all slots."""
import argparse
import array
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

INFO = struct.Struct("=iiqqqdd")  # blv_task_info
INFO_NAMES = ("status", "side", "step", "row", "iterations", "loss", "gradient_norm")
# What cases are grouped by: keys of a description, and what is made of it below.
GROUPS = ("method", "dtype", "isa", "executor", "store", "loss", "outer_loss", "activation", "layers", "bias", "optimiser", "batch", "ragged",
          "vectors", "threads", "beyond", "gradient", "link", "shared", "sum", "padded")


def header_facts(include):
    """What bilevel.h in the folder `include` has: its enumerators and the sizes of its structs, as bilevel_same_bits reads them."""
    text = re.sub(r"/\*.*?\*/", "", (Path(include) / "bilevel" / "bilevel.h").read_text(), flags=re.S)
    structs = re.findall(r"typedef struct (blv_\w+) \{", text)
    names = [n for body in re.findall(r"\benum \{(.*?)\}", text, re.S) for n in re.findall(r"\b(BLV_\w+)\s*=", body)]
    sizes = "".join(f'printf("sizeof {s} %d\\n", (int)sizeof({s}));' for s in structs)
    program = f"#include <bilevel/bilevel.h>\n#include <stdio.h>\nint main(void) {{ {sizes} return 0; }}\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sizes"
        subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-I", include, "-o", path, "-"], input=program, text=True, check=True)
        sizes = subprocess.run([path], capture_output=True, text=True, check=True).stdout
    return "".join(f"{n}\n" for n in names) + sizes


class Case:
    def __init__(self, line):
        seed, self.text, self.hash, self.chosen = line.rstrip("\n").split("\t")
        self.seed = int(seed)

    def features(self):
        """(group, value) pairs."""
        words = dict(word.split("=", 1) for word in f"{self.text} {self.chosen if '=' in self.chosen else ''}".split())
        widths = [int(w) for w in words["widths"].split("x")]
        found = {(key, words[key]) for key in GROUPS if key in words and key not in ("batch", "shared", "padded")}
        found.discard(("store", "none"))
        found.add(("layers", str(len(widths) - 1)))
        if "batch" in words:
            found.add(("batch", "no" if words["batch"] == "0" else "yes"))
        for key, value in (("tasks", 20), ("rows", 300), ("outer_rows", 300), ("steps", 6)):
            if int(words.get(key, 0)) > value:
                found.add(("beyond", key))
        if max(widths) > 18:
            found.add(("beyond", "inputs" if widths[0] > 18 else "hidden"))
        for key, group in (("gradients", "gradient"), ("links", "link"), ("shared", "shared"), ("sums", "sum"), ("padded", "padded")):
            found |= {(group, value) for value in words[key].split(",")}
        return found


def run(program, library, facts, arguments, first, count, dump=None):
    """The cases of `count` seeds; after a crash the rest of them. A seed that ends the program has the hash `crashed`."""
    paths = [str(library), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    environment = dict(os.environ, LD_LIBRARY_PATH=":".join(paths))
    cases, last = {}, first + count
    while first < last:
        command = [program, "--first", str(first), "--cases", str(last - first), "--header", facts, "--filter", arguments.filter]
        done = subprocess.run(command + (["--dump", dump] if dump else []), stdout=subprocess.PIPE, text=True, env=environment)
        lines = [line for line in done.stdout.splitlines() if line.count("\t") == 3]
        found = [Case(line) for line in lines]
        cases.update((case.seed, case) for case in found)
        if done.returncode == 3:
            print("\n".join(line for line in done.stdout.splitlines() if line.count("\t") != 3), file=sys.stderr)
            print(f"the library in {library} wrote where it must not", file=sys.stderr)
        if done.returncode in (0, 3):
            return cases
        if done.returncode > 0:
            sys.exit(f"{program} failed with the library in {library}")
        # The next case that is not left out by the filter is the one; its description is that of the other library's run.
        crashed = found[-1].seed + 1 if found else first
        cases[crashed] = Case(f"{crashed}\t\tcrashed\t(signal {-done.returncode}, in this case or a filtered one after it)")
        first = crashed + 1
    return cases


def read_dump(path):
    """[(slot, name, dtype, bytes)]"""
    data, at, slots = path.read_bytes(), 0, []
    while at < len(data):
        end = data.index(b"\n", at)
        slot, name, dtype, size = data[at:end].decode().split()
        at = end + 1 + int(size)
        slots.append((int(slot), name, dtype, data[end + 1:at]))
    return slots


def numbers(dtype, data):
    if dtype == "info":
        return [value for record in INFO.iter_unpack(data) for value in record]
    values = array.array("f" if dtype == "f32" else "d")
    values.frombytes(data)
    return values


def relative(ours, theirs):
    """(elements that differ, the largest difference relative to the largest element); infinite where one is finite and one not."""
    count, largest = 0, 0.0
    for a, b in zip(ours, theirs):
        if a == b or (math.isnan(a) and math.isnan(b)):
            continue
        count += 1
        largest = max(largest, abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf)
    scale = max((abs(b) for b in theirs if math.isfinite(b)), default=0.0)
    return count, largest / scale if scale else (math.inf if largest else 0.0)


def difference(ours, theirs):
    """(the first slot that differs, in words; the largest relative difference of all slots) of two dumps."""
    first, largest = None, 0.0
    for (slot, name, dtype, a), (_, _, _, b) in zip(ours, theirs):
        if a == b:
            continue
        if dtype == "info":  # field by field, since their scales differ
            x, y = numbers(dtype, a), numbers(dtype, b)
            each = {field: relative(x[i::len(INFO_NAMES)], y[i::len(INFO_NAMES)]) for i, field in enumerate(INFO_NAMES)}
            each = {field: r for field, r in each.items() if r[0]}
            text = "info " + ", ".join(f"{field} of {count} tasks" for field, (count, _) in each.items())
            most = max((r[1] for r in each.values()), default=0.0)
        else:
            x, y = numbers(dtype, a), numbers(dtype, b)
            count, most = relative(x, y)
            text = f"slot {slot} {name}: {count} of {len(x)} elements" if count else f"slot {slot} {name}: zeros' signs or NaNs' bits"
        first = first or text
        largest = max(largest, most)
    return first or "nothing, when executed again", largest


def explain(ours, theirs, both, arguments, facts):
    """For each differing case what differs."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="bilevel-same-bits-") as folder:
        for seed in both:
            a, b = ours[seed], theirs[seed]
            special = [f"{who}: {case.hash}{' ' + case.chosen if 'crashed' in case.hash or 'refused' in case.hash else ''}"
                       for who, case in (("this tree", a), (arguments.name, b)) if " " in case.hash or case.hash == "crashed"]
            if special:
                found[seed] = ("; ".join(special), math.inf)
                continue
            dumps = []
            for who, library in (("ours", arguments.ours), ("theirs", arguments.theirs)):
                target = Path(folder) / who
                target.mkdir(exist_ok=True)
                run(arguments.program, library, facts, arguments, seed, 1, str(target))
                dumps.append(read_dump(target / str(seed)))
                (target / str(seed)).unlink()
            found[seed] = difference(*dumps)
            if a.chosen != b.chosen:
                found[seed] = (f"planned {a.chosen}, theirs {b.chosen}; " + found[seed][0], found[seed][1])
    return found


def common(cases, differing):
    """Lines: of each value of each group how many cases differ, the most telling first."""
    total, differ = Counter(), Counter()
    for case in cases:
        features = case.features()
        total.update(features)
        if case.seed in differing:
            differ.update(features)
    share = len(differing) / len(cases)
    lines = []
    always = [f"{group}={value}" for group, value in differ if differ[group, value] == len(differing)]
    if always:
        lines.append("all that differ have: " + " ".join(sorted(always, key=lambda a: GROUPS.index(a.split("=")[0]))))
    rows = sorted(differ, key=lambda f: (-differ[f] / total[f], GROUPS.index(f[0]), f[1]))
    telling = [f for f in rows if total[f] >= 3 and differ[f] / total[f] > 1.25 * share]
    lines += [f"  {'='.join(feature):<32} {differ[feature]:>5} of {total[feature]:>5} differ" for feature in telling[:15]]
    # So many that all of them are the same by chance once in twenty times.
    never = [f"{g}={v}" for g, v in total if (g, v) not in differ and (1 - share) ** total[g, v] < 0.05]
    if never:
        lines.append("none differs that has: " + " ".join(sorted(never, key=lambda a: GROUPS.index(a.split("=")[0]))))
    return lines


def grouped(found, cases):
    """Lines: the cases that differ by method, dtype, ISA level, executor and loss, with the largest difference of each group."""
    groups = {}
    for seed, (_, largest) in found.items():
        words = dict(w.split("=", 1) for w in f"{cases[seed].text} {cases[seed].chosen}".split() if "=" in w)
        key = tuple(words.get(k, "-") for k in ("method", "dtype", "isa", "executor", "loss"))
        count, most = groups.get(key, (0, 0.0))
        groups[key] = (count + 1, max(most, largest))
    head = f"  {'method':<9} {'dtype':<6} {'isa':<4} {'executor':<15} {'loss':<14} {'cases':>6} {'largest relative difference':>28}"
    return [head] + [f"  {k[0]:<9} {k[1]:<6} v{k[2]:<3} {k[3]:<15} {k[4]:<14} {count:>6} {most:>28.1e}" for k, (count, most) in sorted(groups.items())]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the program bilevel_same_bits")
    parser.add_argument("--ours", required=True, help="the folder of this tree's libbilevel.so")
    parser.add_argument("--theirs", required=True, help="the folder of the other libbilevel.so")
    parser.add_argument("--include", required=True, help="the folder with the other bilevel/bilevel.h")
    parser.add_argument("--name", required=True, help="what the other one is called")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--filter", default="", help="only cases whose description contains every word of this, for example 'method=hvp isa=4'")
    parser.add_argument("--list", type=int, default=20, metavar="N", help="print at most N cases that differ; what they share counts all")
    return parser.parse_args()


def main():
    arguments = parse()
    with tempfile.NamedTemporaryFile("w", suffix=".header") as facts:
        facts.write(header_facts(arguments.include))
        facts.flush()
        ours, theirs = (run(arguments.program, library, facts.name, arguments, arguments.first, arguments.cases)
                        for library in (arguments.ours, arguments.theirs))
        # A crash names a seed that the filter may have left out: it counts only where the other library has a case.
        cases = {seed: case for seed, case in {**theirs, **ours}.items()}
        for seed, case in theirs.items():
            if cases[seed].hash == "crashed" and case.text:
                cases[seed] = Case(f"{seed}\t{case.text}\tcrashed\t{case.chosen}")
        if not cases:
            sys.exit(f"no case of {arguments.cases} contains '{arguments.filter}'")
        lost = Case("0\tnone\tcrashed\t")
        differing = sorted(s for s in cases if ours.get(s, lost).hash != theirs.get(s, lost).hash)
        refused = [sum(case.hash.startswith("refused") for case in side.values()) for side in (ours, theirs)]
        found = explain({s: ours.get(s, lost) for s in cases}, {s: theirs.get(s, lost) for s in cases}, differing, arguments, facts.name)
    print(f"this tree and {arguments.name}: {len(cases) - len(differing)} of {len(cases)} cases have the same bits "
          f"({100 * (len(cases) - len(differing)) / len(cases):.1f} %); refused {refused[0]} and {refused[1]}")
    if not differing:
        return
    print(f"\n{min(arguments.list, len(differing))} of the {len(differing)} that differ:")
    for seed in differing[:arguments.list]:
        text, largest = found[seed]
        print(f"  seed {seed}: {text}; largest relative difference {largest:.1e}\n    {cases[seed].text} {cases[seed].chosen}")
    described = {seed: case for seed, case in cases.items() if "widths=" in case.text}
    print("\n" + "\n".join(grouped({s: f for s, f in found.items() if s in described}, cases)))
    print("\n" + "\n".join(common(described.values(), set(differing) & set(described))))
    sys.exit(1)


if __name__ == "__main__":
    main()
