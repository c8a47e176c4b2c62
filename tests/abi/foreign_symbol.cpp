// SPDX-License-Identifier: Apache-2.0
//
// What the symbol check of kernel objects must reject: a member of a standard template is emitted as a weak symbol outside the
// level's namespace, and it allocates. Compiled, never linked.
#include <vector>

namespace bilevel {
namespace BLV_ISA_NAMESPACE {
double sum_of_copy(const double *values, long n) {
  std::vector<double> copy;
  for (long i = 0; i < n; ++i) copy.push_back(values[i]);
  double sum = 0;
  for (double value : copy) sum += value;
  return sum;
}
}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
