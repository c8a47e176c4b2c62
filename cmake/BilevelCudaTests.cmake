# SPDX-License-Identifier: Apache-2.0
#
# Tests of the CUDA plugin, which need no GPU: GoogleTest programs that link the library and the emulator's runtime, and open
# emulated/libbilevel_cuda.so, so that program and plugin meet in one emulator. Label "cuda". With BILEVEL_CUDA_GPU_TESTS the same
# sources also become programs with NVIDIA's runtime, which test the plugin that ships on the machine's GPU. Label "gpu".

option(BILEVEL_CUDA_GPU_TESTS "Also build the tests of the CUDA plugin for the GPU of this machine" OFF)

# Builds what the tests with label "cuda" run.
add_custom_target(bilevel_cuda_tests DEPENDS bilevel_cuda bilevel_cuda_emulated cudart_emu)

# Ways to run a program in the emulator, by name: what its environment gets.
set(BILEVEL_CUDA_MODES plain racecheck shuffled deferred nodevice olddriver twodevices)
set(BILEVEL_CUDA_MODE_racecheck PTXEMU_RACECHECK=1)   # races in shared memory are faults
set(BILEVEL_CUDA_MODE_shuffled PTXEMU_SCHED=20260)    # warps in another order, in short turns
set(BILEVEL_CUDA_MODE_deferred PTXEMU_STREAMS=deferred) # work runs only when something waits for it
set(BILEVEL_CUDA_MODE_nodevice PTXEMU_NO_DEVICE=1)
set(BILEVEL_CUDA_MODE_olddriver PTXEMU_NO_DEVICE=driver)
set(BILEVEL_CUDA_MODE_twodevices PTXEMU_DEVICES=2)

# bilevel_cuda_program(name source... [LIBRARIES library...] [EMULATOR_ONLY])
# A program from C++ and CUDA sources (kernels of its own), which runs no test by itself.
function(_bilevel_cuda_executable name runtime plugin)
  cmake_parse_arguments(PARSE_ARGV 3 program EMULATOR_ONLY "" LIBRARIES)
  set(sources ${program_UNPARSED_ARGUMENTS})
  set(kernels ${sources})
  list(FILTER sources EXCLUDE REGEX "[.]cu$")
  list(FILTER kernels INCLUDE REGEX "[.]cu$")
  add_executable(${name} ${sources})
  bilevel_defaults(${name})
  target_compile_options(${name} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1>)
  target_include_directories(${name} SYSTEM PRIVATE ${BILEVEL_CUDA_INCLUDE})
  target_link_libraries(${name} PRIVATE bilevel::bilevel GTest::gtest Threads::Threads ${program_LIBRARIES} ${runtime})
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  add_dependencies(${name} ${plugin})
  if(kernels)
    _bilevel_cuda_objects(${name}_device "${BILEVEL_CUDA_ARCHITECTURES}" ${kernels})
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:${name}_device>)
    set_target_properties(${name} PROPERTIES CUDA_RUNTIME_LIBRARY None CUDA_RESOLVE_DEVICE_SYMBOLS OFF CUDA_ARCHITECTURES OFF)
  endif()
endfunction()

function(bilevel_cuda_program name)
  cmake_parse_arguments(PARSE_ARGV 1 program EMULATOR_ONLY "" LIBRARIES)
  _bilevel_cuda_executable(${name} cudart_emu_shared bilevel_cuda_emulated ${ARGN})
  add_dependencies(bilevel_cuda_tests ${name})
  if(BILEVEL_CUDA_GPU_TESTS AND NOT program_EMULATOR_ONLY)
    _bilevel_cuda_executable(${name}_gpu "${BILEVEL_CUDART_STATIC};rt;${CMAKE_DL_LIBS}" bilevel_cuda ${ARGN})
  endif()
endfunction()

# bilevel_cuda_test(name program [FILTER googletest_filter] [MODES mode...] [ENVIRONMENT NAME=value...] [TIMEOUT seconds])
# Runs the program once in each of the MODES (default: plain), as test <name>_<mode>, or <name> if the mode is plain. A whole program
# is one test, since the emulator reads the plugin's PTX once per process; its device is a small one, since a kernel of the whole grid
# has as many blocks as fit. If the program was also built for the GPU, it runs there once as <name>_gpu, unless MODES has no plain. A
# test fails if nothing ran or anything was skipped.
function(_bilevel_cuda_run name label timeout)
  add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -E env ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
                       FAIL_REGULAR_EXPRESSION "\\[  SKIPPED \\];\\[  PASSED  \\] 0 tests")
endfunction()

function(bilevel_cuda_test name program)
  cmake_parse_arguments(PARSE_ARGV 2 test "" "FILTER;TIMEOUT" "MODES;ENVIRONMENT")
  if(test_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "bilevel_cuda_test(${name}): ${test_UNPARSED_ARGUMENTS}?")
  endif()
  if(NOT test_MODES)
    set(test_MODES plain)
  endif()
  if(NOT test_TIMEOUT)
    set(test_TIMEOUT 600)
  endif()
  set(arguments)
  if(test_FILTER)
    set(arguments --gtest_filter=${test_FILTER})
  endif()
  foreach(mode IN LISTS test_MODES)
    if(NOT mode IN_LIST BILEVEL_CUDA_MODES)
      message(FATAL_ERROR "bilevel_cuda_test(${name}): no mode '${mode}'")
    endif()
    set(run ${name}_${mode})
    if(mode STREQUAL "plain")
      set(run ${name})
      if(TARGET ${program}_gpu)
        _bilevel_cuda_run(${name}_gpu gpu ${test_TIMEOUT} BILEVEL_CUDA_PLUGIN=$<TARGET_FILE:bilevel_cuda> ${test_ENVIRONMENT}
                          $<TARGET_FILE:${program}_gpu> ${arguments})
      endif()
    endif()
    _bilevel_cuda_run(
      ${run} cuda ${test_TIMEOUT} BILEVEL_CUDA_PLUGIN=$<TARGET_FILE:bilevel_cuda_emulated> PTXEMU_SMS=3
      ${BILEVEL_CUDA_MODE_${mode}} ${test_ENVIRONMENT} $<TARGET_FILE:${program}> ${arguments})
  endforeach()
endfunction()
