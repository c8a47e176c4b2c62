// SPDX-License-Identifier: Apache-2.0
//
// Internals of the replacement CUDA runtime: what its files share.
//
// All device work (kernels, copies, fills, host functions ...) is described by a `Work` value. submit() runs
// it at once, or queues it (PTXEMU_STREAMS=deferred), or records it as a graph node while the stream is
// capturing.
#pragma once
#include <cuda_runtime_api.h>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>
#include "ptxemu.h"

namespace rt {

using ptxemu::Dim3;
using ptxemu::Fault;
using ptxemu::LaunchSpec;
using ptxemu::Module;
using ptxemu::Program;

struct NoImage : Fault {  // the program has no PTX that this device can run
  using Fault::Fault;
};
struct PtxImage {  // the PTX for one architecture, as it lies in a fat binary
  int arch;
  uint64_t flags;
  const char *data;
  size_t size, text_size;  // bytes in the fat binary, and of the text if that is compressed
};
std::vector<PtxImage> ptx_images(const void *wrapper);
std::string ptx_text(const PtxImage &image);
struct FatModule {  // one fat binary registered by nvcc's start-up code
  const void *wrapper;
  std::unique_ptr<Module> m;
  Module &get();
};
struct Kernel {
  FatModule *mod;
  std::string name;
  int max_dynamic = -1;  // cudaFuncAttributeMaxDynamicSharedMemorySize; -1: not set
  bool nonportable_cluster = false;
  Program &program() { return mod->get().program(name); }
};
struct Variable {
  FatModule *mod;
  std::string name;
  size_t size;
};

struct Node;
struct Graph;
struct Exec;
struct Stream;
struct Event;

struct Work {
  enum Kind { EMPTY, KERNEL, COPY, FILL, HOST, RECORD, WAIT, GRAPH, CHILD, CONDITIONAL } kind = EMPTY;
  // KERNEL
  Kernel *kernel = nullptr;
  const void *func = nullptr;
  LaunchSpec spec;
  std::vector<char> params;
  // COPY and FILL: rows of `width` bytes
  char *dst = nullptr;
  const char *src = nullptr;
  size_t dpitch = 0, spitch = 0, width = 0, height = 1;
  cudaMemcpyKind dir = cudaMemcpyDefault;
  unsigned value = 0, elem = 1;
  std::vector<char> staged;  // pageable host source, copied when the call was made
  // HOST
  void (*fn)(void *) = nullptr;
  void *data = nullptr;
  // RECORD, WAIT
  Event *event = nullptr;
  // GRAPH (launch), CHILD and CONDITIONAL (instantiated bodies), CHILD and CONDITIONAL (graphs)
  std::shared_ptr<Exec> exec;
  std::vector<std::shared_ptr<Exec>> bodies;
  std::vector<std::shared_ptr<Graph>> graphs;
  unsigned long long handle = 0;
  cudaGraphConditionalNodeType cond = cudaGraphCondTypeIf;
};

struct Node {
  Graph *graph;
  Work work;
  std::vector<Node *> deps;
};
struct Condition {
  unsigned long long handle;
  unsigned value;
  bool assign;
};
struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<Condition> conditions;
  std::vector<cudaGraph_t> handles;  // of body graphs, given out by phGraph_out
  bool body = false;                 // body of a conditional or child node: owned by the node
};
struct Exec {
  std::vector<Work> order;  // a topological order
  std::vector<const Node *> from;
  std::vector<Condition> conditions;
};

