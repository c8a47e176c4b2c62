# SPDX-License-Identifier: Apache-2.0
"""docs/kernel-report.md as text."""
import json

from . import budget as budgets_of
from .predictor import occupancy, predict
from .remarks import REMARKS
from .sass import mix_text
from .workloads import SLICE, cleaning, fp32_rate

HEAD = """# Kernel report

Every bound below is computed from counts, and nothing in this report was measured on a GPU. An emulator (tests/ptxemu) executed the
kernels' PTX on a CPU and counted instructions and memory traffic; tests/ptxemu/predict.py turned the counts into the least time that
each unit of a GPU needs for them, all units at their peak rates and without latencies. Registers, shared memory and instructions are
those of the machine code that ptxas made.

Written by `scripts/kernel-report`; not edited by hand.
"""


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join(["---"] * len(heads)) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]) + "\n"


def code(text):
    return "`" + text + "`"


def duration(seconds, workload):
    if workload.unit:
        return f"{seconds / workload.size * 1e9:,.1f} ns a {workload.unit}"
    return f"{seconds * 1e3:,.3f} ms"


def floors(workload, gpu):
    return (workload.flops / fp32_rate(gpu), workload.bytes / predict.GPUS[gpu]["dram"],
            workload.l2_bytes / predict.GPUS[gpu]["l2"])


def bounds_section(results):
    """results: [(workload, {gpu: Bound})] of the workloads with a target."""
    rows, missed = [], []
    for workload, bounds in results:
        h100 = bounds["H100"]
        reached = h100.seconds <= workload.target
        rows.append([workload.title, " / ".join(duration(f, workload) if f else "-" for f in floors(workload, "H100")),
                     duration(h100.seconds, workload), h100.unit, h100.second,
                     f"{duration(workload.target, workload)} ({workload.target_text})",
                     "reached" if reached else f"missed, {h100.seconds / workload.target:.2f} x"])
        if not reached:
            missed.append(f"- {workload.title}: {REMARKS.get(workload.name, 'no reason found yet.')}")
    text = "## Bounds against targets, H100\n\n"
    text += table(["workload", "floor: flops / bytes / L2 bytes", "bound", "limited by", "next", "target", ""], rows)
    text += ("\nFloors: multiply-adds of the matrix products that are needed over the FP32 rate, bytes that must be read or written once over"
             " DRAM's rate, and, where what a step reads is too large to stay nearer, those bytes over the rate of L2. A bound is the sum over a"
             " workload's launches; `limited by` is of the largest one, `next` its second unit and how near that one comes.\n")
    if missed:
        text += "\nWhy targets are missed:\n\n" + "\n".join(missed) + "\n"
    gpus = list(results[0][1])
    rows = [[w.title] + [x for g in gpus for x in (duration(b[g].seconds, w), b[g].unit,
                                                   f"{b[g].seconds / max(floors(w, g)):.2f}")] for w, b in results]
    text += "\n## Bounds by GPU\n\n" + table(["workload"] + [h for g in gpus for h in (g, "limited by", "over floor")], rows)
    return text + "\n`over floor`: the bound over the largest of the floors on that GPU.\n"


def use_of_sectors(memory):
    return f"{memory['bytes'] / (memory['sectors'] * 32):.2f}" if memory["sectors"] else "-"


def sectors(memory):
    """Sectors per request, and the bytes that its lanes ask for in sectors: less if lanes read the same, else the ideal."""
    if not memory["requests"]:
        return "-"
    return f"{memory['sectors'] / memory['requests']:.2f} ({memory['bytes'] / 32 / memory['requests']:.2f})"


def conflicts(memory):
    return f"{memory['wavefronts'] / memory['wavefronts_ideal']:.2f}" if memory.get("wavefronts_ideal") else "-"


