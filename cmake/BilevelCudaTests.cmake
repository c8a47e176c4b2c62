# SPDX-License-Identifier: Apache-2.0
#
# Tests of the CUDA plugin, which need no GPU: GoogleTest programs that link the library and the emulator's runtime, and open
# emulated/libbilevel_cuda.so, so that program and plugin meet in one emulator. Label "cuda". With BILEVEL_CUDA_GPU_TESTS the same
# sources also become programs with NVIDIA's runtime, which test the plugin that ships on the machine's GPU. Label "gpu".

option(BILEVEL_CUDA_GPU_TESTS "Also build the tests of the CUDA plugin for the GPU of this machine" OFF)

# Ways to run a program in the emulator, by name: what its environment gets.
set(BILEVEL_CUDA_MODE_plain)
set(BILEVEL_CUDA_MODE_racecheck PTXEMU_RACECHECK=1)   # races in shared memory are faults
set(BILEVEL_CUDA_MODE_shuffled PTXEMU_SCHED=20260)    # warps in another order, in short turns
set(BILEVEL_CUDA_MODE_deferred PTXEMU_STREAMS=deferred) # work runs only when something waits for it
set(BILEVEL_CUDA_MODE_nodevice PTXEMU_NO_DEVICE=1)
set(BILEVEL_CUDA_MODE_olddriver PTXEMU_NO_DEVICE=driver)
set(BILEVEL_CUDA_MODE_twodevices PTXEMU_DEVICES=2)

# A test that fails if nothing ran, or if anything was skipped.
function(_bilevel_cuda_run name label timeout)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
                       FAIL_REGULAR_EXPRESSION "\\[  SKIPPED \\];\\[  PASSED  \\] 0 tests")
endfunction()

function(_bilevel_cuda_program name)
  add_executable(${name} ${ARGN})
  bilevel_defaults(${name})
  target_compile_options(${name} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1>)
  target_include_directories(${name} SYSTEM PRIVATE ${BILEVEL_CUDA_INCLUDE})
  target_link_libraries(${name} PRIVATE bilevel::bilevel GTest::gtest_main Threads::Threads)
endfunction()

# bilevel_cuda_test(name source... [LIBRARIES library...] [MODES mode...] [ENVIRONMENT NAME=value...] [TIMEOUT seconds]
#                   [EMULATOR_ONLY])
# MODES (default: plain): the program runs once in each, as test <name>_<mode>. ENVIRONMENT holds for all of them.
function(bilevel_cuda_test name)
  cmake_parse_arguments(PARSE_ARGV 1 test EMULATOR_ONLY TIMEOUT "LIBRARIES;MODES;ENVIRONMENT")
  if(NOT test_MODES)
    set(test_MODES plain)
  endif()
  if(NOT test_TIMEOUT)
    set(test_TIMEOUT 600)
  endif()
  _bilevel_cuda_program(${name} ${test_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE cudart_emu_shared ${test_LIBRARIES})
  add_dependencies(${name} bilevel_cuda_emulated)
  foreach(mode IN LISTS test_MODES)
    if(NOT DEFINED BILEVEL_CUDA_MODE_${mode} AND NOT mode STREQUAL "plain")
      message(FATAL_ERROR "bilevel_cuda_test(${name}): no mode '${mode}'")
    endif()
    _bilevel_cuda_run(
      ${name}_${mode} cuda ${test_TIMEOUT} ${CMAKE_COMMAND} -E env
      BILEVEL_CUDA_PLUGIN=$<TARGET_FILE:bilevel_cuda_emulated> ${BILEVEL_CUDA_MODE_${mode}} ${test_ENVIRONMENT} $<TARGET_FILE:${name}>)
  endforeach()

  if(BILEVEL_CUDA_GPU_TESTS AND NOT test_EMULATOR_ONLY)
    _bilevel_cuda_program(${name}_gpu ${test_UNPARSED_ARGUMENTS})
    target_link_libraries(${name}_gpu PRIVATE ${BILEVEL_CUDART_STATIC} rt ${CMAKE_DL_LIBS} ${test_LIBRARIES})
    add_dependencies(${name}_gpu bilevel_cuda)
    _bilevel_cuda_run(
      ${name}_gpu gpu ${test_TIMEOUT} ${CMAKE_COMMAND} -E env BILEVEL_CUDA_PLUGIN=$<TARGET_FILE:bilevel_cuda> ${test_ENVIRONMENT}
      $<TARGET_FILE:${name}_gpu>)
  endif()
endfunction()
