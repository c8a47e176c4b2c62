// SPDX-License-Identifier: Apache-2.0
//
// One table over everything in a spec that can be wrong: each row spoils a good spec in one place and says which status and which
// words the refusal must have. The plan handle is then NULL.
#include "bad_call.h"

namespace {

using namespace harness;

struct Row {
  const char *name;
  int base;  // BLV_EVALUATE, ...; 0: an unroll with class indices and minibatches; -1: the same in forward mode
  void (*spoil)(Editable &);
  blv_status status;
  const char *words;
};

constexpr int kIndices = 0, kAny = BLV_UNROLL, kEvaluate = BLV_EVALUATE, kHvp = BLV_HVP;
constexpr int kForward = BLV_FORWARD, kImplicit = BLV_IMPLICIT, kForwardIndices = -1;

Case base_case(int base) {
  if (base == BLV_EVALUATE) return evaluate_case(BLV_SQUARED, BLV_TANH);
  if (base == BLV_HVP) return hvp_case(BLV_SQUARED, BLV_TANH, 2);
  if (base == BLV_UNROLL) return unroll_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL);
  if (base == BLV_FORWARD) return forward_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL, 2);
  if (base == BLV_IMPLICIT) return implicit_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL, 0.5);
  Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, BLV_F64, {.labels = BLV_I32}, {.labels = BLV_I64});
  c.batch_rows = 3;
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
  return base == kForwardIndices ? as_forward(c, 2) : c;
}

