# SPDX-License-Identifier: Apache-2.0
#
# How a source becomes a ctest: a GoogleTest that uses the library (bilevel_add_test) or what the library hides
# (bilevel_add_unit_test), or a program in plain C (bilevel_add_c_test). Every test carries the label of its folder, or, if the name of
# its source begins with `threads`, <folder>-threads: the set that runs under ThreadSanitizer. (One label, since a list does not
# survive gtest_discover_tests.)

include(GoogleTest)
find_package(GTest REQUIRED)

add_custom_target(bilevel_threads_tests) # builds the executables of that set

set(BILEVEL_TEST_TIMEOUT 300) # seconds, of one test, with room for sanitizers

function(_bilevel_label target source out)
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
  cmake_path(GET source STEM stem)
  set(label ${folder})
  if(stem MATCHES "^threads")
    string(APPEND label -threads)
    add_dependencies(bilevel_threads_tests ${target})
  endif()
  set(${out} ${label} PARENT_SCOPE)
endfunction()

function(_bilevel_executable target source)
  add_executable(${target} ${source})
  bilevel_defaults(${target})
  target_compile_options(${target} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1>) # GoogleTest compiles a quarter faster than with -O3
  target_link_libraries(${target} PRIVATE Threads::Threads ${ARGN})
endfunction()

# A GoogleTest source that links the given libraries.
function(bilevel_add_unit_test name source)
  _bilevel_executable(${name} ${source} GTest::gtest_main ${ARGN})
  _bilevel_label(${name} ${source} label)
  gtest_discover_tests(
    ${name}
    TEST_PREFIX ${name}.
    DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${BILEVEL_TEST_TIMEOUT} LABELS ${label})
endfunction()

# A GoogleTest source that uses the library through its public headers.
function(bilevel_add_test name source)
  bilevel_add_unit_test(${name} ${source} bilevel::bilevel ${ARGN})
endfunction()

# A C11 source with a main() that returns 0 if all is well.
function(bilevel_add_c_test name source)
  _bilevel_executable(${name} ${source} bilevel::bilevel m ${ARGN})
  set_target_properties(${name} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  _bilevel_label(${name} ${source} label)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${BILEVEL_TEST_TIMEOUT} LABELS ${label})
endfunction()

# Every source of the current folder that matches `pattern` becomes a test <folder>_<stem> of the kind `add`, with the arguments that
# follow. *_level.cpp are no tests: see tests/machine.
function(bilevel_add_folder add pattern)
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${pattern})
  list(FILTER sources EXCLUDE REGEX "_level[.]cpp$")
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM stem)
    cmake_language(CALL ${add} ${folder}_${stem} ${source} ${ARGN})
  endforeach()
endfunction()
