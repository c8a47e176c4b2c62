// SPDX-License-Identifier: Apache-2.0
//
// The version, and the one table of status codes, their names and what they mean.
#include <bilevel/bilevel.h>

namespace {

struct Status {
  blv_status value;
  const char *name;
  const char *text;
};

constexpr Status statuses[] = {
    {BLV_OK, "BLV_OK", "The call succeeded."},
    {BLV_INVALID, "BLV_INVALID", "An argument has a value that no version of the library accepts."},
    {BLV_UNSUPPORTED, "BLV_UNSUPPORTED",
     "The request is well formed, but not available in this build, on this machine or in this combination."},
    {BLV_TOO_SMALL, "BLV_TOO_SMALL", "A buffer, a workspace or a limit is smaller than what is needed."},
    {BLV_NO_DEVICE, "BLV_NO_DEVICE",
     "A CUDA device was asked for, and there is no device, no driver or no CUDA backend."},
    {BLV_NO_MEMORY, "BLV_NO_MEMORY", "The host, or the device, could not give the memory for a plan or a context."},
    {BLV_VERSION_MISMATCH, "BLV_VERSION_MISMATCH",
     "The size of a struct is none that this version of the library knows."},
    {BLV_CANCELLED, "BLV_CANCELLED", "The execute was cancelled by blv_context_cancel; its outputs are undefined."},
    {BLV_DEVICE_FAULT, "BLV_DEVICE_FAULT", "The device failed; the context can only be destroyed."},
    {BLV_INTERNAL, "BLV_INTERNAL", "The library has a defect: please report it."},
    {BLV_HOOK_FAILED, "BLV_HOOK_FAILED",
     "The caller's parallel_for threw, or did not run every index once; the outputs are undefined."},
};

const Status *find(blv_status value) {
  for (const Status &status : statuses)
    if (status.value == value) return &status;
  return nullptr;
}

}  // namespace

extern "C" {

int32_t blv_version(void) { return BLV_VERSION_MAJOR * 10000 + BLV_VERSION_MINOR * 100 + BLV_VERSION_PATCH; }

const char *blv_status_name(blv_status status) {
  const Status *entry = find(status);
  return entry != nullptr ? entry->name : "unknown status";
}

const char *blv_status_text(blv_status status) {
  const Status *entry = find(status);
  return entry != nullptr ? entry->text : "This is no status of this version of the library.";
}
}