const Row kTable[] = {
    // The spec itself.
    {"size 0", kAny, [](Editable &e) { e.spec.size = 0; }, BLV_VERSION_MISMATCH, "spec|size|0"},
    {"size of an older struct", kAny, [](Editable &e) { e.spec.size -= 8; }, BLV_VERSION_MISMATCH, "spec|size"},
    {"size of a newer struct", kAny, [](Editable &e) { e.spec.size += 8; }, BLV_VERSION_MISMATCH, "spec|size"},
    {"dtype", kAny, [](Editable &e) { e.spec.dtype = BLV_I32; }, BLV_INVALID, "dtype|3"},
    {"dtype 0", kAny, [](Editable &e) { e.spec.dtype = 0; }, BLV_INVALID, "dtype|0"},
    {"max_threads", kAny, [](Editable &e) { e.spec.max_threads = -3; }, BLV_INVALID, "max_threads|-3"},
    {"tasks", kAny, [](Editable &e) { e.spec.tasks = -1; }, BLV_INVALID, "tasks|-1"},
    {"inner NULL", kAny, [](Editable &e) { e.spec.inner = nullptr; }, BLV_INVALID, "inner|NULL"},
    {"outer NULL", kAny, [](Editable &e) { e.spec.outer = nullptr; }, BLV_INVALID, "outer"},
    {"outer of an evaluate", kEvaluate, [](Editable &e) { e.spec.outer = &e.outer; }, BLV_INVALID, "outer"},
    {"method NULL", kAny, [](Editable &e) { e.spec.method = nullptr; }, BLV_INVALID, "method|NULL"},
    {"n_slots", kAny, [](Editable &e) { e.spec.n_slots = -2; }, BLV_INVALID, "n_slots|-2"},
    {"slots NULL", kAny, [](Editable &e) { e.spec.slots = nullptr; }, BLV_INVALID, "slots|NULL"},
    {"workspace_limit", kAny, [](Editable &e) { e.spec.workspace_limit = -5; }, BLV_INVALID, "workspace_limit|-5"},
    {"workspace_limit of 1", kAny, [](Editable &e) { e.spec.workspace_limit = 1; }, BLV_TOO_SMALL, "workspace_limit|1"},
    {"executor", kAny, [](Editable &e) { e.spec.executor = 4; }, BLV_INVALID, "executor|4"},
    {"flags", kAny, [](Editable &e) { e.spec.flags = 8; }, BLV_INVALID, "flags|8"},
    // Objectives.
    {"objective size", kAny, [](Editable &e) { e.inner.size = 12; }, BLV_VERSION_MISMATCH, "inner|size|12"},
    {"newer objective", kAny, [](Editable &e) { e.outer.size += 16; }, BLV_VERSION_MISMATCH, "outer|size"},
    {"model", kAny, [](Editable &e) { e.inner.model = 99; }, BLV_INVALID, "inner|model|99|BLV_NETWORK (1)"},
    {"loss", kAny, [](Editable &e) { e.outer.loss = 99; }, BLV_INVALID, "outer|loss|99"},
    {"activation", kAny, [](Editable &e) { e.inner.activation = 0; }, BLV_INVALID, "activation|0"},
    {"objective flags", kAny, [](Editable &e) { e.inner.flags = 2; }, BLV_INVALID, "inner|flags|2"},
    {"rows", kAny, [](Editable &e) { e.inner.rows = -7; }, BLV_INVALID, "rows|-7"},
    {"n_widths", kAny, [](Editable &e) { e.inner.n_widths = 1; }, BLV_INVALID, "n_widths|1"},
    {"widths NULL", kAny, [](Editable &e) { e.inner.widths = nullptr; }, BLV_INVALID, "widths|NULL"},
    {"width 0", kAny, [](Editable &e) { e.widths[1] = 0; }, BLV_INVALID, "widths[1]|0"},
    {"width", kAny, [](Editable &e) { e.widths[2] = -9; }, BLV_INVALID, "widths[2]|-9"},
    {"enormous widths", kAny, [](Editable &e) { e.widths[0] = e.widths[1] = INT64_C(1) << 40; }, BLV_INVALID, "widths"},
    {"overflowing width", kAny, [](Editable &e) { e.widths[0] = INT64_MAX; }, BLV_INVALID, "widths"},
    {"outer widths", kAny, [](Editable &e) { e.outer_widths[1] = 5; }, BLV_INVALID, "outer|widths|5"},
    {"outer n_widths", kAny, [](Editable &e) { e.outer.n_widths = 2; }, BLV_INVALID, "outer|n_widths|2"},
    {"outer activation", kAny, [](Editable &e) { e.outer.activation = BLV_RELU; }, BLV_INVALID, "outer|activation"},
    {"outer flags", kAny, [](Editable &e) { e.outer.flags = BLV_NO_BIAS; }, BLV_INVALID, "outer|flags"},
    {"rows above 2^40", kAny, [](Editable &e) { e.inner.rows = (INT64_C(1) << 40) + 1; }, BLV_INVALID,
     "rows|1099511627777"},
    {"steps above 2^40", kAny, [](Editable &e) { e.unroll.steps = (INT64_C(1) << 40) + 1; }, BLV_INVALID,
     "steps|1099511627777"},
    {"tasks above 2^40", kAny, [](Editable &e) { e.spec.tasks = (INT64_C(1) << 40) + 1; }, BLV_INVALID,
     "tasks|1099511627777"},
    {"n_widths above 1025", kAny, [](Editable &e) { e.inner.n_widths = 1026; }, BLV_INVALID, "n_widths|1026"},
    {"enormous rows", kAny, [](Editable &e) { e.inner.rows = INT64_MAX / 2; }, BLV_INVALID, "rows"},
    {"enormous tasks", kAny, [](Editable &e) { e.spec.tasks = INT64_MAX / 2; }, BLV_INVALID, ""},
    // Methods.
    {"method size", kAny, [](Editable &e) { e.unroll.head.size = sizeof(blv_method); }, BLV_VERSION_MISMATCH, "method|size"},
    {"newer method", kHvp, [](Editable &e) { e.hvp.head.size += 8; }, BLV_VERSION_MISMATCH, "method|size"},
    {"kind", kEvaluate, [](Editable &e) { e.method.kind = 6; }, BLV_INVALID, "kind|6"},
    {"reserved", kEvaluate, [](Editable &e) { e.method.reserved = 1; }, BLV_INVALID, "reserved|1"},
    {"no vectors", kHvp, [](Editable &e) { e.hvp.vectors = 0; }, BLV_INVALID, "vectors|0"},
    {"nine vectors", kHvp, [](Editable &e) { e.hvp.vectors = 9; }, BLV_INVALID, "vectors|9"},
    {"optimiser", kAny, [](Editable &e) { e.unroll.optimiser = 3; }, BLV_INVALID, "optimiser|3"},
    {"store", kAny, [](Editable &e) { e.unroll.store = -1; }, BLV_INVALID, "store|-1"},
    {"steps", kAny, [](Editable &e) { e.unroll.steps = -1; }, BLV_INVALID, "steps|-1"},
    {"batch_rows", kAny, [](Editable &e) { e.unroll.batch_rows = -1; }, BLV_INVALID, "batch_rows|-1"},
    {"no batch slot", kAny, [](Editable &e) { e.unroll.batch_rows = 2; }, BLV_INVALID, "BATCH"},
    {"batch slot without batch_rows", kIndices, [](Editable &e) { e.unroll.batch_rows = 0; }, BLV_INVALID, "BATCH"},
    // One slot.
    {"slot side", kAny, [](Editable &e) { e.slots[0].side = 9; }, BLV_INVALID, "slots[0]|side|9"},
    {"slot leaf", kAny, [](Editable &e) { e.slots[1].leaf = 77; }, BLV_INVALID, "slots[1]|leaf|77"},
    {"slot use", kAny, [](Editable &e) { e.slots[2].use = 5; }, BLV_INVALID, "slots[2]|use|5"},
    {"slot dtype", kAny, [](Editable &e) { e.slots[0].dtype = BLV_F32; }, BLV_INVALID, "slots[0]|dtype"},
    {"slot link", kAny, [](Editable &e) { e.slots[0].link = 4; }, BLV_INVALID, "slots[0]|link|4"},
    {"link of a gradient", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_GRADIENT).link = BLV_EXP; }, BLV_INVALID, "link"},
    {"link of theta_0", kAny, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA0).link = BLV_EXP; }, BLV_INVALID, "link"},
    {"link of indices", kIndices, [](Editable &e) { e.slot(BLV_INNER, BLV_Y).link = BLV_EXP; }, BLV_INVALID, "link"},
    {"no extent", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_PENALTY).extent = 0; }, BLV_INVALID, "extent|0"},
    {"extent of a rate", kAny, [](Editable &e) { e.slot(BLV_METHOD, BLV_RATE).extent = BLV_PER_FEATURE; }, BLV_INVALID, "extent"},
    {"extent of x", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_X).extent = BLV_SCALAR; }, BLV_INVALID, "extent"},
    {"extents differ", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_PENALTY, BLV_GRADIENT).extent = BLV_SCALAR; }, BLV_INVALID, "extent"},
    {"task_stride", kAny, [](Editable &e) { e.slots[0].task_stride = -1; }, BLV_INVALID, "slots[0]|task_stride|-1"},
    {"step_stride", kAny, [](Editable &e) { e.slot(BLV_METHOD, BLV_RATE).step_stride = -2; }, BLV_INVALID, "step_stride|-2"},
    {"row_stride", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_X).row_stride = -3; }, BLV_INVALID, "row_stride|-3"},
    {"row_stride below d, read", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_X).row_stride = 2; }, BLV_INVALID, "row_stride|2"},
    {"row_stride below d", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_GRADIENT).row_stride = 2; }, BLV_INVALID, "row_stride|2"},
    {"tasks overlap", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_GRADIENT).task_stride = 14; }, BLV_INVALID, "task_stride|14"},
    {"stride that is not used", kAny,
     [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA0).row_stride = 1; }, BLV_INVALID, "row_stride|1"},
    {"step stride of x", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_X).step_stride = 15; }, BLV_INVALID,
     "step_stride|15"},
    {"enormous stride", kAny, [](Editable &e) { e.slots[0].task_stride = INT64_MAX; }, BLV_INVALID, "slots[0]"},
    {"shared result", kAny, [](Editable &e) { e.slot(BLV_METHOD, BLV_LOSS, BLV_RESULT).task_stride = 0; }, BLV_INVALID, "task_stride|0"},
    {"shared theta_T", kAny, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA, BLV_RESULT).task_stride = 0; }, BLV_INVALID, "task_stride"},
    {"side of x", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_X).side = BLV_METHOD; }, BLV_INVALID, "side"},
    {"side of a rate", kAny, [](Editable &e) { e.slot(BLV_METHOD, BLV_RATE).side = BLV_INNER; }, BLV_INVALID, "side"},
    {"outer side of an evaluate", kEvaluate, [](Editable &e) { e.slot(BLV_INNER, BLV_X).side = BLV_OUTER; }, BLV_INVALID, "side"},
    {"outer batch", kIndices, [](Editable &e) { e.slot(BLV_INNER, BLV_BATCH).side = BLV_OUTER; }, BLV_INVALID, "side"},
    {"gradient of indices", kIndices, [](Editable &e) {
       blv_slot s = e.slot(BLV_INNER, BLV_Y);
       s.use = BLV_GRADIENT;
       e.add(s);
     }, BLV_INVALID, "slots"},
    {"gradient of a batch", kIndices, [](Editable &e) { e.slot(BLV_INNER, BLV_BATCH).use = BLV_GRADIENT; }, BLV_INVALID, "use"},
    {"value of a loss", kAny, [](Editable &e) { e.slot(BLV_METHOD, BLV_LOSS, BLV_RESULT).use = BLV_VALUE; }, BLV_INVALID, "use"},
    {"floating batch", kIndices, [](Editable &e) { e.slot(BLV_INNER, BLV_BATCH).dtype = BLV_F64; }, BLV_INVALID, "dtype"},
    {"indices of a squared loss", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_Y).dtype = BLV_I32; }, BLV_INVALID, "dtype"},
    // Forward mode.
    {"forward size", kForward, [](Editable &e) { e.forward.head.size -= 8; }, BLV_VERSION_MISMATCH, "method|size|40"},
    {"newer forward", kForward, [](Editable &e) { e.forward.head.size += 8; }, BLV_VERSION_MISMATCH, "method|size|56"},
    {"forward head's reserved", kForward, [](Editable &e) { e.forward.head.reserved = 2; }, BLV_INVALID, "method.reserved|2|0"},
    {"forward optimiser", kForward, [](Editable &e) { e.forward.optimiser = 0; }, BLV_INVALID, "method.optimiser|0|BLV_SGD"},
    {"forward reserved", kForward, [](Editable &e) { e.forward.reserved = 1; }, BLV_INVALID, "method.reserved|1|0"},
    {"forward steps", kForward, [](Editable &e) { e.forward.steps = -1; }, BLV_INVALID, "method.steps|-1"},
    {"forward batch_rows", kForward, [](Editable &e) { e.forward.batch_rows = -4; }, BLV_INVALID, "method.batch_rows|-4"},
    {"forward without a batch", kForward, [](Editable &e) { e.forward.batch_rows = 4; }, BLV_INVALID, "BATCH|batch_rows"},
    {"no tangents", kForward, [](Editable &e) { e.forward.tangents = 0; }, BLV_INVALID, "method.tangents|0|1 to 8"},
    {"nine tangents", kForward, [](Editable &e) { e.forward.tangents = 9; }, BLV_INVALID, "method.tangents|9|1 to 8"},
    {"forward without outer", kForward, [](Editable &e) { e.spec.outer = nullptr; }, BLV_INVALID, "outer|NULL"},
    {"forward without theta_0", kForward, [](Editable &e) { e.remove(BLV_METHOD, BLV_THETA0), e.remove(BLV_METHOD, BLV_THETA0, BLV_TANGENT); },
     BLV_INVALID, "THETA0|BLV_FORWARD"},
    {"forward without a rate", kForward, [](Editable &e) { e.remove(BLV_METHOD, BLV_RATE), e.remove(BLV_METHOD, BLV_RATE, BLV_TANGENT); },
     BLV_INVALID, "RATE|BLV_FORWARD"},
    {"forward without a momentum", kForward, [](Editable &e) { e.remove(BLV_METHOD, BLV_MOMENTUM), e.remove(BLV_METHOD, BLV_MOMENTUM, BLV_TANGENT); },
     BLV_INVALID, "MOMENTUM|BLV_HEAVY_BALL"},
    {"forward's momentum of SGD", kForward, [](Editable &e) { e.forward.optimiser = BLV_SGD; }, BLV_INVALID, "MOMENTUM|BLV_HEAVY_BALL"},
    {"gradient in forward mode", kForward, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_TANGENT).use = BLV_GRADIENT; }, BLV_INVALID, "use|BLV_GRADIENT|BLV_FORWARD|BLV_TANGENT"},
    {"gradient of theta_0 in forward mode", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA0, BLV_TANGENT).use = BLV_GRADIENT; }, BLV_INVALID, "use|BLV_GRADIENT|BLV_TANGENT"},
    {"theta in forward mode", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA0).leaf = BLV_THETA; }, BLV_INVALID, "use|BLV_THETA|BLV_RESULT"},
    {"tangent without value", kForward, [](Editable &e) { e.remove(BLV_INNER, BLV_WEIGHT); }, BLV_INVALID, "BLV_WEIGHT|BLV_TANGENT|BLV_VALUE"},
    {"tangent of the other side", kForward, [](Editable &e) { e.remove(BLV_OUTER, BLV_PENALTY), e.remove(BLV_INNER, BLV_PENALTY, BLV_TANGENT); },
     BLV_INVALID, "BLV_OUTER|BLV_PENALTY|BLV_TANGENT|BLV_VALUE"},
    {"tangent of other extent", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_RATE, BLV_TANGENT).extent = BLV_PER_PARAMETER; }, BLV_INVALID, "extent|3|1"},
    {"tangent of no extent", kForward, [](Editable &e) { e.slot(BLV_INNER, BLV_PENALTY, BLV_TANGENT).extent = BLV_NATURAL; }, BLV_INVALID, "extent|0|BLV_SCALAR"},
    {"link of a tangent", kForward, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_TANGENT).link = BLV_EXP; }, BLV_INVALID, "link|BLV_EXP|BLV_TANGENT"},
    {"dtype of a tangent", kForward, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_TANGENT).dtype = BLV_F32; }, BLV_INVALID, "dtype|BLV_F32|BLV_F64"},
    {"tangent twice", kForward, [](Editable &e) { e.add(e.slot(BLV_INNER, BLV_Y, BLV_TANGENT)); }, BLV_INVALID, "slots|BLV_TANGENT|one slot"},
    {"row_stride of a tangent below d", kForward, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_TANGENT).row_stride = 2; }, BLV_INVALID, "row_stride|2|3"},
    {"row_stride of theta_0's tangent", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA0, BLV_TANGENT).row_stride = 30; }, BLV_INVALID, "row_stride|30|0"},
    {"step_stride of a tangent", kForward, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_TANGENT).step_stride = -1; }, BLV_INVALID, "step_stride|-1"},
    {"task_stride of a tangent", kForward, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_TANGENT).task_stride = -6; }, BLV_INVALID, "task_stride|-6"},
    {"enormous step_stride of a tangent", kForward, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_TANGENT).step_stride = INT64_MAX / 2; }, BLV_INVALID, "step_stride"},
    {"tangent of class indices", kForwardIndices, [](Editable &e) {
       blv_slot s = e.slot(BLV_INNER, BLV_Y);
       s.use = BLV_TANGENT;
       e.add(s);
     }, BLV_INVALID, "slots|dtype"},
    {"dense tangent of class indices", kForwardIndices, [](Editable &e) {
       blv_slot s = e.slot(BLV_INNER, BLV_Y);
       s.use = BLV_TANGENT, s.dtype = BLV_F64;
       e.add(s);
     }, BLV_INVALID, "use|BLV_TANGENT|class indices|dense"},
    {"tangent of a batch", kForwardIndices, [](Editable &e) { e.slot(BLV_INNER, BLV_BATCH).use = BLV_TANGENT; }, BLV_INVALID, "use|BLV_TANGENT|BLV_BATCH|BLV_VALUE"},
    {"loss tangent shared", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_LOSS_TANGENT, BLV_RESULT).task_stride = 0; }, BLV_INVALID, "task_stride|0"},
    {"loss tangents overlap", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_LOSS_TANGENT, BLV_RESULT).task_stride = 1; }, BLV_INVALID, "stride|1|2"},
    {"theta tangents overlap", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA_TANGENT, BLV_RESULT).step_stride = 25; }, BLV_INVALID, "step_stride|25|26"},
    {"value of a loss tangent", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_LOSS_TANGENT, BLV_RESULT).use = BLV_VALUE; }, BLV_INVALID, "use|BLV_LOSS_TANGENT|BLV_RESULT"},
    {"side of a theta tangent", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA_TANGENT, BLV_RESULT).side = BLV_INNER; }, BLV_INVALID, "side|BLV_THETA_TANGENT|BLV_METHOD"},
    {"dtype of a theta tangent", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA_TANGENT, BLV_RESULT).dtype = BLV_F32; }, BLV_INVALID, "dtype|BLV_F64"},
    {"residual in forward mode", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_LOSS, BLV_RESULT).leaf = BLV_RESIDUAL; }, BLV_INVALID, "leaf|BLV_RESIDUAL|BLV_FORWARD"},
    {"vectors in forward mode", kForward, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA0, BLV_TANGENT).leaf = BLV_VECTOR; }, BLV_INVALID, "leaf|BLV_VECTOR|BLV_FORWARD"},
    {"tangent in an unroll", kAny, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_GRADIENT).use = BLV_TANGENT; }, BLV_INVALID, "use|BLV_TANGENT|BLV_UNROLL|BLV_GRADIENT"},
    {"tangent in an evaluate", kEvaluate, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_GRADIENT).use = BLV_TANGENT; }, BLV_INVALID, "use|BLV_TANGENT|BLV_EVALUATE"},
    {"tangent in an HVP", kHvp, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA, BLV_GRADIENT).use = BLV_TANGENT; }, BLV_INVALID, "use|BLV_TANGENT|BLV_HVP"},
    {"tangent in an implicit method", kImplicit, [](Editable &e) { e.slot(BLV_INNER, BLV_X, BLV_GRADIENT).use = BLV_TANGENT; }, BLV_INVALID, "use|BLV_TANGENT|BLV_IMPLICIT"},
    // Implicit differentiation.
    {"implicit size", kImplicit, [](Editable &e) { e.implicit.head.size -= 16; }, BLV_VERSION_MISMATCH, "method|size|64|80"},
    {"newer implicit", kImplicit, [](Editable &e) { e.implicit.head.size += 8; }, BLV_VERSION_MISMATCH, "method|size|88"},
    {"implicit head's reserved", kImplicit, [](Editable &e) { e.implicit.head.reserved = 2; }, BLV_INVALID, "method.reserved|2|0"},
    {"implicit optimiser", kImplicit, [](Editable &e) { e.implicit.optimiser = 9; }, BLV_INVALID, "method.optimiser|9|BLV_SGD"},
    {"solver", kImplicit, [](Editable &e) { e.implicit.solver = 0; }, BLV_INVALID, "method.solver|0|BLV_CG (1)"},
    {"another solver", kImplicit, [](Editable &e) { e.implicit.solver = 5; }, BLV_INVALID, "method.solver|5|BLV_CG (1), BLV_MINRES (2)"},
    {"step of CG", kImplicit, [](Editable &e) { e.implicit.step = 0.5; }, BLV_INVALID, "method.step|0.5|BLV_CG|0"},
    {"series without a step", kImplicit, [](Editable &e) { e.implicit.solver = BLV_NEUMANN; }, BLV_INVALID, "method.step|0|BLV_NEUMANN|> 0"},
    {"series with an infinite step", kImplicit, [](Editable &e) { e.implicit.solver = BLV_NEUMANN, e.implicit.step = HUGE_VAL; }, BLV_INVALID, "method.step|inf|BLV_NEUMANN|finite"},
    {"series with NaN as step", kImplicit, [](Editable &e) { e.implicit.solver = BLV_NEUMANN, e.implicit.step = NAN; }, BLV_INVALID, "method.step|nan|BLV_NEUMANN|finite"},
    {"identity from the last", kImplicit, [](Editable &e) { e.implicit.solver = BLV_IDENTITY, e.implicit.iterations = 0, e.implicit.tolerance = 0, e.implicit.warm_start = 1; }, BLV_INVALID, "method.warm_start|1|BLV_IDENTITY|0"},
    {"identity with iterations", kImplicit, [](Editable &e) { e.implicit.solver = BLV_IDENTITY; }, BLV_INVALID, "method.iterations|BLV_IDENTITY|0"},
    {"contraction of CG", kImplicit, [](Editable &e) { e.slot(BLV_METHOD, BLV_RESIDUAL, BLV_RESULT).leaf = BLV_CONTRACTION; }, BLV_INVALID, "BLV_CONTRACTION|BLV_NEUMANN (3)"},
    {"preconditioner of MINRES", kImplicit, [](Editable &e) { e.implicit.solver = BLV_MINRES, e.add({BLV_METHOD, BLV_PRECONDITIONER, BLV_VALUE, BLV_F64, 0, 0, 0, 0, 0}); }, BLV_INVALID, "BLV_PRECONDITIONER|BLV_CG (1)"},
    {"whole tolerances", kImplicit, [](Editable &e) { e.add({BLV_METHOD, BLV_TOLERANCE, BLV_VALUE, BLV_I32, 0, 0, 1, 0, 0}); }, BLV_INVALID, "dtype|BLV_I32|BLV_TOLERANCE"},
    {"real iterations", kImplicit, [](Editable &e) { e.add({BLV_METHOD, BLV_ITERATIONS, BLV_VALUE, BLV_F32, 0, 0, 1, 0, 0}); }, BLV_INVALID, "dtype|BLV_F32|BLV_ITERATIONS|BLV_I32"},
    {"gradient of a tolerance", kImplicit, [](Editable &e) { e.add({BLV_METHOD, BLV_TOLERANCE, BLV_GRADIENT, BLV_F32, 0, 0, 1, 0, 0}); }, BLV_INVALID, "use|BLV_TOLERANCE|BLV_VALUE"},
    {"tolerance of an unroll", kAny, [](Editable &e) { e.add({BLV_METHOD, BLV_TOLERANCE, BLV_VALUE, BLV_F32, 0, 0, 1, 0, 0}); }, BLV_INVALID, "leaf|BLV_TOLERANCE|BLV_UNROLL"},
    {"implicit steps", kImplicit, [](Editable &e) { e.implicit.steps = -1; }, BLV_INVALID, "method.steps|-1"},
    {"implicit batch_rows", kImplicit, [](Editable &e) { e.implicit.batch_rows = -1; }, BLV_INVALID, "method.batch_rows|-1"},
    {"implicit without a batch", kImplicit, [](Editable &e) { e.implicit.batch_rows = 4; }, BLV_INVALID, "BATCH|batch_rows"},
    {"iterations", kImplicit, [](Editable &e) { e.implicit.iterations = -1; }, BLV_INVALID, "method.iterations|-1|0 to 2147483647"},
    {"too many iterations", kImplicit, [](Editable &e) { e.implicit.iterations = INT64_C(1) << 31; }, BLV_INVALID, "method.iterations|2147483648"},
    {"tolerance", kImplicit, [](Editable &e) { e.implicit.tolerance = -0.5; }, BLV_INVALID, "method.tolerance|-0.5|>= 0"},
    {"tolerance of no iteration", kImplicit, [](Editable &e) { e.implicit.tolerance = 1; }, BLV_INVALID, "method.tolerance|1|< 1"},
    {"tolerance NaN", kImplicit, [](Editable &e) { e.implicit.tolerance = std::nan(""); }, BLV_INVALID, "method.tolerance|nan|finite"},
    {"tolerance infinite", kImplicit, [](Editable &e) { e.implicit.tolerance = HUGE_VAL; }, BLV_INVALID, "method.tolerance|inf|finite"},
    {"damping", kImplicit, [](Editable &e) { e.implicit.damping = -1e-3; }, BLV_INVALID, "method.damping|-0.001|>= 0"},
    {"damping NaN", kImplicit, [](Editable &e) { e.implicit.damping = std::nan(""); }, BLV_INVALID, "method.damping|nan|finite"},
    {"damping infinite", kImplicit, [](Editable &e) { e.implicit.damping = HUGE_VAL; }, BLV_INVALID, "method.damping|inf|finite"},
    {"warm_start", kImplicit, [](Editable &e) { e.implicit.warm_start = 2; }, BLV_INVALID, "method.warm_start|2|0 to 1"},
    {"implicit reserved", kImplicit, [](Editable &e) { e.implicit.reserved = 3; }, BLV_INVALID, "method.reserved|3|0"},
    {"implicit without outer", kImplicit, [](Editable &e) { e.spec.outer = nullptr; }, BLV_INVALID, "outer|NULL"},
    {"implicit without theta_0", kImplicit, [](Editable &e) { e.remove(BLV_METHOD, BLV_THETA0); }, BLV_INVALID, "THETA0|BLV_IMPLICIT"},
    {"implicit without a rate", kImplicit, [](Editable &e) { e.remove(BLV_METHOD, BLV_RATE); }, BLV_INVALID, "RATE|BLV_IMPLICIT"},
    {"implicit without outer x", kImplicit, [](Editable &e) { e.remove(BLV_OUTER, BLV_X), e.remove(BLV_OUTER, BLV_X, BLV_GRADIENT); }, BLV_INVALID, "BLV_OUTER|BLV_X"},
    {"gradient of theta_0 in an implicit method", kImplicit, [](Editable &e) {
       blv_slot s = e.slot(BLV_METHOD, BLV_THETA0);
       s.use = BLV_GRADIENT;
       e.add(s);
     }, BLV_INVALID, "use|BLV_GRADIENT|BLV_THETA0|BLV_VALUE"},
    {"gradient of a rate in an implicit method", kImplicit, [](Editable &e) {
       blv_slot s = e.slot(BLV_METHOD, BLV_RATE);
       s.use = BLV_GRADIENT, s.link = 0;
       e.add(s);
     }, BLV_INVALID, "use|BLV_GRADIENT|BLV_RATE|BLV_VALUE"},
    {"residual shared", kImplicit, [](Editable &e) { e.slot(BLV_METHOD, BLV_RESIDUAL, BLV_RESULT).task_stride = 0; }, BLV_INVALID, "task_stride|0"},
    {"solutions overlap", kImplicit, [](Editable &e) { e.slot(BLV_METHOD, BLV_SOLUTION, BLV_RESULT).task_stride = 25; }, BLV_INVALID, "task_stride|25|26"},
    {"step_stride of a residual", kImplicit, [](Editable &e) { e.slot(BLV_METHOD, BLV_RESIDUAL, BLV_RESULT).step_stride = 3; }, BLV_INVALID, "step_stride|3|0"},
    {"value of a solution", kImplicit, [](Editable &e) { e.slot(BLV_METHOD, BLV_SOLUTION, BLV_RESULT).use = BLV_VALUE; }, BLV_INVALID, "use|BLV_SOLUTION|BLV_RESULT"},
    {"side of a solution", kImplicit, [](Editable &e) { e.slot(BLV_METHOD, BLV_SOLUTION, BLV_RESULT).side = BLV_OUTER; }, BLV_INVALID, "side|BLV_SOLUTION|BLV_METHOD"},
    {"loss tangent of an implicit method", kImplicit, [](Editable &e) { e.slot(BLV_METHOD, BLV_LOSS, BLV_RESULT).leaf = BLV_LOSS_TANGENT; }, BLV_INVALID, "leaf|BLV_LOSS_TANGENT|BLV_IMPLICIT"},
    {"solution of an unroll", kAny, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA, BLV_RESULT).leaf = BLV_SOLUTION; }, BLV_INVALID, "leaf|BLV_SOLUTION|BLV_UNROLL"},
    // Slots together.
    {"a slot twice", kAny, [](Editable &e) { e.add(e.slots[0]); }, BLV_INVALID, "slots"},
    {"inner and both", kAny, [](Editable &e) { e.slot(BLV_OUTER, BLV_WEIGHT).side = BLV_BOTH; }, BLV_INVALID, "slots"},
    {"gradient without value", kAny, [](Editable &e) { e.remove(BLV_INNER, BLV_WEIGHT); }, BLV_INVALID, "slots"},
    {"no x", kAny, [](Editable &e) { e.remove(BLV_INNER, BLV_X), e.remove(BLV_INNER, BLV_X, BLV_GRADIENT); }, BLV_INVALID, "X"},
    {"no outer y", kAny, [](Editable &e) { e.remove(BLV_OUTER, BLV_Y), e.remove(BLV_OUTER, BLV_Y, BLV_GRADIENT); }, BLV_INVALID, "Y"},
    {"no theta_0", kAny, [](Editable &e) { e.remove(BLV_METHOD, BLV_THETA0), e.remove(BLV_METHOD, BLV_THETA0, BLV_GRADIENT); },
     BLV_INVALID, "THETA0"},
    {"no theta", kEvaluate, [](Editable &e) { e.remove(BLV_METHOD, BLV_THETA), e.remove(BLV_METHOD, BLV_THETA, BLV_GRADIENT); },
     BLV_INVALID, "THETA"},
    {"no rate", kAny, [](Editable &e) { e.remove(BLV_METHOD, BLV_RATE), e.remove(BLV_METHOD, BLV_RATE, BLV_GRADIENT); }, BLV_INVALID,
     "RATE"},
    {"no momentum", kAny, [](Editable &e) { e.remove(BLV_METHOD, BLV_MOMENTUM), e.remove(BLV_METHOD, BLV_MOMENTUM, BLV_GRADIENT); },
     BLV_INVALID, "MOMENTUM"},
    {"no vectors slot", kHvp, [](Editable &e) { e.remove(BLV_METHOD, BLV_VECTOR); }, BLV_INVALID, "VECTOR"},
    {"theta_0 of an evaluate", kEvaluate, [](Editable &e) { e.slot(BLV_METHOD, BLV_THETA).leaf = BLV_THETA0; }, BLV_INVALID, "leaf"},
    {"both of different rows", kAny, [](Editable &e) {
       for (int use : {BLV_VALUE, BLV_GRADIENT}) {
         e.remove(BLV_OUTER, BLV_WEIGHT, use);
         e.slot(BLV_INNER, BLV_WEIGHT, use).side = BLV_BOTH;
       }
     }, BLV_INVALID, "rows"},
};

