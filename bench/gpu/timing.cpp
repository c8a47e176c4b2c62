// SPDX-License-Identifier: Apache-2.0
//
// A repetition is: flush of the L2 cache (if cold), a delay, event, execute, event. The delay lets the host run ahead, so that the
// events enclose no time in which the GPU waits for the host. All repetitions are enqueued before the first event is read.
#include "timing.h"

#include <algorithm>
#include <chrono>
#include <functional>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// An execute as a graph that is launched again and again.
class Graph {
 public:
  Graph(DeviceRun *run, cudaStream_t stream) : stream_(stream) {
    check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    cudaGraph_t graph = nullptr;
    try {
      run->enqueue();
    } catch (...) {
      cudaStreamEndCapture(stream, &graph);
      cudaGraphDestroy(graph);
      throw;
    }
    check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
    const cudaError_t error = cudaGraphInstantiate(&executable_, graph, 0);
    cudaGraphDestroy(graph);
    check_cuda(error, "cudaGraphInstantiate");
  }
  ~Graph() {
    cudaStreamSynchronize(stream_);
    cudaGraphExecDestroy(executable_);
  }
  Graph(const Graph &) = delete;
  Graph &operator=(const Graph &) = delete;
  void launch() const { check_cuda(cudaGraphLaunch(executable_, stream_), "cudaGraphLaunch"); }

 private:
  cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
};

struct Repetition {
  std::function<void()> submit;
  bool cold;
};

Samples sample(const std::string &name, const Repetition &repetition, const TimingOptions &options, double host_us,
               Gpu *gpu) {
  const auto repeat = [&](int count) {
    std::vector<Event> begin(static_cast<size_t>(count)), end(static_cast<size_t>(count));
    for (size_t i = 0; i < begin.size(); ++i) {
      if (repetition.cold) gpu->flush_l2();
      gpu->delay(2 * host_us + 10);
      begin[i].record(gpu->stream());
      repetition.submit();
      end[i].record(gpu->stream());
    }
    gpu->synchronize();
    Samples s{name, {}};
    for (size_t i = 0; i < begin.size(); ++i) s.us.push_back(end[i].since(begin[i]));
    std::sort(s.us.begin(), s.us.end());
    return s;
  };
  const double estimate = std::max(repeat(gpu->emulated() ? 1 : 3).median(), 1.0);
  if (gpu->emulated()) return {name, {}};
  const double count = std::clamp(1e6 * options.seconds / estimate, double(options.least), double(options.most));
  return repeat(static_cast<int>(count));
}

// Median time of the host in one submit, with nothing else to do.
double host_time(const std::function<void()> &submit, const Gpu &gpu) {
  std::vector<double> us;
  for (int i = 0; i < (gpu.emulated() ? 1 : 20); ++i) {
    const Clock::time_point start = Clock::now();
    submit();
    us.push_back(us_since(start));
    gpu.synchronize();
  }
  return median_of(us);
}

}  // namespace

double Samples::quantile(double q) const {
  return us.empty() ? 0 : us[std::min(us.size() - 1, static_cast<size_t>(q * static_cast<double>(us.size())))];
}

Timing time_execute(DeviceRun *run, const TimingOptions &options, Gpu *gpu) {
  Timing timing;
  const std::function<void()> execute = [run] { run->enqueue(); };
  timing.enqueue_us = host_time(execute, *gpu);
  timing.empty_us = sample("empty", {[] {}, false}, {0, 100, 100, true, true, false}, 0, gpu).median();
  const auto both = [&](const std::string &suffix, const std::function<void()> &submit, double host_us) {
    if (options.warm) timing.samples.push_back(sample("warm" + suffix, {submit, false}, options, host_us, gpu));
    if (options.cold) timing.samples.push_back(sample("cold" + suffix, {submit, true}, options, host_us, gpu));
  };
  both("", execute, timing.enqueue_us);
  if (options.graph) {
    const Graph graph(run, gpu->stream());
    const std::function<void()> launch = [&graph] { graph.launch(); };
    both("_graph", launch, host_time(launch, *gpu));
  }
  Samples wall{"wall", wall_block(run, gpu->emulated() ? 0 : options.seconds, *gpu)};
  for (double &ms : wall.us) ms *= 1e3;
  std::sort(wall.us.begin(), wall.us.end());
  if (gpu->emulated()) wall.us.clear();
  timing.samples.push_back(wall);
  return timing;
}

std::vector<double> wall_block(DeviceRun *run, double seconds, const Gpu &gpu) {
  std::vector<double> ms;
  const Clock::time_point begin = Clock::now();
  const int least = gpu.emulated() ? 2 : 4;
  for (int i = 0; i < least || us_since(begin) < 1e6 * seconds; ++i) {
    const Clock::time_point start = Clock::now();
    run->enqueue();
    gpu.synchronize();
    if (i > 0) ms.push_back(1e-3 * us_since(start));
  }
  return ms;
}

}  // namespace bench
