# SPDX-License-Identifier: Apache-2.0
"""Times two builds of the library against one another: this tree's bilevel_bench, once with this tree's libbilevel.so and once with
that of another commit, on the same data, in rounds in which each runs for a while; who goes first changes from round to round. Run by
scripts/bench --against COMMIT; needs nothing but Python.

Ratios are ours / theirs, per round: their median and their range stand in the table; above 1 this tree is slower. `wall` is the time of
an execute, `cpu` the processor time that all threads of the process took. One thread is judged by cpu, which other programs on the
machine disturb least; more are judged by wall, since threads that wait for one another take no processor time. `slower` stands at rows
above 1.02, with a question mark if some round says otherwise or there are fewer than three. `result` compares what both wrote."""
import argparse
import array
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from programs import Ended, Program

MARK = 1.02
HEADER = (f"{'workload':<22} {'threads':>7} {'ours ms':>9} {'theirs ms':>9}   {'wall [range]':<22} {'cpu [range]':<22} "
          f"{'result':<16} note")


def start(name, library, arguments, threads):
    """A program that runs with the library in the folder `library`."""
    paths = [str(library), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    command = [str(arguments.bench), "--serve", "--threads", str(threads)]
    for flag in ("isa", "executor"):
        if getattr(arguments, flag) is not None:
            command += [f"--{flag}", str(getattr(arguments, flag))]
    return Program(name, command, dict(os.environ, LD_LIBRARY_PATH=":".join(paths)))


def loaded(program):
    """The folder of the libbilevel.so that the program runs with."""
    maps = Path(f"/proc/{program.process.pid}/maps").read_text().split()
    found = {str(Path(word).parent.resolve()) for word in maps if "/libbilevel.so" in word}
    return found.pop() if len(found) == 1 else None


def set_up(program, library, workload):
    """None if the workload is ready, else why it is not."""
    try:
        answer = program.try_ask(f"setup {workload}")
    except Ended as ended:
        return str(ended)
    if "refused" in answer:
        return answer["refused"]
    if loaded(program) != str(Path(library).resolve()):
        raise SystemExit(f"{program.name} does not run with the library in {library} but with that in {loaded(program)}")
    return None


def results_differ(programs, scratch):
    """The largest difference of the results, relative to their largest element; 0 where they are the same bits."""
    got = []
    for program in programs:
        path = Path(scratch) / f"{len(got)}.f32"
        program.ask(f"dump {path}")
        got.append(path.read_bytes())
    if got[0] == got[1]:
        return 0.0
    ours, theirs = (array.array("f", g) for g in got)
    largest = max(map(abs, theirs), default=0.0)
    return max((abs(a - b) for a, b in zip(ours, theirs)), default=0.0) / largest if largest else float("inf")


def ratios(rounds, clock):
    each = [r["ours"][clock] / r["theirs"][clock] for r in rounds]
    return dict(median=median(each), range=[min(each), max(each)])


class Pair:
    """Both programs, set up for one workload."""

    def __init__(self, workload, threads, arguments):
        self.workload, self.threads, self.arguments = workload, threads, arguments
        self.programs, self.refusal = {}, None
        self.start()

    def start(self):
        """Fresh processes: where their memory happens to lie makes some per cent of a small workload."""
        self.close()
        begin = time.monotonic()
        for who, name in (("ours", "this tree"), ("theirs", self.arguments.name)):
            library = getattr(self.arguments, who)
            self.programs[who] = start(name, library, self.arguments, self.threads)
            why = set_up(self.programs[who], library, self.workload)
            if why:
                self.refusal = dict(refused_by=name, why=why)
                return
        self.seconds = time.monotonic() - begin

    def one_round(self, turn):
        """Each program's time of an execute. Small workloads get several short blocks in fresh processes, of which the best counts."""
        pieces = 4 if self.seconds < 0.1 else 1
        best = {who: dict(ms=float("inf"), cpu_ms=float("inf")) for who in self.programs}
        for piece in range(pieces):
            if turn + piece and self.seconds < 0.5:
                self.start()
            for who in ("ours", "theirs") if (turn + piece) % 2 == 0 else ("theirs", "ours"):
                block = self.programs[who].ask(f"run {self.arguments.seconds / pieces}")
                for clock, least in best[who].items():
                    best[who][clock] = min(least, median(block[clock]))
                time.sleep(0.02)  # lets the last one's pool go to sleep
        return best

    def close(self):
        for program in self.programs.values():
            program.close()


def compare(workload, threads, arguments, scratch):
    row = dict(workload=workload, threads=threads)
    pair = Pair(workload, threads, arguments)
    try:
        if pair.refusal:
            return dict(row, **pair.refusal)
        rounds = [pair.one_round(turn) for turn in range(arguments.rounds)]
        row.update({f"{who}_{clock}": median(r[who][clock] for r in rounds) for who in pair.programs for clock in ("ms", "cpu_ms")})
        row.update(wall=ratios(rounds, "ms"), cpu=ratios(rounds, "cpu_ms"), judged_by="cpu" if threads == 1 else "wall",
                   result_difference=results_differ(pair.programs.values(), scratch), rounds=rounds)
        return row
    finally:
        pair.close()


def verdict(row):
    judged = row[row["judged_by"]]
    if judged["median"] <= MARK:
        return ""
    return "slower" if judged["range"][0] > 1 and len(row["rounds"]) >= 3 else "slower?"


def text(row):
    head = f"{row['workload']:<22} {row['threads']:>7} "
    if "refused_by" in row:
        return f"{head}refused by {row['refused_by']}: {row['why']}"
    ms = lambda v: f"{v:.4f}" if v < 1 else f"{v:.4g}"
    ratio = lambda r: f"{r['median']:.3f} [{r['range'][0]:.3f}, {r['range'][1]:.3f}]"
    difference = row["result_difference"]
    return (f"{head}{ms(row['ours_ms']):>9} {ms(row['theirs_ms']):>9}   {ratio(row['wall']):<22} {ratio(row['cpu']):<22} "
            f"{'same bits' if difference == 0 else f'differs {difference:.0e}':<16} {verdict(row)}").rstrip()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="the program bilevel_bench")
    parser.add_argument("--ours", required=True, help="the folder of this tree's libbilevel.so")
    parser.add_argument("--theirs", required=True, help="the folder of the other libbilevel.so")
    parser.add_argument("--name", required=True, help="what the other one is called in the table")
    parser.add_argument("--filter", default="", help="only workloads whose name contains this")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="least length of a timed block")
    parser.add_argument("--threads", default="1,2", help="comma-separated numbers of threads")
    parser.add_argument("--isa", type=int, help="as of bilevel_bench")
    parser.add_argument("--executor", type=int, help="as of bilevel_bench")
    parser.add_argument("--fail-above", type=float, metavar="RATIO", help="exit status 1 if a row's judged ratio is above")
    parser.add_argument("--json", metavar="FILE", help="write all rounds there")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds is at least 1")
    return arguments


