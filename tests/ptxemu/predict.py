#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""First-order time bound per kernel from a ptxemu profile.

    predict.py profile.json [--resources ptxas.txt] [--gpu H100|H200|A100|all] [--mma-clocks N] [--json out.json]

The resource file is the output of `ptxas -v` (nvcc -Xptxas -v) or `cuobjdump --dump-resource-usage`; it gives
the registers per thread, which limit occupancy. Without it 32 registers are assumed and the report says so.

The result is a BOUND built from instruction and traffic counts, NOT A MEASUREMENT: every unit is taken to
run at its peak rate, and latencies, dependencies and cache misses beyond compulsory traffic are left out. It is
"first order" also in the other direction: ptxas may fuse PTX instructions (three-input logic, multiply-add, address
offsets), so that the integer and issue figures can be too high. Use it to see which resource limits a kernel and
how two versions compare, and never report it as a time.
"""
import argparse
import json
import math
import re
import sys

# Peak rates per SM and clock; clock in GHz (boost), DRAM in bytes/s. Public data sheets and the CUDA C++
# Programming Guide, "Arithmetic Instructions".
#
# mma_tf32, mma_f64: clocks between two warp-wide m16n8k8 tf32 and m8n8k4 f64 products on one scheduler's tensor core. An
# ASSUMPTION, not a figure of a data sheet. At peak (dense TF32 495 TFLOP/s on H100, 156 on A100; FP64 67 and 19.5) they
# would be 4 and 8 on H100, 8 and 16 on A100. On Hopper only wgmma reaches the TF32 peak: published microbenchmarks see
# mma.sync at 63 % of it (Luo et al., arXiv:2402.13499), which makes 6.4. A100 and FP64 have no other instruction: peak.
#
# l2: bytes/s that sectors pass the L2 cache, as if no load hit in L1. An ASSUMPTION too: 65 % of 5,120 bytes a clock, about what
# published microbenchmarks see.
GPUS = {
    "H100": dict(sms=132, ghz=1.755, dram=3.35e12, smem_sm=228, fp32=128, fp64=64, integer=64, sfu=16, mma_tf32=6.4,
                 mma_f64=8, l2=5.8e12),
    "H200": dict(sms=132, ghz=1.755, dram=4.80e12, smem_sm=228, fp32=128, fp64=64, integer=64, sfu=16, mma_tf32=6.4,
                 mma_f64=8, l2=5.8e12),
    "A100": dict(sms=108, ghz=1.410, dram=2.00e12, smem_sm=164, fp32=64, fp64=32, integer=64, sfu=16, mma_tf32=8,
                 mma_f64=16, l2=4.7e12),
}
SCHEDULERS = 4  # one warp instruction per clock each
L1_BYTES = 128  # global loads and stores: one 128-byte line per clock and SM
LAUNCH_US = 2.0  # not part of the bound; printed as a reminder for tiny kernels

# Issue slots one PTX instruction costs after ptxas, roughly. Moves and parameter loads mostly vanish.
SLOTS = {
    "move": 0, "param": 0, "fp32_div_sqrt": 9, "fp64_div_sqrt": 14, "int64": 2, "int_div": 20, "special": 2,
    "convert": 1,
}
FP32_PIPE = {"fp32_fma": 1, "fp32_add": 1, "fp32_mul": 1, "fp32_other": 1, "fp32_div_sqrt": 8}
FP64_PIPE = {"fp64": 1, "fp64_div_sqrt": 12}
INT_PIPE = {"int": 1, "int64": 2, "int_div": 18}
SFU_PIPE = {"special": 1, "fp32_div_sqrt": 1, "convert": 1, "fp64_div_sqrt": 1}


def read_registers(path):
    """Registers per thread by mangled kernel name."""
    regs, current = {}, None
    if not path:
        return regs
    for line in open(path, errors="replace"):
        m = re.search(r"Compiling entry function '([^']+)'|Function properties for (\S+)|Function (\S+?):", line)
        if m:
            current = next(g for g in m.groups() if g)
        m = re.search(r"Used (\d+) registers|REG:(\d+)", line)
        if m and current:
            regs[current] = int(m.group(1) or m.group(2))
    return regs


def occupancy(k, gpu, regs):
    """Resident blocks per SM and what limits them."""
    threads = k["block"][0] * k["block"][1] * k["block"][2]
    warps = math.ceil(threads / 32)
    smem = k["static_shared_bytes"] + k["dynamic_shared_bytes"] + 1024
    limits = {
        "threads": 64 // warps,
        "blocks": 32,
        "shared": gpu["smem_sm"] * 1024 // (math.ceil(smem / 128) * 128),
        "registers": 65536 // (math.ceil(regs * 32 / 256) * 256 * warps),
    }
    what = min(limits, key=limits.get)
    return limits[what], what, warps


def bound(k, gpu, regs):
    c, n = k["warp_instructions_by_class"], max(1, k["launches"])
    sms, hz = gpu["sms"], gpu["ghz"] * 1e9
    per_sm, limiter, warps = occupancy(k, gpu, regs)
    blocks = k["grid"][0] * k["grid"][1] * k["grid"][2]
    if per_sm == 0:
        return None
    # Wave quantisation: the busiest SM executes ceil(blocks / SMs) blocks' worth of work.
    busiest = math.ceil(blocks / sms)
    waves = blocks / (sms * per_sm)
    share = busiest / blocks / n  # of all counted work, on the busiest SM in one launch
    # Fewer resident warps than schedulers leave issue slots empty.
    schedulers = min(SCHEDULERS, warps * min(per_sm, busiest))
    pipe = lambda weights, lanes: sum(c[x] * w for x, w in weights.items()) * 32 / lanes
    ld, st, sl, ss = k["global_load"], k["global_store"], k["shared_load"], k["shared_store"]
    cycles = {
        "issue": sum(v * SLOTS.get(x, 1) for x, v in c.items()) / schedulers,
        "fp32": pipe(FP32_PIPE, gpu["fp32"]),
        "fp64": pipe(FP64_PIPE, gpu["fp64"]),
        "int": pipe(INT_PIPE, gpu["integer"]),
        "sfu": pipe(SFU_PIPE, gpu["sfu"]),
        "tensor": (c["mma"] * gpu["mma_tf32"] + c.get("mma_f64", 0) * gpu["mma_f64"]) / schedulers,
        "shared": sl["wavefronts"] + ss["wavefronts"] + c["shuffle"],
        "l1": ld["lines_128B"] + st["lines_128B"] + k["local_bytes"] / L1_BYTES,
    }
    times = {u: v * share / hz for u, v in cycles.items()}
    dram_bytes = (ld["unique_bytes"] + st["unique_bytes"]) / n
    times["dram"] = dram_bytes / gpu["dram"]
    times["l2"] = (ld["sectors"] + st["sectors"]) * 32 / n / gpu["l2"]
    unit = max(times, key=times.get)
    return dict(seconds=times[unit], unit=unit, times=times, blocks_per_sm=per_sm, limited_by=limiter, waves=waves,
                dram_bytes=dram_bytes, occupancy=min(per_sm * warps, 64) / 64)


def mma_assumption(gpu):
    """The assumed rate of matrix products, for the reader of a bound."""
    return (f"assumed: a scheduler begins a tf32 m16n8k8 mma.sync every {gpu['mma_tf32']:g} clocks, "
            f"an f64 m8n8k4 every {gpu['mma_f64']:g}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("profile")
    ap.add_argument("--resources", help="text of ptxas -v or cuobjdump --dump-resource-usage")
    ap.add_argument("--gpu", default="all", choices=list(GPUS) + ["all"])
    ap.add_argument("--mma-clocks", type=float, metavar="N",
                    help="clocks between two tf32 m16n8k8 mma.sync of a scheduler, instead of the assumed ones")
    ap.add_argument("--json", help="also write the result to this file")
    a = ap.parse_args()
    data = json.load(open(a.profile))
    registers = read_registers(a.resources)
    if a.mma_clocks:
        for gpu in GPUS.values():
            gpu["mma_tf32"] = a.mma_clocks
    uses_mma = any(k["warp_instructions_by_class"][x] for k in data["kernels"] for x in ("mma", "mma_f64")
                   if x in k["warp_instructions_by_class"])
    out = []
    print("First-order bound on the time per launch from counted instructions and traffic; NOT a measurement.")
    print("DRAM traffic is taken as the unique bytes of each launch (cold cache, perfect reuse).\n")
    for name in GPUS if a.gpu == "all" else [a.gpu]:
        print(f"{name}: {'bound us':>10}  limit   {'2nd':<14} {'occ':>5} {'blk/SM':>6} {'waves':>7}  regs  kernel")
        total = 0.0
        for k in data["kernels"]:
            regs = registers.get(k["name"])
            r = bound(k, GPUS[name], regs or 32)
            label = k["demangled"].split("(")[0] + f" <<<{tuple(k['grid'])},{tuple(k['block'])}>>> x{k['launches']}"
            if r is None:
                print(f"{'':6}{'-':>10}  does not fit on {name}: {label}")
                continue
            second = sorted(r["times"].items(), key=lambda t: -t[1])[1]
            print(f"{'':6}{r['seconds'] * 1e6:10.3f}  {r['unit']:<7} {second[0]:<6}{second[1] * 1e6:8.3f} "
                  f"{r['occupancy'] * 100:4.0f}% {r['blocks_per_sm']:6d} {r['waves']:7.2f}  "
                  f"{regs if regs else '32?':>4}  {label}")
            total += r["seconds"] * k["launches"]
            out.append(dict(gpu=name, name=k["name"], launches=k["launches"], registers=regs, **r))
        print(f"{'':6}{total * 1e6:10.3f}  sum over all launches; each launch also costs about {LAUNCH_US:g} us "
              f"when not overlapped")
        print(f"{'':6}{mma_assumption(GPUS[name])}\n" if uses_mma else "")
    if not registers:
        print("No resource file: 32 registers per thread assumed; give --resources for real occupancy.")
    if a.json:
        json.dump(out, open(a.json, "w"), indent=1)


if __name__ == "__main__":
    sys.exit(main())
