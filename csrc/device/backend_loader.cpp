// SPDX-License-Identifier: Apache-2.0
//
// Opening the CUDA plugin. Every way in which that can fail has a message of its own, which names the file and what to
// do. The plugin is never closed: its static CUDA runtime registers handlers for the end of the process.
#include "csrc/device/backend_loader.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "csrc/support/refusal.h"

// The build makes it of bilevel.h, problem.h and backend.h, for the library and for the plugin.
#ifndef BLV_BACKEND_ABI
#error "compile with BLV_BACKEND_ABI, see cmake/BilevelBackendAbi.cmake"
#endif

namespace bilevel {
namespace {

constexpr const char *environment_name = "BILEVEL_CUDA_PLUGIN", *file_name = "libbilevel_cuda.so";

// "<path> (BILEVEL_CUDA_PLUGIN)", cut so that the rest of a message has room.
Text describe_file(const PluginPath &plugin) {
  const char *origin = plugin.from_environment ? environment_name : "looked for beside the library";
  return format("%.240s (%s)", plugin.path.c_str(), origin);
}

[[noreturn]] void refuse_file(blv_status status, const PluginPath &plugin, const char *why) {
  refuse(status, format("the CUDA plugin %s %.180s", describe_file(plugin).c_str(), why));
}

void *open_file(const PluginPath &plugin) {
  if (access(plugin.path.c_str(), F_OK) != 0 && errno == ENOENT)
    refuse_file(BLV_NO_DEVICE, plugin,
                "does not exist; accepted: a build with BILEVEL_CUDA=ON, or options.device BLV_DEVICE_CPU (-1)");
  void *library = dlopen(plugin.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  const char *reason = dlerror();  // NOLINT(concurrency-mt-unsafe): each thread has its own
  refuse_file(BLV_NO_DEVICE, plugin, format("can't be loaded: %.150s", reason != nullptr ? reason : "?").c_str());
}

BackendEntry find_entry(void *library, const PluginPath &plugin) {
  void *symbol = dlsym(library, backend_symbol);
  if (symbol == nullptr)
    refuse_file(BLV_VERSION_MISMATCH, plugin,
                format("is no plugin of this library: it has no symbol %s", backend_symbol).c_str());
  BackendEntry entry = nullptr;
  static_assert(sizeof entry == sizeof symbol);
  std::memcpy(&entry, &symbol, sizeof entry);
  return entry;
}

}  // namespace

PluginPath plugin_path() {
  const char *given = secure_getenv(environment_name);
  if (given != nullptr && *given != '\0') return {given, true};
  static const char anchor = 0;  // an address within this library
  Dl_info info{};
  std::string path;
  if (dladdr(&anchor, &info) != 0 && info.dli_fname != nullptr) path = info.dli_fname;
  path.resize(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/') + 1);
  return {path + file_name, false};
}

const Backend &open_plugin(const PluginPath &plugin) {
  const Backend *backend = find_entry(open_file(plugin), plugin)();
  const char *abi = backend != nullptr && backend->abi != nullptr ? backend->abi : "none";
  if (std::strcmp(abi, BLV_BACKEND_ABI) != 0)
    refuse_file(BLV_VERSION_MISMATCH, plugin,
                format("is of another build: its ABI is %.16s, this library's is %.16s; accepted: the two that were "
                       "built together",
                       abi, BLV_BACKEND_ABI)
                    .c_str());
  return *backend;
}

const Backend &cuda_backend() {
  static std::mutex mutex;
  static const Backend *opened = nullptr;
  const std::lock_guard<std::mutex> lock(mutex);
  if (opened == nullptr) opened = &open_plugin(plugin_path());
  return *opened;
}

}  // namespace bilevel