def counts_section(title, results, names, intro):
    rows = []
    for workload, bounds in results:
        for record, one in bounds["H100"].launches:
            kernel = names[record["name"]]
            warps = one["blocks_per_sm"] * -(-(record["block"][0] * record["block"][1] * record["block"][2]) // 32)
            rows.append([workload.title, code(f"{kernel.name} {kernel.level}".strip()), record["block"][0],
                         (record["static_shared_bytes"] + record["dynamic_shared_bytes"] + 1023) // 1024,
                         f"{min(warps, 64)} ({one['limited_by']})", f"{record['thread_instructions'] / max(1, record['warp_instructions']):.1f}",
                         sectors(record["global_load"]), sectors(record["global_store"]), conflicts(record["shared_load"]),
                         conflicts(record["shared_store"]), f"{one['seconds'] * 1e6:,.1f}", one["unit"]])
    return f"## {title}\n\n{intro}\n\n" + table(
        ["workload", "kernel", "threads", "KiB shared", "warps per SM (limit)", "active lanes", "sectors per load (its bytes / 32)",
         "per store (bytes / 32)", "conflicts, loads", "stores", "bound, us", "limited by"], rows)


def kernels_section(kernels, budgets):
    rows = []
    for k in kernels:
        budget = budgets_of.find(budgets, k)
        warps, limit = occupancy(k)
        rows.append([code(k.name), k.level or "-", f"sm_{k.arch}", k.registers, k.stack, k.local_arrays, k.spill, k.shared, k.threads,
                     f"{warps} ({limit})", "-" if budget is None else
                     f"{budget.registers} / {budget.spill} / {budget.shared} / {budget.warps}"])
    return ("## Registers, stack, shared memory, occupancy\n\n"
            "Bytes of stack are per thread. `spill`: the stack beyond the arrays that the program itself has in local memory, so registers"
            " that were spilled or saved across calls. `warps`: resident on a multiprocessor with blocks as large as declared and no dynamic"
            " shared memory; with it, see the tables of counts. Budgets stand beside the code and are checked:"
            " registers / spill / shared / warps.\n\n"
            + table(["kernel", "level", "code", "registers", "stack", "of it arrays", "spill", "shared", "threads", "warps (limit)", "budget"], rows))


def sass_section(kernels, hot):
    rows = [[code(k.name), k.level or "-", f"sm_{k.arch}", hot[k.symbol, k.arch][0],
             mix_text(hot[k.symbol, k.arch][1]) if hot[k.symbol, k.arch][1] else "no loop multiplies and adds"] for k in kernels]
    return ("## Instructions of the hot loop\n\n"
            "From the text of nvdisasm. A loop is what lies between a backward branch and its target; an instruction belongs to the innermost loop"
            " around it. The hot loop is the one with the most multiply-adds of its own, an HMMA as 32 FFMA, a loop inside another taken to run"
            " twice as often: a guess, since how often a loop runs is not in the text. `instructions`: of the whole kernel.\n\n"
            + table(["kernel", "level", "code", "instructions", "hot loop"], rows))


def assumptions_section():
    rows = [[name, g["sms"], g["ghz"], f"{fp32_rate(name) / 1e12:.1f}", f"{g['dram'] / 1e12:.2f}", f"{g['l2'] / 1e12:.1f}",
             f"{g['mma_tf32']:g}", f"{g['mma_f64']:g}"] for name, g in predict.GPUS.items()]
    return ("## What is assumed\n\n"
            + table(["GPU", "multiprocessors", "GHz", "FP32 TFLOP/s", "DRAM TB/s", "L2 TB/s", "clocks per tf32 m16n8k8",
                     "clocks per f64 m8n8k4"], rows) + f"""
- Clocks, FP32 and DRAM rates are data sheets'. The rate of L2 is an assumption: 65 % of 5,120 bytes a clock. `l2` takes every sector that a
  kernel asks for as one that passes L2, as if nothing hit in L1.
- The clocks between two `mma.sync` of one scheduler are an assumption: the peak is one tf32 m16n8k8 in 4 clocks on H100 and in 8 on A100; on
  H100 only wgmma reaches it, and published microbenchmarks see `mma.sync` at 63 % of it (arXiv:2402.13499).
- Counts are of PTX. ptxas fuses some of it, so issue and integer figures may be too high; nothing is known of how well latencies are hidden.
- A workload with many tasks or rows is counted on a slice of {SLICE} multiprocessors with their share of tasks or rows, DRAM and L2, and
  the bound is the slice's. Second stages, which add up what blocks found, are taken to run on all multiprocessors, though they have
  fewer sums to add in a slice. `{cleaning().title}` is counted on all multiprocessors with two and with three steps, and continued in a
  straight line.
- Counts for A100 are of the compute_80 PTX on a device of compute capability 8.0, those for H100 and H200 of compute_90 PTX.
""")


def bounds_json(results, commit):
    """The bounds of the workloads for other programs."""
    bounds = [{"workload": w.name, "gpu": gpu, "bound_us": round(b.seconds * 1e6, 3), "unit": b.unit, "second": b.second}
              for w, by_gpu in results for gpu, b in by_gpu.items()]
    note = "computed from counts in an emulator; not measured on a GPU"
    return json.dumps({"note": note, "commit": commit, "bounds": bounds}, indent=1) + "\n"
