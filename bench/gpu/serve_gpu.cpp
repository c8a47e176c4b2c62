// SPDX-License-Identifier: Apache-2.0
//
// `run` times an execute until the host knows that it is done, as the peers' times are taken.
#include "serve_gpu.h"

#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

#include "json.h"

namespace bench {
namespace {

class Server {
 public:
  Server(const Arguments &arguments, Gpu *gpu) : arguments_(arguments), gpu_(gpu) {}

  std::string answer(const std::string &command, const std::string &argument) {
    if (command == "setup") return setup(argument);
    if (command == "floors") return floors();
    if (command == "gpu") return gpu_->describe();
    if (run_ == nullptr) throw std::runtime_error(command + " before setup");
    if (command == "run") return times(std::stod(argument));
    if (command == "dump") return dump(argument);
    throw std::runtime_error("unknown command '" + command + "'");
  }

 private:
  std::string setup(const std::string &name) {
    run_.reset();
    problem_.reset();
    for (const Request &request : arguments_.requests) {
      if (request.name() != name) continue;
      problem_ = request.make();
      PlanOptions options = arguments_.plan;
      if (request.split_tf32) options.flags |= BLV_SPLIT_TF32;
      const auto start = std::chrono::steady_clock::now();
      run_ = std::make_unique<DeviceRun>(*problem_, options, *gpu_);
      run_->enqueue();
      run_->finish();
      const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
      JsonObject json;
      json.number("first_ms", gpu_->emulated() ? std::nan("") : ms);  // with the arrays' way to the device
      json.number("plan_ms", gpu_->emulated() ? std::nan("") : run_->plan_ms());
      json.number("flops", problem_->flops);
      json.number("bytes", problem_->bytes);
      json.number("workspace_bytes", static_cast<double>(run_->workspace_bytes()));
      json.raw("plan", run_->describe());
      return json.finish();
    }
    throw std::runtime_error("no workload '" + name + "'");
  }

  std::string floors() {
    if (!measured_) ceilings_ = gpu_->measure_ceilings();
    measured_ = true;
    JsonObject json;
    json.number("flops", gpu_->emulated() ? std::nan("") : ceilings_.f32);
    json.number("bandwidth", gpu_->emulated() ? std::nan("") : ceilings_.read);
    return json.finish();
  }

  std::string times(double seconds) {
    const std::vector<double> ms = wall_block(run_.get(), gpu_->emulated() ? 0 : seconds, *gpu_);
    std::ostringstream out;
    out.precision(9);
    if (!gpu_->emulated())
      for (size_t i = 0; i < ms.size(); ++i) out << (i ? ", " : "") << ms[i];
    return "{\"ms\": [" + out.str() + "]}";
  }

  std::string dump(const std::string &path) {
    run_->enqueue();
    const std::vector<double> result = run_->finish();
    const std::vector<float> narrow(result.begin(), result.end());
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char *>(narrow.data()), static_cast<std::streamsize>(narrow.size() * 4));
    if (!file.flush()) throw std::runtime_error("cannot write '" + path + "'");
    return "{}";
  }

  const Arguments &arguments_;
  Gpu *gpu_;
  std::unique_ptr<Problem> problem_;
  std::unique_ptr<DeviceRun> run_;
  Ceilings ceilings_;
  bool measured_ = false;
};

}  // namespace

int serve(const Arguments &arguments, Gpu *gpu) {
  Server server(arguments, gpu);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, argument;
    words >> command >> std::ws;
    std::getline(words, argument);
    if (command == "quit") break;
    std::cout << server.answer(command, argument) << std::endl;
  }
  return 0;
}

}  // namespace bench
