// SPDX-License-Identifier: Apache-2.0
//
// Runs a Program (kernels/contract/program.h) on one group of tasks, and so every method: the one client of the gradient program, whose
// modes are compiled once per machine. The same source on the CPU (both layouts) and on a device.
#pragma once
#include "kernels/interpreter/registers.h"
#include "kernels/interpreter/vector_ops.h"
#include "kernels/task/parts.h"
#include "kernels/task/step_leaf.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// PassOf: the pass over the rows of a loss, the machine's general one or one written for a shape (kernels/special).
template <class T, Lanes L, template <class, Lanes> class PassOf = Pass>
struct Interpreter {
  using Scalar = T;
  static constexpr Lanes lanes_are = L;
  using Move = Transfer<T, L>;
  using Element = typename Move::Element;
  using Mat = Matrix<Element>;
  using P = Pack<T>;
  using PassOfRows = PassOf<T, L>;
  using Numbers = NumberFile<T>;

  struct alignas(16) Place {
    P *base = nullptr;
    Index stride = 0;  // packs between entries of a stream; else 0
    Index planes = 1;
  };

  const TaskProblem *problem = nullptr;
  const NetworkView *net = nullptr;
  Index packs = 0, tape_step = 0;
  Index state_packs = 0;  // of the caller's state, for one group
  PassOfRows pass;
  SideData<T, L> inner, outer;
  Minibatch<T, L> minibatch;
  StepLeaf<T, L> step_leaves[most_step_leaves];
  Place *places = nullptr;
  Element *tape = nullptr;
  P *numbers = nullptr;  // of the program; on a device, after the run

  static BLV_HOST_DEVICE Index most_rows(const TaskProblem &p) {
    Index rows = p.batch_rows ? p.batch_rows : p.inner.rows;
    rows = p.program.tape_rows > rows ? p.program.tape_rows : rows;
    return p.outer.present && p.outer.rows > rows ? p.outer.rows : rows;
  }

  // The table of places, before anything else.
  BLV_HOST_DEVICE void layout_table(Arena &arena, const TaskProblem &p) {
    places = take_table<Place>(arena, p.program.n_arrays);
  }

  // What is touched most comes first: where shared memory is short, the rows stay outside.
  BLV_HOST_DEVICE void layout(Arena &arena, const TaskProblem &p, const NetworkView &network) {
    const Program &program = p.program;
    problem = &p, net = &network, packs = parameter_packs<T, L>(network);
    for (int stream = 0; stream < 2; stream++)
      for (int i = 0; i < program.n_arrays; i++)
        if (program.arrays[i].stream == stream) layout_array(arena, program, i);
    state_packs = 0;
    for (int i = 0; i < program.n_arrays; i++)
      if (program.arrays[i].state) state_packs += packs;
    numbers = arena.template take<P>(program.n_numbers);
    const Index tangents = program.tangent_planes;
    for (int i = 0; i < p.n_step_leaves; i++)
      step_leaves[i].layout(arena, p.step_leaves[i], network, p.steps, tangents);
    inner.layout(arena, p.inner, BLV_INNER, network, p.inner.rows, program.leaf_planes, tangents, packs);
    if (p.outer.present)
      outer.layout(arena, p.outer, BLV_OUTER, network, p.outer.rows, program.leaf_planes, tangents, packs);
    minibatch.layout(arena, p, network, inner);
    tape_step = tape_size(network, round_rows<T, L>(program.tape_rows));
    if (program.tape_entries) tape = arena.template stream<Element>(program.tape_entries * tape_step);
  }

  // The part of the caller's state that belongs to the group of tasks that comes next.
  BLV_FUNCTION void bind_state(const Program &program, P *state) {
    if (state_packs == 0) return;
    one_thread_per_block_then_sync([&] {
      for (int i = 0; i < program.n_arrays; i++)
        if (program.arrays[i].state) places[i].base = state, state += packs;
    });
  }

  // The results, in their order.
  template <class Visitor>
  BLV_HOST_DEVICE void visit(Visitor &visitor) const {
    const Program &program = problem->program;
    constexpr Index elements = sizeof(P) / sizeof(Element);
    for (int i = 0; i < program.n_outputs; i++) {
      const ProgramOutput &output = program.outputs[i];
      if (output.array >= 0)
        visit_parameters(visitor, *net, output.slot, output.planes,
                         reinterpret_cast<const Element *>(places[output.array].base));
      else
        for (Index k = 0; k < output.planes; k++)
          visit_scalars(visitor, output.slot, k, 1,
                        reinterpret_cast<const Element *>(numbers) + (output.number + k) * elements);
    }
    for (int i = 0; i < problem->n_step_leaves; i++) step_leaves[i].visit(visitor);
    visit_side(visitor, inner, program.leaf_planes);
    if (problem->outer.present) visit_side(visitor, outer, program.leaf_planes);
  }

