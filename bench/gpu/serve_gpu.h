// SPDX-License-Identifier: Apache-2.0
//
// The line protocol of bench/serve.h on a GPU, for bench/compare.py --device gpu.
#ifndef BENCH_GPU_SERVE_GPU_H
#define BENCH_GPU_SERVE_GPU_H
#include "arguments.h"
#include "gpu.h"

namespace bench {

// Answers each line on stdin (`setup NAME`, `run SECONDS`, `dump FILE`, `floors`, `gpu`, `quit`) with a line of JSON on stdout. NAME is
// one of the workloads of `arguments`. In the emulator `run` answers with no times.
int serve(const Arguments &arguments, Gpu *gpu);

}  // namespace bench
#endif