TEST(BadSpec, Table) {
  const Context context;
  for (const Row &row : kTable) {
    SCOPED_TRACE(row.name);
    Editable e(base_case(row.base));
    blv_plan plan = nullptr;
    ASSERT_EQ(blv_plan_create(context.handle, &e.spec, &plan), BLV_OK)
        << "before it is spoilt: " << blv_context_error(context.handle);
    blv_plan_destroy(plan);
    row.spoil(e);
    plan = reinterpret_cast<blv_plan>(&e);
    EXPECT_EQ(blv_plan_create(context.handle, &e.spec, &plan), row.status) << blv_context_error(context.handle);
    EXPECT_EQ(plan, nullptr);
    expect_message(blv_context_error(context.handle), row.words);
  }
}

// A refused spec leaves the context usable, and the message until the next call.
TEST(BadSpec, ContextGoesOn) {
  const Context context;
  EXPECT_STREQ(blv_context_error(context.handle), "");
  Editable e(base_case(kAny));
  const int64_t tasks = e.spec.tasks;
  e.spec.tasks = -1;
  blv_plan plan = nullptr;
  EXPECT_EQ(blv_plan_create(context.handle, &e.spec, &plan), BLV_INVALID);
  e.spec.tasks = tasks;
  EXPECT_EQ(blv_plan_create(context.handle, &e.spec, &plan), BLV_OK);
  blv_plan_destroy(plan);
}

// Without anything that depends on the outer loss, an outer objective is accepted or NULL is: not neither.
TEST(BadSpec, AnImplicitPlanOfThetaAlone) {
  const Context context;
  Case c = base_case(BLV_IMPLICIT);
  for (Leaf &leaf : c.leaves) leaf.gradient = false;
  c.loss_result = c.residual_result = c.solution_result = false;
  Editable e(c);
  blv_plan with = nullptr, without = nullptr;
  blv_plan_create(context.handle, &e.spec, &with);
  const std::string message = blv_context_error(context.handle);
  e.spec.outer = nullptr;
  std::erase_if(e.slots, [](const blv_slot &slot) { return slot.side == BLV_OUTER; });
  e.refresh();
  blv_plan_create(context.handle, &e.spec, &without);
  EXPECT_TRUE(with || without) << "with an outer objective: " << message
                               << "; without: " << blv_context_error(context.handle);
  blv_plan_destroy(with);
  blv_plan_destroy(without);
}

}  // namespace