struct Queued {
  Work w;
  std::vector<std::pair<Stream *, uint64_t>> after;
};
struct Stream {
  int device = 0;
  bool legacy = false, nonblocking = false;
  unsigned flags = 0;
  int priority = 0;
  // deferred mode
  std::deque<Queued> queue;
  uint64_t submitted = 0, completed = 0;
  std::vector<std::pair<Stream *, uint64_t>> after;
  bool running = false;
  // capture
  Graph *cap = nullptr;
  bool cap_origin = false, cap_owned = false, cap_bad = false;
  cudaStreamCaptureMode cap_mode = cudaStreamCaptureModeGlobal;
  unsigned long long cap_id = 0;
  std::vector<Node *> cap_deps;
  std::vector<const void *> cap_list;  // storage for cudaStreamGetCaptureInfo
};
struct Event {
  unsigned flags = 0;
  bool recorded = false;
  std::chrono::steady_clock::time_point time;
  Stream *stream = nullptr;
  uint64_t seq = 0;
  Graph *cap = nullptr;  // recorded in a capture
  unsigned long long cap_id = 0;
  std::vector<Node *> cap_deps;
};

enum MemType { MEM_NONE, MEM_DEVICE, MEM_HOST, MEM_MANAGED };
struct Memory {
  size_t size = 0;
  MemType type = MEM_NONE;
  int device = 0;  // current when it was made
};

struct State {
  std::recursive_mutex mu;
  std::vector<FatModule *> modules;
  std::unordered_map<const void *, Kernel> kernels;
  std::unordered_map<const void *, Variable> vars;
  std::map<uint64_t, Memory> mem;  // allocations made through the API
  std::set<uint64_t> registered;   // cudaHostRegister
  std::map<int, size_t> used;      // bytes, by device
  unsigned long long allocs = 0;
  cudaError_t sticky = cudaSuccess;
  Stream legacy, per_thread;
  std::set<Stream *> streams;
  std::set<Event *> events;
  std::vector<std::unique_ptr<Stream>> destroyed;  // kept, so that no later stream gets the handle of one of them
  std::map<unsigned long long, unsigned> conditions;
  unsigned long long next_condition = 1, next_capture = 1;
  int max_ptx_arch = 80;
};
State &S();

// Remembers e as the thread's last error; gives e back.
cudaError_t ret(cudaError_t e);
cudaError_t last_error(bool clear);
// Error that every call returns: no device (PTXEMU_NO_DEVICE) or an earlier device fault.
cudaError_t pre();
// The error of a kernel whose PTX cannot be used, with a message on stderr.
cudaError_t image_error(const Kernel &k, const std::exception &x);
// Prints a message on stderr; for uses that this tool does not support or that are surely mistakes.
cudaError_t complain(cudaError_t e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define CHECK_PRE                                   \
  std::lock_guard<std::recursive_mutex> lk(S().mu); \
  if (cudaError_t pe_ = pre()) return ret(pe_)

int device_cc();        // 80, 90, ...
int multiprocessors();  // PTXEMU_SMS, else 132 or 108
int device_count();     // PTXEMU_DEVICES, else 1
int &current_device();  // of this thread
size_t optin_shared();
size_t sm_shared();
size_t memory_limit();
int kernel_registers(const std::string &name);
int blocks_per_sm(Kernel &k, int threads, size_t dyn);

Memory memory_at(const void *p);  // the allocation or variable that p points into
MemType mem_type(const void *p);
cudaError_t execute(Work &w);                // runs it now
cudaError_t submit(cudaStream_t s, Work w);  // run, queue or capture
cudaError_t drain_all();
cudaError_t drain(Stream &s, uint64_t upto);
Stream *stream_of(cudaStream_t s);
bool deferred();
std::vector<Stream *> capturing();
cudaError_t unsafe_in_capture(const char *what);  // error if a capture forbids the call
cudaError_t run_exec(Exec &e);
Node *add_node(Graph &g, Work w, std::vector<Node *> deps);
cudaError_t copy_work(Work &w, void *d, size_t dp, const void *s, size_t sp, size_t width, size_t h, cudaMemcpyKind k);
cudaError_t fill_work(Work &w, void *d, size_t pitch, unsigned v, unsigned elem, size_t width, size_t h);
cudaError_t kernel_work(Work &w, const void *f, dim3 g, dim3 b, void **args, size_t sh, Dim3 cluster, bool coop);

}  // namespace rt
