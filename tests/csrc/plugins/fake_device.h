// SPDX-License-Identifier: Apache-2.0
//
// A plugin without CUDA: two devices that compute nothing, whose memory is two arrays and whose streams are two numbers. A test gets
// at its FakeDevices by the symbol fake_devices. No header of the host side is needed, so that tests of the C++ layer may use it too.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>

namespace bilevel {

constexpr int64_t fake_bytes = 1 << 16;

struct FakeDevices {
  int entries = 0, opens = 0, plans = 0, enqueues = 0;  // calls
  // What the next call of that function answers, with the message "made to fail".
  blv_status next_plan = BLV_OK, next_where = BLV_OK, next_enqueue = BLV_OK;
  int64_t memory_bytes = int64_t{1} << 40;  // of a device that is opened
  // A plan takes 100 bytes of workspace for each step that is kept with its tape, 60 without; a grid takes half as much.
  bool weighs_storage = false;
  void *streams[2] = {};  // those that live; of device 0 and 1
  // The last enqueue.
  struct {
    int64_t tasks = 0, slots = 0;
    void *data[40] = {};
    void *workspace = nullptr, *stream = nullptr;
    blv_task_info *info = nullptr;
  } last;
  alignas(4096) char memory[2][fake_bytes] = {};
  alignas(4096) char managed[fake_bytes] = {}, pinned[fake_bytes] = {};
};

using FakeDevicesEntry = FakeDevices *(*)();

}  // namespace bilevel
