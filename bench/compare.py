# SPDX-License-Identifier: Apache-2.0
"""Times bilevel_bench against JAX and PyTorch in one interleaved session: persistent workers, rounds in which each program in turn runs
a timed block and the machine's floors are measured again. Prints a table and writes bench/results/<machine>.json. Run by scripts/bench.

Per row: medians over rounds; ratio = the fastest peer's time / ours, per round, its median and its range; floor = max(bytes / bandwidth,
flops / peak); err = |g - g64| / |g64| against an fp64 reference. In brackets: the peer's first call, compilation included."""
import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from programs import Program
from table import BARS, PLAN_MS, START_MS

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH / "peers"))
from data import GPU_WORKLOADS, WORKLOADS  # noqa: E402


def reference(name, directory, env):
    path = directory / f"{name}.f64"
    subprocess.run([sys.executable, BENCH / "peers" / "reference.py", name, path], check=True, env=env)
    return np.fromfile(path, np.float64)


def error(program, exact, directory):
    path = directory / f"{program.name}.f32"
    program.ask(f"dump {path}")
    got = np.fromfile(path, np.float32).astype(np.float64)
    if got.shape != exact.shape:
        raise SystemExit(f"{program.name} wrote {got.size} numbers, the reference {exact.size}")
    return float(np.linalg.norm(got - exact) / np.linalg.norm(exact))


def one_round(ours, peers, turn, seconds):
    """Everything once, in an order that rotates; the median of each program's block."""
    programs = [ours, *peers]
    times = {}
    floors = ours.ask("floors")
    for i in range(len(programs)):
        program = programs[(turn + i) % len(programs)]
        times[program.name] = program.ask(f"run {seconds}")["ms"]
        time.sleep(0.02)  # lets the last one's pool go to sleep
    return dict(floors=floors, median={k: median(v) for k, v in times.items()}, min={k: min(v) for k, v in times.items()})


def table(arguments):
    return GPU_WORKLOADS if arguments.device == "gpu" else WORKLOADS


def compare(name, ours, peers, arguments, directory, env):
    made = ours.ask(f"setup {name}")
    peers_made = {p.name: p.ask(f"setup {name}") for p in peers}
    peers = [p for p in peers if peers_made[p.name]["best"]]
    exact = reference(name, directory, env)
    rounds = [one_round(ours, peers, r, arguments.seconds) for r in range(arguments.rounds)]
    floor = [1e3 * max(made["bytes"] / r["floors"]["bandwidth"], made["flops"] / r["floors"]["flops"]) for r in rounds]
    share = [f / r["median"]["bilevel"] for f, r in zip(floor, rounds)]
    row = dict(name=name, tasks=table(arguments)[name][1].get("tasks", 1), flops=made["flops"], bytes=made["bytes"],
               workspace_bytes=made["workspace_bytes"], plan_ms=made["plan_ms"], plan=made["plan"],
               floor_ms=median(floor), share=median(share), programs={}, rounds=rounds)
    for program in [ours, *peers]:
        of = [r["median"][program.name] for r in rounds]
        row["programs"][program.name] = dict(ms=median(of), min_ms=min(r["min"][program.name] for r in rounds),
                                             error=error(program, exact, directory))
    row["programs"]["bilevel"]["first_ms"] = made["first_ms"]
    for program in peers:
        chosen = peers_made[program.name]
        row["programs"][program.name].update(formulation=chosen["best"], tried=chosen["tried"],
                                             first_ms=chosen["tried"][chosen["best"]]["first_ms"])
    if peers:
        row["fastest"] = min(peers, key=lambda p: row["programs"][p.name]["ms"]).name
        ratios = [min(r["median"][p.name] for p in peers) / r["median"]["bilevel"] for r in rounds]
        row.update(ratio=median(ratios), ratio_range=[min(ratios), max(ratios)])
    return row


def verdict(value, bar):
    return "" if bar is None else (" ok" if value >= bar else f" < {bar:g}")


def text(row):
    ms = lambda v: f"{v:.3g}" if v < 100 else f"{v:.0f}"
    bars = BARS.get(row["name"], (None, None))
    ours = row["programs"]["bilevel"]
    cells = [f"{row['name']:<13}", f"{ms(ours['ms']):>7}", f"{1e3 * ours['ms'] / row['tasks']:>9.2f}"]
    for peer in ("jax", "torch"):
        p = row["programs"].get(peer)
        cells.append(f"{ms(p['ms']) + ' (' + format(p['first_ms'] / 1e3, '.1f') + ' s)':>16}" if p else f"{'-':>16}")
    if "ratio" in row:
        low, high = row["ratio_range"]
        cells.append(f"{row['ratio']:>6.2f} [{low:.1f}, {high:.1f}]{verdict(row['ratio'], bars[0])}".ljust(28))
    cells.append(f"{ms(row['floor_ms']):>7}")
    cells.append(f"{100 * row['share']:>4.0f} %{verdict(row['share'], bars[1])}".ljust(14))
    cells.append(" / ".join(f"{p['error']:.0e}" for p in row["programs"].values()))
    return " ".join(cells)