  // `program` is problem->program, where operations are read fastest. False if cancelled.
  BLV_FUNCTION bool run(const Move &move, const Call &call, const Program &program, TaskStatus *status) {
    load(move, program, status);
    Numbers number(numbers, program.n_numbers);
    for (int i = 0; i < program.n_inputs; i++)
      if (program.inputs[i].number >= 0) number.put(program.inputs[i].number, move.number(program.inputs[i].slot));
    if (program.present >= 0) number.put(program.present, tasks_present<T, L>(move.count));
    Counters counter(program.n_counters);
    FiniteCheck<T> check;
    int64_t passes = 0;
    for (int pc = 0; pc < program.n_ops; pc++) {
      OpHandle op = program.ops[pc];
      switch (op.code) {
        case OP_GRADIENT:
          if (is_cancelled(call)) return false;
          run_pass<Mode::VALUE>(op, counter, number, move, status);
          if (passes++ < program.passes) count_progress(call, 1);
          break;
        case OP_TANGENT:
          if (is_cancelled(call)) return false;
          if (op.flags & FLAG_TAPE)
            run_pass<Mode::TAPED>(op, counter, number, move, status);
          else
            run_pass<Mode::JET>(op, counter, number, move, status);
          if (passes++ < program.passes) count_progress(call, 1);
          break;
        case OP_LINEAR:
          VectorOps<Interpreter>::linear(*this, op, counter, number, check);
          if (op.flags & FLAG_CHECK) check.template report<L>(status, move.count, counter.get(op.counter) + 1);
          break;
        case OP_MAP:
          VectorOps<Interpreter>::map(*this, op, counter);
          break;
        case OP_DOT:
          for (Index k = 0; k < op.planes; k++)
            number.put(op.number + k, VectorOps<Interpreter>::dot(*this, op, counter, k));
          break;
        case OP_SIDE_DOT:
          for (Index k = 0; k < op.planes; k++)
            number.put(op.number + k, gradients(op.flags & FLAG_OUTER ? outer : inner).dot_tangents(k));
          break;
        case OP_STEP_LEAF:
          step_leaves[op.a.index].add_product(counter.get(op.counter), T(op.a.sign), at(op.x, counter),
                                              at(op.y, counter), packs);
          break;
        case OP_NUMBER:
          for (Index k = 0; k < op.planes; k++)
            number.put(op.number + k, compute<T>(op.function, T(op.real), number.get(op.first < 0 ? -1 : op.first + k),
                                                 number.get(op.second < 0 ? -1 : op.second + k)));
          break;
        case OP_CHECK:
          if (op.x) check.see(at(op.x, counter), packs * op.planes);
          for (Index k = 0; op.number >= 0 && k < op.planes; k++) check.see(number.get(op.number + k));
          if (op.flags & FLAG_REPORT) check.template report<L>(status, move.count, -1);
          break;
        case OP_FAIL:
          fail_where<T, L>(number.get(op.number), int32_t(op.n), move.count, status);
          break;
        case OP_COUNT:
          counter.set(op.counter, counter.get(op.tape_counter) * Index(op.n) + counter.get(op.with) * op.direction +
                                      Index(op.constant));
          break;
        case OP_END: {
          const Index next = counter.get(op.counter) + op.direction;
          counter.set(op.counter, next);
          if (next >= 0 && next < Index(op.n) && (!(op.flags & FLAG_ACTIVE) || any_active<T>(number.get(op.number))))
            pc = op.jump - 1;
          break;
        }
        case OP_BREAK:
          if (!any_active<T>(number.get(op.number))) pc = op.jump - 1;
          break;
      }
    }
    if (passes < program.passes) count_progress(call, program.passes - passes);  // loops that ended early
    number.keep(numbers, program.n_numbers);
    finish(move, check, status);
    for (int i = 0; i < program.n_arrays; i++)
      if (program.arrays[i].state) clear_failed<T, L>(places[i].base, packs, move.count, status);
    return true;
  }

  BLV_FUNCTION void report(const Program &program, Index lane, blv_task_info &info) const {
    const auto number = [&](int n) { return reinterpret_cast<const T *>(&numbers[n])[L == Lanes::TASKS ? lane : 0]; };
    if (program.loss >= 0) info.loss = number(program.loss);
    if (program.norm >= 0) info.gradient_norm = number(program.norm);
    if (program.iterations >= 0) info.iterations = int64_t(number(program.iterations));
  }

  // Where an operand is at this point of the program.
  BLV_INLINE P *at(const Operand &a, const Counters &counter) const {
    const Place place = places[a.array];
    return place.stride == 0 ? place.base : place.base + (counter.get(a.counter) + a.offset) * place.stride;
  }

