# SPDX-License-Identifier: Apache-2.0
"""Compares the counters of tests/profile.cu with values worked out by hand."""
import json
import sys

data = json.load(open(sys.argv[1]))
kernels = {k["demangled"].split("(")[0]: k for k in data["kernels"]}
failed = 0


def check(kernel, path, want):
    global failed
    v = kernels[kernel]
    for p in path.split("/"):
        v = v[p]
    if abs(v - want) > 1e-6 * max(1, abs(want)):
        failed += 1
        print(f"{kernel} {path}: {v}, expected {want}")


check("coalesced", "global_load/sectors_per_request", 4)
check("coalesced", "global_load/unique_bytes", 4096)
check("coalesced", "global_store/bytes", 4096)
check("coalesced", "warp_instructions_by_class/fp32_fma", 32)
check("coalesced", "thread_instructions_by_class/load_global", 1024)
check("coalesced", "average_active_lanes", 32)
check("strided", "global_load/sectors_per_request", 32)
check("strided", "global_load/unique_bytes", 1024 * 32)
check("conflicts", "shared_store/wavefronts", 2)
check("conflicts", "shared_store/conflict_factor", 2)
check("conflicts", "shared_load/wavefronts", 32)
check("conflicts", "barriers_per_block", 1)
check("vec4", "global_load/sectors_per_request", 16)
check("vec4", "global_load/requests", 1)
if kernels["spill"]["local_bytes"] < 32 * 4 * 49:
    failed += 1
    print("spill: local traffic", kernels["spill"]["local_bytes"])
if not any(l["file"].endswith("profile.cu") and l["line"] > 0 for l in data.get("lines", [])):
    failed += 1
    print("no source lines in the hot spots")
sys.exit(failed != 0)
