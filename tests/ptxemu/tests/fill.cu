// SPDX-License-Identifier: Apache-2.0
//
// Memory that nothing was written to reads as NaN, in either precision, or as PTXEMU_FILL says (argument: that byte).
#include <cmath>
#include <cstring>
#include "check.h"
__global__ void read(unsigned *out) {
  extern __shared__ unsigned dynamic[];
  __shared__ volatile unsigned fixed[2];
  out[0] = fixed[0];
  out[1] = fixed[1];
  out[2] = dynamic[0];
  out[3] = dynamic[1];
  dynamic[0] = dynamic[1] = 0;
}
int main(int argc, char **argv) {
  const bool number = argc > 1;
  const unsigned expected = number ? 0x01010101u * (unsigned)strtol(argv[1], nullptr, 16) : 0xFFFFFFFFu;
  unsigned *fresh, *out, h[6];
  OK(cudaMalloc(&fresh, 8));
  OK(cudaMalloc(&out, 16));
  read<<<2, 1, 8>>>(out);  // the second block has the memory of the first
  OK(cudaMemcpy(h, out, 16, cudaMemcpyDefault));
  OK(cudaMemcpy(h + 4, fresh, 8, cudaMemcpyDefault));
  for (unsigned v : h) CHECK(v == expected);
  for (int k = 0; k < 6; k += 2) {
    float f;
    double d;
    memcpy(&f, h + k, 4);
    memcpy(&d, h + k, 8);
    CHECK(number || (std::isnan(f) && std::isnan(d)));
  }
  RESULT();
}
