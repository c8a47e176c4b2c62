// SPDX-License-Identifier: Apache-2.0
//
// What this machine can do at best, measured: the denominators of every "share of the floor".
#ifndef BENCH_FLOORS_H
#define BENCH_FLOORS_H

namespace bench {

// fp32 operations per second of all `threads` threads at once: independent multiply-adds in registers, widest ISA level present.
double peak_flops(int threads);
// Bytes per second of all `threads` threads at once, each reading several streams of memory that no cache holds.
double read_bandwidth(int threads);

}  // namespace bench
#endif
