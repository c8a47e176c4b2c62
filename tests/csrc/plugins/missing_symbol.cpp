// SPDX-License-Identifier: Apache-2.0
//
// A plugin that can't be loaded: it calls a function that no library has.
extern "C" int no_library_has_this_function();
extern "C" __attribute__((visibility("default"))) int calls_it() { return no_library_has_this_function(); }
