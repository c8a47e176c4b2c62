# SPDX-License-Identifier: Apache-2.0
#
# What holds for every target: build type, language, warnings, sanitizers. Nothing here reaches a project that uses the library:
# the settings live in `bilevel_options`, which targets of this project link privately. Nothing is tuned to the machine that builds.

if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  message(FATAL_ERROR "bilevel ${PROJECT_VERSION} has kernels for x86-64 only; this is ${CMAKE_SYSTEM_PROCESSOR}")
endif()
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  message(FATAL_ERROR "bilevel needs GCC >= 11 or Clang (vector extensions); this is ${CMAKE_CXX_COMPILER_ID}")
endif()

if(PROJECT_IS_TOP_LEVEL)
  get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT multi_config AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()
  find_program(BILEVEL_CCACHE ccache)
  mark_as_advanced(BILEVEL_CCACHE)
  foreach(language C CXX)
    if(BILEVEL_CCACHE AND NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${BILEVEL_CCACHE})
    endif()
  endforeach()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

include(GNUInstallDirs)
find_package(Threads REQUIRED)

add_library(bilevel_options INTERFACE)
target_compile_features(bilevel_options INTERFACE c_std_11 cxx_std_20)
target_include_directories(bilevel_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_options(bilevel_options INTERFACE -Wall -Wextra -Wpedantic $<$<BOOL:${BILEVEL_WERROR}>:-Werror>)
if(BILEVEL_SANITIZE)
  list(JOIN BILEVEL_SANITIZE "," sanitizers)
  target_compile_options(bilevel_options INTERFACE -fsanitize=${sanitizers} -fno-sanitize-recover=all
                                                   -fno-omit-frame-pointer -g1 -O1 -UNDEBUG)
  target_link_options(bilevel_options INTERFACE -fsanitize=${sanitizers})
  # Instrumented code hides initialisations from GCC: it then warns of members within its own <regex> and <functional> (GCC 12 and 13).
  # The builds without sanitizers keep the warning.
  target_compile_options(bilevel_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

# C++ extensions stay on: the packs are GCC vector types.
macro(bilevel_defaults target)
  target_link_libraries(${target} PRIVATE bilevel_options)
  set_target_properties(${target} PROPERTIES C_EXTENSIONS ON CXX_EXTENSIONS ON C_VISIBILITY_PRESET hidden
                                             CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endmacro()
