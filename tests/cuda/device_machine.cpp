// SPDX-License-Identifier: Apache-2.0
//
// Device memory with guard zones, and copies to and from it on the machine's stream.
#include "device_machine.h"

#include <bilevel/bilevel.h>

#include <algorithm>
#include <cstring>

namespace harness {

// An allocation begins at a multiple of 256 bytes. A workspace that asks for more gets slack to choose from.
DeviceArray::DeviceArray(int64_t bytes, int64_t align, Placement placement) : bytes_(bytes) {
  const int64_t slack = align > kZone ? 2 * align : placement.even ? 0 : align;
  const int64_t back = placement.tight && align <= kZone && bytes > 0 ? 0 : kZone;
  const cudaError_t e = cudaMalloc(&all_, static_cast<size_t>(kZone + slack + bytes + back));
  if (e != cudaSuccess) {
    all_ = nullptr;
    ADD_FAILURE() << "cudaMalloc of " << bytes << " bytes: " << cuda_error(e);
    return;
  }
  const int64_t base = static_cast<int64_t>(reinterpret_cast<uintptr_t>(all_));
  front_ = align > kZone ? (base + kZone + align - 1) / align * align - base : kZone + slack;
  total_ = front_ + bytes + back;
  poison();
}

cudaError_t DeviceArray::write(const void *host, cudaStream_t stream) const {
  return cudaMemcpyAsync(data(), host, static_cast<size_t>(bytes_), cudaMemcpyHostToDevice, stream);
}

cudaError_t DeviceArray::read(void *host, cudaStream_t stream) const {
  return cudaMemcpyAsync(host, data(), static_cast<size_t>(bytes_), cudaMemcpyDeviceToHost, stream);
}

void DeviceArray::poison() const {
  cudaError_t e = cudaMemset(all_, kPattern, static_cast<size_t>(total_));
  if (e == cudaSuccess) e = cudaStreamSynchronize(nullptr);  // other streams do not wait for this one
  if (e != cudaSuccess) ADD_FAILURE() << "cudaMemset: " << cuda_error(e);
}

bool DeviceArray::pattern(int64_t begin, int64_t length) const {
  std::vector<unsigned char> host(static_cast<size_t>(length));
  const void *from = static_cast<char *>(all_) + begin;
  if (length && cudaMemcpy(host.data(), from, host.size(), cudaMemcpyDeviceToHost) != cudaSuccess) return false;
  return std::all_of(host.begin(), host.end(), [](unsigned char c) { return c == kPattern; });
}

// The plugin first: the emulated device is as new as the newest kernels of the process.
DeviceMachine::DeviceMachine(int ordinal) : ordinal_(ordinal) {
  blv_context_options o = {};
  o.size = sizeof o;
  o.device = ordinal;
  blv_context context = nullptr;
  if (blv_context_create(&o, &context) != BLV_OK) return;
  blv_context_destroy(context);
  if (cudaGetDeviceProperties(&properties_, ordinal) != cudaSuccess) return;
  if (cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking) != cudaSuccess) stream_ = nullptr;
  executors_ = {BLV_WARP_PER_TASK, BLV_BLOCK_PER_TASK, BLV_GRID};
  if (clusters()) executors_.insert(executors_.begin() + 2, BLV_CLUSTER_PER_TASK);
}

DeviceMachine::~DeviceMachine() {
  if (stream_) cudaStreamDestroy(stream_);
}

// Places alternate, from one array and one execute to the next: no result may depend on them.
void *DeviceMachine::put(void *host, int64_t bytes, int64_t align) {
  const unsigned k = count_++ % 7;
  auto array = std::make_unique<DeviceArray>(bytes, align, Placement{.even = k % 2 == 0, .tight = k % 3 == 0});
  const cudaError_t e = bytes ? array->write(host, stream_) : cudaSuccess;
  if (e != cudaSuccess) ADD_FAILURE() << "copy to the device: " << cuda_error(e);
  copies_.push_back({std::move(array), host});
  return copies_.back().there->data();
}

std::string DeviceMachine::take_back() {
  std::vector<Copy> copies;
  copies.swap(copies_);
  std::string wrong;
  for (const Copy &c : copies) {
    if (c.there->bytes() && wrong.empty()) wrong = cuda_error(c.there->read(c.host, stream_));
  }
  if (wrong.empty()) wrong = cuda_error(cudaStreamSynchronize(stream_));
  for (size_t i = 0; i < copies.size() && wrong.empty(); i++) {
    if (!copies[i].there->zones_intact()) wrong = "device array " + std::to_string(i) + " was left";
  }
  return wrong;
}

bool emulated() { return std::string(device_machine().properties().name).find("ptxemu") != std::string::npos; }

}  // namespace harness
