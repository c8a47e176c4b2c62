# SPDX-License-Identifier: Apache-2.0
#
# BILEVEL_BACKEND_ABI: the hash of the headers that the library and its CUDA plugin share. Both are compiled with it, and the library
# refuses a plugin with another one, so that the two never disagree about a struct.

set(BILEVEL_BACKEND_HEADERS include/bilevel/bilevel.h kernels/contract/slot.h kernels/contract/program.h kernels/contract/problem.h kernels/contract/backend.h)
set(contract)
foreach(header IN LISTS BILEVEL_BACKEND_HEADERS)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${header})
  file(SHA256 ${PROJECT_SOURCE_DIR}/${header} hash)
  string(APPEND contract ${hash})
endforeach()
string(SHA256 BILEVEL_BACKEND_ABI "${contract}")
