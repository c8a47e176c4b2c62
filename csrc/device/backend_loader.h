// SPDX-License-Identifier: Apache-2.0
//
// Finds and opens the CUDA plugin: the file that BILEVEL_CUDA_PLUGIN names, else libbilevel_cuda.so beside this library.
#pragma once
#include <string>

#include "kernels/contract/backend.h"

namespace bilevel {

// Opens the plugin at the first call that succeeds; it stays open until the process ends. Any thread. Refuses with
// BLV_NO_DEVICE where there is no plugin or the system can't load it, BLV_VERSION_MISMATCH where it is not one of this
// build of the library; a later call tries again.
const Backend &cuda_backend();

// ---- Parts of cuda_backend ------------------------------------------------------------------------------------------

struct PluginPath {
  std::string path;
  bool from_environment = false;
};
PluginPath plugin_path();

const Backend &open_plugin(const PluginPath &plugin);

}  // namespace bilevel