 private:
  BLV_HOST_DEVICE void layout_array(Arena &arena, const Program &program, int i) {
    const ProgramArray &a = program.arrays[i];
    Place place;
    place.planes = a.planes, place.stride = a.count > 1 ? packs * a.planes : 0;
    if (a.state) {
      // bound when a group begins
    } else if (a.buffer == i) {
      const long long size = (long long)(a.count) * a.planes * packs;
      place.base = a.stream ? arena.template stream<P>(size) : arena.template take<P>(size);
    } else if (assigns(arena)) {
      place.base = places[a.buffer].base;
    }
    if (assigns(arena)) places[i] = place;
  }

  static BLV_INLINE Element *elements(P *x) { return reinterpret_cast<Element *>(x); }
  BLV_FUNCTION SideGradients<T, L> gradients(SideData<T, L> &side) const {
    return {{side, problem->program.leaf_planes, packs}};
  }

  BLV_FUNCTION void load(const Move &move, const Program &program, TaskStatus *status) {
    inner.load(move, status);
    if (problem->outer.present) outer.load(move, status);
    for (int i = 0; i < problem->n_step_leaves; i++) step_leaves[i].load(move);
    for (int i = 0; i < program.n_arrays; i++) {
      const ProgramArray &a = program.arrays[i];
      if (a.zeroed)
        strided_for_then_sync(packs * a.planes, [&](Index j) { places[i].base[j] = P{}; });
      else if (a.product && a.buffer == i)
        zero_padding(places[i].base, packs * a.planes);
    }
    for (int i = 0; i < program.n_inputs; i++) {
      const ProgramInput &input = program.inputs[i];
      for (Index k = 0; input.array >= 0 && k < input.planes; k++)
        load_parameters<T, L>(move, *net, input.slot, k, elements(places[input.array].base + k * packs));
    }
    pass.begin();
    gradients(inner).clear();
    if (problem->outer.present) gradients(outer).clear();
  }

  // One pass over the rows of a side, and what its penalty adds.
  template <Mode M>
  BLV_FUNCTION void run_pass(const Op &op, const Counters &counter, Numbers &number, const Move &move,
                             TaskStatus *status) {
    constexpr bool value = M == Mode::VALUE;
    const unsigned flags = op.flags;
    const bool batch = flags & FLAG_BATCH, leaves = flags & FLAG_LEAVES, tangents = flags & FLAG_TANGENTS;
    SideData<T, L> &side = flags & FLAG_OUTER ? outer : inner;
    const Index step = batch ? counter.get(op.counter) : 0;
    if (batch) minibatch.gather(move, inner, step, status);
    const typename PassOfRows::Request::View &rows = batch ? minibatch.view : side;
    P *theta = at(op.x, counter), *along = value ? nullptr : at(op.y, counter), *z = op.z ? at(op.z, counter) : nullptr;
    P total = {}, weight = {};
    const bool weighted = op.first >= 0;
    if (weighted) weight = number.get(op.first);
    pass.template run<M>(typename PassOfRows::Request{
        .view = rows,
        .inverse_n = weighted ? rows.inverse_n * weight : rows.inverse_n,
        .theta = {elements(theta), elements(along), net->size, 0},
        .theta_gradient = {value ? elements(z) : nullptr, value ? nullptr : elements(z), net->size, 0},
        .total = op.number >= 0 ? &total : nullptr,
        .tape = flags & FLAG_TAPE ? tape + counter.get(op.tape_counter) * tape_step : nullptr,
        .leaf_gradients = leaves,
        .leaf_tangents = tangents,
        .add = (flags & FLAG_ADD) != 0,
        .planes = op.planes});
    if (side.penalty)
      add_penalty<M>(side, PenaltyRequest<P>{.theta = {theta, along, packs, packs},
                                             .gradient = {value ? z : nullptr, value ? nullptr : z, packs, packs},
                                             .packs = packs,
                                             .planes = op.planes,
                                             .total = op.number >= 0 ? &total : nullptr,
                                             .scale = weighted ? &weight : nullptr,
                                             .leaf_gradients = leaves,
                                             .tangents = tangents});
    if (leaves && batch) minibatch.scatter(move, inner, step, status);
    if (op.number >= 0) number.put(op.number, total);
  }

  BLV_FUNCTION void finish(const Move &move, FiniteCheck<T> &check, TaskStatus *status) {
    for (int i = 0; i < problem->n_step_leaves; i++) step_leaves[i].check(check);
    gradients(inner).finish(check);
    if (problem->outer.present) {
      gradients(outer).finish(check);
      gradients(inner).add_leaves_of_both(outer, check);
    }
    check.template report<L>(status, move.count, -1);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