HEADER = (f"{'workload':<13} {'ours ms':>7} {'us / task':>9} {'JAX ms (first)':>16} {'PyTorch (first)':>16} "
          f"{'ratio [range]':<28} {'floor':>7} {'share':<14} error, ours / JAX / PyTorch")


def start_row(ours, count=20):
    starts = [ours.ask("start sine-T5-25") for _ in range(count)]
    first, plan = median(s["first_ms"] for s in starts), median(s["plan_ms"] for s in starts)
    print(f"\nfirst hypergradient of sine-T5-25 {first:.2f} ms after the start of its process "
          f"({'ok' if first < START_MS else f'not < {START_MS} ms'}), plan creation {plan:.3f} ms "
          f"({'ok' if plan < PLAN_MS else f'not < {PLAN_MS} ms'})")
    return dict(first_ms=first, plan_ms=plan, starts=starts)


def machine(threads):
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    cpu = cpu.group(1).strip() if cpu else platform.machine()
    versions = {}
    for module in ("jax", "jaxlib", "torch", "numpy"):
        found = subprocess.run([sys.executable, "-c", f"import importlib.metadata as m; print(m.version('{module}'))"],
                               capture_output=True, text=True)
        versions[module] = found.stdout.strip() or None
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=BENCH, capture_output=True, text=True).stdout.strip()
    return dict(cpu=cpu, threads=threads, kernel=platform.release(), python=platform.python_version(), versions=versions,
                commit=commit, time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), load=os.getloadavg()[0])


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="gpu: CUDA device 0, and --bench is bilevel_bench_gpu")
    parser.add_argument("--bench", default=BENCH.parent / "build" / "bench" / "bench" / "bilevel_bench", help="the program bilevel_bench")
    parser.add_argument("--filter", default="", help="only workloads whose name contains this")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="least length of a timed block")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", default="jax,torch", help="comma-separated; empty: floors only")
    parser.add_argument("--all", action="store_true", help="screen every formulation of the peers, not only the best few")
    parser.add_argument("--output", help="JSON file; default bench/results/<machine>.json when nothing is filtered and the device is the CPU")
    return parser.parse_args()


def main():
    arguments = parse()
    gpu = arguments.device == "gpu"
    if not gpu:
        cpus = sorted(os.sched_getaffinity(0))[:arguments.threads]
        os.sched_setaffinity(0, cpus)  # inherited: no program uses more than the others
    about = machine(arguments.threads)
    rows = []
    with tempfile.TemporaryDirectory(prefix="bilevel-bench-") as scratch:
        directory = Path(scratch)
        # A cache of compiled code would hide the first call.
        env = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads), TORCHINDUCTOR_CACHE_DIR=str(directory / "inductor"))
        ours = Program("bilevel", [str(arguments.bench), "--serve"] + ([] if gpu else ["--threads", str(arguments.threads)]))
        worker = [sys.executable, str(BENCH / "peers" / "worker.py")]
        extra = ["--threads", str(arguments.threads), "--device", arguments.device] + (["--all"] if arguments.all else [])
        if gpu:
            about["gpu"] = ours.ask("gpu")
        peers = [Program(p, [*worker, p, *extra], env) for p in arguments.peers.split(",") if p]
        where = about["gpu"]["name"] if gpu else f"{about['cpu']}, {arguments.threads} threads"
        print(f"{where}, fp32; {about['versions']}\n\n{HEADER}", flush=True)
        for name in table(arguments):
            if arguments.filter in name:
                rows.append(compare(name, ours, peers, arguments, directory, env))
                print(text(rows[-1]), flush=True)
        start = None if gpu else start_row(ours)
        for program in [ours, *peers]:
            program.close()
    for row in rows:
        print("; ".join([row["name"]] + [f"{k}: {p['formulation']}" for k, p in row["programs"].items() if "formulation" in p]))
    name = re.sub(r"[^a-z0-9]+", "-", about["cpu"].lower()).strip("-") + f"-{arguments.threads}-threads.json"
    output = arguments.output or (None if arguments.filter or gpu else BENCH / "results" / name)
    if output:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(json.dumps(dict(machine=about, start=start, rows=rows), indent=1) + "\n")
        print(f"\nwritten: {output}")


if __name__ == "__main__":
    main()
