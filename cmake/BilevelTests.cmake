# SPDX-License-Identifier: Apache-2.0
#
# How a test becomes a ctest. Four kinds: through the library (bilevel_add_test), in plain C (bilevel_add_c_test), of what the
# library hides (bilevel_add_internal_test), and of kernel headers, compiled and run once per ISA level (bilevel_add_isa_test). Every test carries the label of its folder; a source whose
# name begins with `threads` also carries `threads`, the set that runs under ThreadSanitizer.

include(CheckCXXSourceRuns)
include(GoogleTest)
find_package(GTest REQUIRED)

set(BILEVEL_TEST_TIMEOUT 300) # seconds, of one test, with room for sanitizers

# Sets BILEVEL_HOST_RUNS_v2, _v3, _v4: whether this machine can run tests of that level. Those it can't are listed by ctest as
# disabled, so that nobody takes them for passed.
set(features_v2 sse4.2 popcnt)
set(features_v3 avx2 fma bmi2)
set(features_v4 avx512f avx512bw avx512cd avx512dq avx512vl)
foreach(level IN LISTS BILEVEL_ISA_LEVELS)
  set(condition 1)
  foreach(feature IN LISTS features_${level})
    string(APPEND condition " && __builtin_cpu_supports(\"${feature}\")")
  endforeach()
  check_cxx_source_runs("int main() { return ${condition} ? 0 : 1; }" BILEVEL_HOST_RUNS_${level})
endforeach()

function(_bilevel_labels source out)
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
  cmake_path(GET source STEM stem)
  set(labels ${folder})
  if(stem MATCHES "^threads")
    list(APPEND labels threads)
  endif()
  set(${out} "${labels}" PARENT_SCOPE)
endfunction()

function(_bilevel_executable target source)
  add_executable(${target} ${source})
  bilevel_defaults(${target})
  target_compile_definitions(${target} PRIVATE BILEVEL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endfunction()

function(_bilevel_discover target prefix labels)
  string(REPLACE ";" "\\;" labels "${labels}")
  gtest_discover_tests(
    ${target}
    TEST_PREFIX ${prefix}.
    DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${BILEVEL_TEST_TIMEOUT} LABELS "${labels}")
endfunction()

# A GoogleTest source that uses the library through its public headers.
function(bilevel_add_test name source)
  _bilevel_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE bilevel::bilevel GTest::gtest_main Threads::Threads ${ARGN})
  _bilevel_labels(${source} labels)
  _bilevel_discover(${name} ${name} "${labels}")
endfunction()

# A GoogleTest source that includes headers of csrc/: it links the library's objects, since the library hides what it tests.
function(bilevel_add_internal_test name source)
  _bilevel_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE bilevel_internal GTest::gtest_main Threads::Threads ${ARGN})
  _bilevel_labels(${source} labels)
  _bilevel_discover(${name} ${name} "${labels}")
endfunction()

# A C11 source with a main() that returns 0 if all is well.
function(bilevel_add_c_test name source)
  _bilevel_executable(${name} ${source})
  set_target_properties(${name} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_link_libraries(${name} PRIVATE bilevel::bilevel Threads::Threads ${ARGN})
  _bilevel_labels(${source} labels)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${BILEVEL_TEST_TIMEOUT} LABELS "${labels}")
endfunction()

# A GoogleTest source that includes headers of kernels/: one executable and one set of tests per ISA level, name.v2.Suite.Test.
function(bilevel_add_isa_test name source)
  _bilevel_labels(${source} labels)
  foreach(level IN LISTS BILEVEL_ISA_LEVELS)
    set(target ${name}_${level})
    _bilevel_executable(${target} ${source})
    bilevel_isa_level(${target} ${level})
    target_link_libraries(${target} PRIVATE GTest::gtest_main Threads::Threads ${ARGN})
    if(BILEVEL_HOST_RUNS_${level})
      _bilevel_discover(${target} ${name}.${level} "${labels}")
    else()
      add_test(NAME ${name}.${level} COMMAND ${target})
      set_tests_properties(${name}.${level} PROPERTIES DISABLED ON LABELS "${labels}")
    endif()
  endforeach()
endfunction()

# Every source of the current folder that matches `pattern` becomes a test <folder>_<stem> of the kind `add`.
function(bilevel_add_folder add pattern)
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${pattern})
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM stem)
    cmake_language(CALL ${add} ${folder}_${stem} ${source} ${ARGN})
  endforeach()
endfunction()