def main():
    arguments = parse()
    threads = [int(t) for t in arguments.threads.split(",")]
    names = subprocess.run([arguments.bench, "--list", "--filter", arguments.filter], check=True, capture_output=True, text=True)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:max(threads)])  # inherited
    print(f"this tree against {arguments.name}: ratios are ours / theirs, above 1 this tree is slower; {arguments.rounds} rounds of "
          f"{arguments.seconds:g} s\n\n{HEADER}", flush=True)
    rows = []
    with tempfile.TemporaryDirectory(prefix="bilevel-bench-") as scratch:
        for workload in names.stdout.split():
            for count in threads:
                rows.append(compare(workload, count, arguments, scratch))
                print(text(rows[-1]), flush=True)
    if arguments.json:
        about = dict(against=arguments.name, rounds=arguments.rounds, seconds=arguments.seconds, kernel=platform.release(),
                     time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), load=os.getloadavg()[0])
        Path(arguments.json).write_text(json.dumps(dict(about, rows=rows), indent=1) + "\n")
    timed = [row for row in rows if "refused_by" not in row]
    above = [row for row in timed if arguments.fail_above and row[row["judged_by"]]["median"] > arguments.fail_above]
    print(f"\n{len(timed)} rows, {sum(verdict(r) == 'slower' for r in timed)} slower in every round, "
          f"{sum(r['result_difference'] == 0 for r in timed)} with the same bits, {len(rows) - len(timed)} refused")
    if above:
        print("above " + f"{arguments.fail_above:g}: " + ", ".join(f"{r['workload']} ({r['threads']})" for r in above))
        sys.exit(1)


if __name__ == "__main__":
    main()
