# SPDX-License-Identifier: Apache-2.0
"""Compares bounds of predict.py with values worked out by hand, and the counts of mma in a profile of tests/misc.cu.

    check_predict.py profile-of-misc.json
"""
import copy
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import predict  # noqa: E402

failed = 0


def check(what, value, want):
    global failed
    if not abs(value - want) <= 1e-9 * abs(want):
        failed += 1
        print(f"{what}: {value}, expected {want}")


def kernel(blocks, threads, **counts):
    """A record as the profile has it, in which only these classes were executed."""
    memory = dict(requests=0, bytes=0, sectors=0, lines_128B=0, unique_bytes=0, wavefronts=0)
    classes = dict.fromkeys(["move", "param", "fp32_fma", "fp32_add", "fp32_mul", "fp32_other", "fp32_div_sqrt", "fp64",
                             "fp64_div_sqrt", "int", "int64", "int_div", "special", "convert", "shuffle", "mma",
                             "mma_f64"], 0)
    classes.update(counts)
    return dict(launches=1, grid=[blocks, 1, 1], block=[threads, 1, 1], static_shared_bytes=0, dynamic_shared_bytes=0,
                local_bytes=0, warp_instructions_by_class=classes,
                **{x: copy.copy(memory) for x in ("global_load", "global_store", "shared_load", "shared_store")})


h100, a100 = predict.GPUS["H100"], predict.GPUS["A100"]
# One block of four warps per multiprocessor: each of its schedulers begins a quarter of the products.
products = 132 * 4 * 1000
tf32 = predict.bound(kernel(132, 128, mma=products), h100, 32)
check("H100 tf32", tf32["seconds"], 1000 * h100["mma_tf32"] / 1.755e9)
check("H100 tf32 is bound by the tensor cores", tf32["unit"] == "tensor", True)
check("H100 tf32 issue", tf32["times"]["issue"], 1000 / 1.755e9)
check("H100 f64", predict.bound(kernel(132, 128, mma_f64=products), h100, 32)["seconds"], 1000 * 8 / 1.755e9)
check("A100 tf32", predict.bound(kernel(108, 128, mma=108 * 4 * 1000), a100, 32)["seconds"], 1000 * 8 / 1.41e9)
check("A100 f64", predict.bound(kernel(108, 128, mma_f64=108 * 4 * 1000), a100, 32)["seconds"], 1000 * 16 / 1.41e9)
# Half as many warps use half of the tensor cores.
check("two warps", predict.bound(kernel(132, 64, mma=products), h100, 32)["seconds"], 2000 * h100["mma_tf32"] / 1.755e9)
# What else a kernel does can be the limit: 128 fp32 lanes take a warp's FFMA in a quarter of a clock.
mixed = predict.bound(kernel(132, 128, mma=products, fp32_fma=20 * products), h100, 32)
check("FFMA above tf32", mixed["times"]["fp32"], 20 * 1000 / 1.755e9)
check("its tensor time", mixed["times"]["tensor"], tf32["seconds"])
# A profile without the class mma_f64 is one without such products.
old = kernel(132, 128, mma=products)
del old["warp_instructions_by_class"]["mma_f64"]
check("profile without mma_f64", predict.bound(old, h100, 32)["seconds"], tf32["seconds"])
# The assumed rates lie between the peak and half of it.
peak_flops = {"A100": (156e12, 19.5e12), "H100": (494.7e12, 66.9e12), "H200": (494.7e12, 66.9e12)}
for name, (tf32_flops, f64_flops) in peak_flops.items():
    gpu = predict.GPUS[name]
    clocks = gpu["sms"] * predict.SCHEDULERS * gpu["ghz"] * 1e9
    for shape, flops, peak in (("tf32", 2 * 16 * 8 * 8, tf32_flops), ("f64", 2 * 8 * 8 * 4, f64_flops)):
        share = clocks / gpu["mma_" + shape] * flops / peak
        check(f"{name} {shape} is {share:.2f} of its peak", 0.5 <= share <= 1.01, True)

counted = [k["warp_instructions_by_class"] for k in json.load(open(sys.argv[1]))["kernels"]
           if k["demangled"].startswith("mma_raw(")]
check("launches of mma_raw", len(counted), 1)
check("its tf32 products", counted[0]["mma"], 1)
check("its f64 products", counted[0]["mma_f64"], 4)
sys.exit(failed != 0)
