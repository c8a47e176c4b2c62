// SPDX-License-Identifier: Apache-2.0
//
// The description of a plan: one JSON object, with a writer that knows the few things it needs.
#include <string>

#include "csrc/methods/method.h"
#include "csrc/methods/optimiser.h"
#include "csrc/methods/solver.h"
#include "csrc/plan/plan.h"
#include "csrc/plan/storage.h"
#include "csrc/spec/model.h"
#include "csrc/support/names.h"
#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

class JsonObject {
 public:
  void member(const char *name, const char *value) {
    begin(name).append("\"");
    for (; *value != '\0'; ++value) append_escaped(*value);
    text_.append("\"");
  }
  void member(const char *name, int64_t value) { begin(name).append(std::to_string(value)); }
  void strings(const char *name, const std::vector<std::string> &values) {
    begin(name).append("[");
    for (size_t i = 0; i < values.size(); ++i) text_.append(i ? ", \"" : "\"").append(values[i]).append("\"");
    text_.append("]");
  }
  std::string finish() const { return text_ + "}"; }

 private:
  // The name of a device comes from its driver and may hold anything.
  void append_escaped(char c) {
    if (c == '"' || c == '\\') text_ += '\\';
    text_ += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  std::string &begin(const char *name) {
    text_.append(text_.size() > 1 ? ", \"" : "\"").append(name).append("\": ");
    return text_;
  }
  std::string text_ = "{";
};

std::vector<std::string> slots_with_use(const blv_plan_s &plan, int32_t use) {
  std::vector<std::string> names;
  for (const blv_slot &slot : plan.slots)
    if (slot.use == use)
      names.push_back(std::string(plain_name_of(side_names, slot.side)) + "." + plain_name_of(leaf_names, slot.leaf));
  return names;
}

void describe_steps(const Problem &problem, JsonObject *json) {
  json->member("optimiser", find_optimiser(problem.optimiser)->plain);
  json->member("steps", problem.steps);
  json->member("batch_rows", problem.batch_rows);
}

void describe_solver(const Problem &problem, JsonObject *json) {
  if (const Solver *solver = find_solver(problem.solver)) json->member("solver", solver->plain);
}

void describe_store(const Problem &problem, JsonObject *json) {
  json->member("store", store_of(problem));
  json->member("tape", static_cast<int64_t>(problem.reverse && problem.storage.tape));
  json->member("segment_steps", problem.reverse ? problem.storage.segment_steps : 0);
}

void describe_sizes(const blv_plan_s &plan, JsonObject *json) {
  json->member("workspace_bytes", plan.sizes.workspace_bytes);
  json->member("state_bytes", plan.sizes.state_bytes);
  json->member("task_bytes", plan.sizes.task_bytes);
  json->member("scratch_bytes", plan.sizes.scratch_bytes);
  json->member("flops", plan.flops);
  json->member("bytes", plan.bytes);
}

void describe_cpu(const blv_plan_s &plan, JsonObject *json) {
  json->member("device", "cpu");
  json->member("isa", plain_name_of(isa_names, plan.isa));
  json->member("lanes", plan.sizes.lanes);
  json->member("executor", plain_name_of(executor_names, plan.problem.executor));
  json->member("threads", plan.problem.threads);
}

void describe_device(const DevicePlan &plan, JsonObject *json) {
  const DeviceFacts &device = plan.device;
  json->member("device", format("cuda:%d", device.ordinal).c_str());
  json->member("device_name", device.name);
  json->member("compute_capability", format("%d.%d", device.major, device.minor).c_str());
  json->member("executor", plain_name_of(executor_names, plan.executor));
  json->member("kernel", plan.name);
  json->member("reason", plan.reason);
  json->member("block_threads", plan.threads);
  json->member("cluster_blocks", plan.cluster);
  json->member("batches", plan.batches);
  json->member("shared_bytes", plan.shared_bytes);
  json->member("slab_bytes", plan.slab_bytes);
}

}  // namespace

std::string describe(const blv_plan_s &plan) {
  const Problem &problem = plan.problem;
  const Method &method = *find_method(problem.kind);
  JsonObject json;
  json.member("version", format("%d.%d.%d", BLV_VERSION_MAJOR, BLV_VERSION_MINOR, BLV_VERSION_PATCH).c_str());
  json.member("method", method.plain);
  json.member("dtype", plain_name_of(dtype_names, problem.dtype));
  if (plan.device)
    describe_device(*plan.device, &json);
  else
    describe_cpu(plan, &json);
  json.member("tasks", problem.tasks);
  json.member("model", find_model(problem.network.model).plain);
  json.member("layers", problem.network.n_layers);
  json.member("parameters", problem.network.parameters);
  json.member("rows", problem.inner.rows);
  if (method.planes != nullptr) json.member(method.planes, problem.planes);
  if (method.has_steps) describe_steps(problem, &json);
  describe_solver(problem, &json);
  if (method.has_reverse) describe_store(problem, &json);
  json.member("chunk_rows", plan.sizes.chunk_rows);
  json.member("block_rows", plan.sizes.block_rows);
  describe_sizes(plan, &json);
  json.strings("gradients", slots_with_use(plan, BLV_GRADIENT));
  json.strings("results", slots_with_use(plan, BLV_RESULT));
  json.strings("program", list_program(plan.program));
  return json.finish();
}

}  // namespace bilevel
