// SPDX-License-Identifier: Apache-2.0
//
// Main program of the device tests: it makes CUDA device 0 the machine of the harness. Without a device nothing is skipped: the
// program fails. A run that skips all its tests fails too, since it has shown nothing.
#include <bilevel/bilevel.h>

#include "device_machine.h"

namespace harness {

DeviceMachine &device_machine() {
  static DeviceMachine device;
  return device;
}

}  // namespace harness

int main(int argc, char **argv) {
  harness::machine() = &harness::device_machine();
  testing::InitGoogleTest(&argc, argv);
  if (!testing::GTEST_FLAG(list_tests) && !harness::device_machine().stream()) {
    std::fprintf(stderr, "no CUDA device: %s %s\n", blv_context_error(nullptr),
                 harness::cuda_error(cudaGetLastError()).c_str());
    return 1;
  }
  const int result = RUN_ALL_TESTS();
  const testing::UnitTest &all = *testing::UnitTest::GetInstance();
  if (!testing::GTEST_FLAG(list_tests) && all.successful_test_count() == 0) {
    std::fprintf(stderr, "no test passed: %d skipped, %d failed\n", all.skipped_test_count(), all.failed_test_count());
    return 1;
  }
  return result;
}
