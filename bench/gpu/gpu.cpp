// SPDX-License-Identifier: Apache-2.0
//
// Facts and ceilings of the GPU. A ceiling is the best of several launches of some milliseconds: a floor must not be beaten.
#include "gpu.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "json.h"

namespace bench {
namespace {

constexpr double kCeilingUs = 3000;  // length of one launch that measures a ceiling
constexpr int kCeilingLaunches = 8;

int attribute(cudaDeviceAttr name, int ordinal) {
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, name, ordinal), "cudaDeviceGetAttribute");
  return value;
}

// What nvidia-smi prints for these fields of this GPU, as a JSON object; "null" if there is no nvidia-smi or it fails.
std::string nvidia_smi(const cudaDeviceProp &p, const std::string &fields) {
  char command[512];
  std::snprintf(command, sizeof command,
                "nvidia-smi --query-gpu=%s --format=csv,noheader,nounits -i %08x:%02x:%02x.0 2>/dev/null",
                fields.c_str(), static_cast<unsigned>(p.pciDomainID), static_cast<unsigned>(p.pciBusID),
                static_cast<unsigned>(p.pciDeviceID));
  std::FILE *pipe = popen(command, "r");
  if (pipe == nullptr) return "null";
  std::string line;
  std::array<char, 512> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) line += part.data();
  if (pclose(pipe) != 0 || line.empty()) return "null";
  std::istringstream names(fields), values(line.substr(0, line.find('\n')));
  JsonObject json;
  for (std::string name, value; std::getline(names, name, ',') && std::getline(values >> std::ws, value, ',');)
    json.text(name, value);
  return json.finish();
}

}  // namespace

Gpu::Gpu(int ordinal) : ordinal_(ordinal) {
  check_cuda(cudaSetDevice(ordinal), "cudaSetDevice");
  check_cuda(cudaGetDeviceProperties(&properties_, ordinal), "cudaGetDeviceProperties");
  emulated_ = std::strncmp(properties_.name, "ptxemu", 6) == 0;
  nominal_mhz_ = attribute(cudaDevAttrClockRate, ordinal) / 1e3;
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  sink_ = std::make_unique<DeviceMemory>(16);
}

Gpu::~Gpu() {
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

void Gpu::flush_l2() {
  if (flush_ == nullptr) {
    flush_ = std::make_unique<DeviceMemory>(2 * l2_bytes() / 16 * 16);
    check_cuda(cudaMemsetAsync(flush_->data(), 0x5A, static_cast<size_t>(flush_->bytes()), stream_), "cudaMemset");
  }
  check_cuda(launch_read(flush_->data(), flush_->bytes(), sink_->data(), 8 * properties_.multiProcessorCount, stream_),
             "flush of the L2 cache");
}

void Gpu::delay(double microseconds) const {
  if (!emulated_) check_cuda(launch_delay(static_cast<int64_t>(microseconds * nominal_mhz_), stream_), "delay");
}

// In the emulator a few turns run, so that the kernels are executed, and the rate is 0.
double Gpu::arithmetic_rate(Arithmetic kind, double *sm_mhz) {
  const int blocks = (emulated_ ? 1 : 4) * properties_.multiProcessorCount;
  const Event begin, end;
  long long *cycles = static_cast<long long *>(sink_->data()) + 1;
  const auto run = [&](int turns) {
    begin.record(stream_);
    check_cuda(launch_arithmetic(kind, turns, sink_->data(), cycles, blocks, stream_), "arithmetic");
    end.record(stream_);
    synchronize();
    return end.since(begin);
  };
  int turns = 2;
  run(turns);
  if (emulated_) return 0;
  for (double us = 0; us < kCeilingUs / 4 && turns < 1 << 26;) us = run(turns *= 2);
  double best = 0;
  for (int i = 0; i < kCeilingLaunches; ++i) {
    const double us = run(turns);
    const double rate = operations_per_turn(kind) * turns * kArithmeticThreads * blocks / (1e-6 * us);
    if (rate <= best) continue;
    best = rate;
    long long count = 0;
    check_cuda(cudaMemcpyAsync(&count, cycles, sizeof count, cudaMemcpyDeviceToHost, stream_), "cudaMemcpy");
    synchronize();
    *sm_mhz = static_cast<double>(count) / us;
  }
  return best;
}

double Gpu::read_rate() {
  size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  const int64_t wanted = emulated_ ? int64_t{1} << 16 : std::max<int64_t>(int64_t{1} << 30, 20 * l2_bytes());
  const DeviceMemory buffer(std::min(wanted, static_cast<int64_t>(free / 2)) / 16 * 16);
  check_cuda(cudaMemsetAsync(buffer.data(), 0x5A, static_cast<size_t>(buffer.bytes()), stream_), "cudaMemset");
  const Event begin, end;
  double best = 0;
  for (int i = 0; i < kCeilingLaunches; ++i) {
    begin.record(stream_);
    check_cuda(launch_read(buffer.data(), buffer.bytes(), sink_->data(),
                           (emulated_ ? 1 : 4 << i % 3) * properties_.multiProcessorCount, stream_),
               "read");
    end.record(stream_);
    synchronize();
    if (emulated_) return 0;
    best = std::max(best, static_cast<double>(buffer.bytes()) / (1e-6 * end.since(begin)));
  }
  return best;
}

Ceilings Gpu::measure_ceilings() {
  Ceilings c;
  double other_mhz = 0;
  c.f32 = arithmetic_rate(Arithmetic::kF32, &c.sm_mhz);
  c.f64 = arithmetic_rate(Arithmetic::kF64, &other_mhz);
  c.tf32 = arithmetic_rate(Arithmetic::kTf32, &other_mhz);
  c.read = read_rate();
  return c;
}

std::string Gpu::describe() const {
  int driver = 0, runtime = 0;
  check_cuda(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check_cuda(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  JsonObject json;
  json.text("name", properties_.name);
  json.boolean("emulated", emulated_);
  json.text("compute_capability", std::to_string(properties_.major) + "." + std::to_string(properties_.minor));
  json.number("multiprocessors", properties_.multiProcessorCount);
  json.number("memory_bytes", static_cast<double>(properties_.totalGlobalMem));
  json.number("l2_bytes", static_cast<double>(l2_bytes()));
  json.number("nominal_sm_mhz", nominal_mhz_);
  json.number("nominal_memory_mhz", attribute(cudaDevAttrMemoryClockRate, ordinal_) / 1e3);
  json.number("cuda_driver", driver);
  json.number("cuda_runtime", runtime);
  json.raw("nvidia_smi", emulated_ ? "null"
                                   : nvidia_smi(properties_,
                                                "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,"
                                                "clocks.max.mem,power.limit,ecc.mode.current"));
  return json.finish();
}

std::string Gpu::clocks() const {
  return emulated_ ? "null" : nvidia_smi(properties_, "clocks.sm,clocks.mem,temperature.gpu,power.draw");
}

}  // namespace bench
