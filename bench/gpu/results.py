# SPDX-License-Identifier: Apache-2.0
"""Puts together what scripts/gpu-check found on a GPU: one JSON file <gpu>-<commit>.json in the folder of results, with the predicted
bounds beside the measured times, and one line at the end of the table docs/gpu-results.md.

What the emulator gave is marked, holds no times, and is refused for bench/results and docs."""
import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Columns of the table with times: workload, what its microseconds are divided by, format.
COLUMNS = [("sine-T5-4096", 4.096, "{:.1f}"), ("sine-T5-4096-split-tf32", 4.096, "{:.1f}"), ("hvp-1000000x1000-K1", 1, "{:.0f}"),
           ("hvp-1000000x1000-K4", 1, "{:.0f}"), ("cleaning-5000x784x10-T100", 1, "{:.0f}"), ("hpo-500x20-T100-4096", 1, "{:.0f}")]


def read(path):
    return json.loads(Path(path).read_text()) if path and Path(path).exists() else None


def slug(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def measured(row):
    """The median with a cold cache, or a warm one where no other was taken; None without times."""
    times = row.get("times") or {}
    found = times.get("cold") or times.get("warm")
    return found and found["median_us"]


def add_bounds(rows, bounds, gpu):
    """bound_us, bound_unit and the measured time over the bound, where this GPU and workload have one."""
    for row in rows:
        for bound in (bounds or {}).get("bounds", []):
            if bound["workload"] != row["name"] or bound["gpu"].lower() not in gpu.lower() or row["dtype"] != "f32":
                continue
            row["bound_us"], row["bound_unit"] = bound["bound_us"], bound["unit"]
            if measured(row):
                row["measured_over_bound"] = measured(row) / bound["bound_us"]


def passed(steps, kind):
    of = [s for s in steps if s["kind"] == kind and s["status"] != "left out"]
    return "-" if not of else "pass" if all(s["status"] == "ok" for s in of) else "FAIL"


def cell(row, divisor, form):
    if row is None:
        return "-"
    if "refused" in row:
        return "refused"
    time_us, bound = measured(row), row.get("bound_us")
    text = form.format(time_us / divisor) if time_us else "-"
    return text + (f" ({form.format(bound / divisor)})" if bound else "")


def ratios(peers):
    """The fastest peer's time over ours, least and most over the workloads."""
    found = [row["ratio"] for row in (peers or {}).get("rows", []) if "ratio" in row]
    return f"{min(found):.1f} to {max(found):.1f}" if found else "-"


def line(report, file):
    gpu = report["gpu"]
    smi = gpu.get("nvidia_smi") or {}
    clock = (report["ceilings"] or {}).get("sm_mhz")
    about = f"{gpu['name']}, driver {smi.get('driver_version', gpu['cuda_driver'])}" + (f", {clock:.0f} MHz" if clock else "")
    rows = {row["name"]: row for row in report["rows"]}
    cells = [report["time"][:10], report["commit"], about, passed(report["steps"], "tests"), passed(report["steps"], "sanitizer")]
    cells += [cell(rows.get(name), divisor, form) for name, divisor, form in COLUMNS]
    return "| " + " | ".join([*cells, ratios(report["peers"]), file]) + " |\n"


def commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty", "--exclude", "*"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def write(report, folder, table):
    folder, table = Path(folder), Path(table)
    if report["emulated"] and any(p.resolve().is_relative_to(ROOT / where) for p in (folder, table) for where in ("bench", "docs")):
        raise SystemExit("results.py: what the emulator gave is no result of a GPU: not into bench or docs")
    path = folder / f"{slug(report['gpu']['name'])}-{report['commit']}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    with open(table, "a") as file:
        file.write(line(report, path.name))
    return path


def steps_of(path):
    """Lines `kind<TAB>status<TAB>seconds<TAB>name`."""
    fields = [text.split("\t") for text in Path(path).read_text().splitlines()] if path else []
    return [dict(kind=kind, status=status, seconds=int(seconds), name=name) for kind, status, seconds, name in fields]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="report of bilevel_bench_gpu")
    parser.add_argument("--executors", nargs="*", default=[], help="reports with executors by name")
    parser.add_argument("--peers", help="report of bench/compare.py --device gpu")
    parser.add_argument("--bounds", help="kernel-report.json")
    parser.add_argument("--steps", help="how the steps ended")
    parser.add_argument("--folder", default=ROOT / "bench" / "results")
    parser.add_argument("--table", default=ROOT / "docs" / "gpu-results.md")
    a = parser.parse_args()
    bench = read(a.bench)
    if bench is None:
        raise SystemExit(f"results.py: there is no {a.bench}: nothing was measured")
    report = dict(commit=commit(), time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), emulated=bench["gpu"]["emulated"],
                  gpu=bench["gpu"], ceilings=bench["ceilings"], steps=steps_of(a.steps), rows=bench["rows"],
                  executors=[row for path in a.executors for row in (read(path) or {"rows": []})["rows"]], peers=read(a.peers))
    add_bounds(report["rows"], read(a.bounds), report["gpu"]["name"])
    path = write(report, a.folder, a.table)
    for row in report["rows"]:
        if "measured_over_bound" in row:
            print(f"{row['name']}: {measured(row):.2f} us, {row['measured_over_bound']:.2f} x its bound ({row['bound_unit']})")
    print(f"written: {path}; a line added to {a.table}")


if __name__ == "__main__":
    sys.exit(main())
