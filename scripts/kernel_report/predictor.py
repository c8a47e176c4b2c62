# SPDX-License-Identifier: Apache-2.0
"""tests/ptxemu/predict.py as a module, and what it says of a kernel without a launch: resident warps."""
import os
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "ptxemu"))
import predict  # noqa: E402

# The GPU that stands for an architecture. What matters here of sm_100 is as on sm_90: registers, warps, 228 KiB.
GPU_OF_ARCH = {80: "A100", 90: "H100", 100: "H100"}


def occupancy(kernel):
    """(resident warps of a multiprocessor, what limits them) with blocks as large as declared, without dynamic shared memory."""
    gpu = predict.GPUS[GPU_OF_ARCH.get(kernel.arch, "H100")]
    launch = dict(block=[kernel.threads, 1, 1], static_shared_bytes=kernel.shared, dynamic_shared_bytes=0)
    blocks, limit, warps = predict.occupancy(launch, gpu, kernel.registers)
    return blocks * warps, limit
