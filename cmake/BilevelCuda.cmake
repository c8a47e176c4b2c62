# SPDX-License-Identifier: Apache-2.0
#
# libbilevel_cuda.so, the plugin that the library opens when a context asks for a device (BILEVEL_CUDA=ON; needs nvcc, and no GPU).
# Kernels are compiled once per cooperation level x dtype, in a namespace of their own (bilevel::cuda_warp ...), as CPU kernels are
# per ISA level; a new kernel is one line in BILEVEL_CUDA_KERNEL_SOURCES, or a file in kernels/special/<name>/, compiled once.
# The same objects are linked twice: with NVIDIA's static runtime as the plugin that ships, and, for the tests, with the emulator's
# runtime (tests/ptxemu) as emulated/libbilevel_cuda.so. Machine code and PTX in them are compressed, to a sixth; the driver decompresses
# what it loads, and so do the emulator and scripts/kernel-report.

if(BILEVEL_SANITIZE)
  message(FATAL_ERROR "BILEVEL_CUDA=ON does not go with BILEVEL_SANITIZE")
endif()

set(BILEVEL_CUDA_ARCHITECTURES "80;90;100-real" CACHE STRING
    "Architectures of the CUDA kernels, as of CMAKE_CUDA_ARCHITECTURES, with PTX for the oldest that runs a kernel; 90-virtual compiles fastest and is enough for the emulator")

# The flags for a list of architectures. Machine code is made from the newest PTX of the list that is not newer, which saves the
# compiler's front half once per architecture that has no PTX of its own.
function(_bilevel_cuda_code architectures out)
  set(virtuals ${architectures})
  set(reals ${architectures})
  list(FILTER virtuals EXCLUDE REGEX "-real$")
  list(FILTER reals EXCLUDE REGEX "-virtual$")
  list(TRANSFORM virtuals REPLACE "-virtual$" "")
  list(TRANSFORM reals REPLACE "-real$" "")
  list(SORT virtuals COMPARE NATURAL)
  set(used)
  foreach(virtual IN LISTS virtuals)
    set(code_${virtual} compute_${virtual})
  endforeach()
  foreach(real IN LISTS reals)
    set(from ${real})
    foreach(virtual IN LISTS virtuals)
      if(virtual LESS_EQUAL real)
        set(from ${virtual})
      endif()
    endforeach()
    list(APPEND code_${from} sm_${real})
    list(APPEND used ${from})
  endforeach()
  list(APPEND used ${virtuals})
  list(REMOVE_DUPLICATES used)
  set(flags)
  foreach(virtual IN LISTS used)
    list(JOIN code_${virtual} "," code)
    list(APPEND flags "--generate-code=arch=compute_${virtual},code=[${code}]")
  endforeach()
  set(${out} "${flags}" PARENT_SCOPE)
endfunction()

option(BILEVEL_CUDA_LINEINFO "Source positions in the CUDA kernels, for profilers and the emulator's messages: two and a half times the size" OFF)

# nvcc: as given, from CUDACXX, PATH, CUDA_HOME or /usr/local/cuda. CMake's own search fails with less of an explanation.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(BILEVEL_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  mark_as_advanced(BILEVEL_NVCC)
  if(NOT BILEVEL_NVCC)
    message(FATAL_ERROR "BILEVEL_CUDA=ON needs nvcc, and it is neither in PATH nor in /usr/local/cuda/bin: install the CUDA toolkit, "
                        "give its path as -DCMAKE_CUDA_COMPILER=, or run ./check --cuda, which gets nvcc from PyPI")
  endif()
  set(CMAKE_CUDA_COMPILER ${BILEVEL_NVCC})
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES OFF) # each target says its own
endif()
if(NOT CMAKE_CUDA_HOST_COMPILER)
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
endif()
if(CMAKE_CXX_COMPILER_LAUNCHER AND NOT DEFINED CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13.0)
  message(FATAL_ERROR "BILEVEL_CUDA=ON needs CUDA 13.0 or newer; ${CMAKE_CUDA_COMPILER} is ${CMAKE_CUDA_COMPILER_VERSION}")
endif()

# The toolkit's tree, as the compiler itself sees it: a distribution's, NVIDIA's, or that of the PyPI wheels.
find_path(BILEVEL_CUDA_INCLUDE cuda_runtime_api.h HINTS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}
          PATHS ${CMAKE_CUDA_COMPILER_TOOLKIT_ROOT} PATH_SUFFIXES include targets/x86_64-linux/include NO_DEFAULT_PATH REQUIRED)
find_library(BILEVEL_CUDART_STATIC cudart_static
             HINTS ${CMAKE_CUDA_HOST_IMPLICIT_LINK_DIRECTORIES} ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES}
             PATHS ${CMAKE_CUDA_COMPILER_TOOLKIT_ROOT} PATH_SUFFIXES lib64 lib targets/x86_64-linux/lib NO_DEFAULT_PATH REQUIRED)
mark_as_advanced(BILEVEL_CUDA_INCLUDE BILEVEL_CUDART_STATIC)

set(BILEVEL_CUDA_KERNEL_SOURCES ${PROJECT_SOURCE_DIR}/kernels/interpreter/cuda/interpreter.cu)
set(BILEVEL_CUDA_LEVELS warp block cluster grid) # in the order of BLV_CUDA_LEVEL_NUMBER
set(BILEVEL_CUDA_DTYPES f32 f64)
file(GLOB BILEVEL_CUDA_SINGLE_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/special/*/*.cu)
file(GLOB BILEVEL_CUDA_HOST_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/cuda/*.cpp)

# Leaves in a list of architectures PTX for the oldest alone, of which the machine code of all is made. Kernels do not ask for which
# architecture they are compiled, outside of clusters, so that the PTX for a newer one is the same text with another .target: it would
# cost one run more of the compiler's front half per object.
function(_bilevel_cuda_one_ptx architectures out)
  list(SORT architectures COMPARE NATURAL)
  set(have_ptx FALSE)
  set(result)
  foreach(architecture IN LISTS architectures)
    if(have_ptx AND NOT architecture MATCHES "-")
      string(APPEND architecture "-real")
    endif()
    if(NOT have_ptx OR NOT architecture MATCHES "-virtual$")
      list(APPEND result ${architecture})
    endif()
    if(NOT architecture MATCHES "-real$")
      set(have_ptx TRUE)
    endif()
  endforeach()
  set(${out} "${result}" PARENT_SCOPE)
endfunction()

_bilevel_cuda_one_ptx("${BILEVEL_CUDA_ARCHITECTURES}" BILEVEL_CUDA_KERNEL_ARCHITECTURES)
# Clusters of blocks exist from compute capability 9.0 on.
set(BILEVEL_CUDA_CLUSTER_ARCHITECTURES ${BILEVEL_CUDA_ARCHITECTURES})
list(FILTER BILEVEL_CUDA_CLUSTER_ARCHITECTURES INCLUDE REGEX "^(9|[1-9][0-9])[0-9]")
if(NOT BILEVEL_CUDA_CLUSTER_ARCHITECTURES)
  set(BILEVEL_CUDA_CLUSTER_ARCHITECTURES 90-virtual)
endif()
_bilevel_cuda_one_ptx("${BILEVEL_CUDA_CLUSTER_ARCHITECTURES}" BILEVEL_CUDA_CLUSTER_ARCHITECTURES)

# What holds for all objects of the plugin; `architectures` are those of its CUDA sources.
function(_bilevel_cuda_objects target architectures)
  add_library(${target} OBJECT ${ARGN})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_include_directories(${target} SYSTEM PRIVATE ${BILEVEL_CUDA_INCLUDE})
  target_compile_definitions(${target} PRIVATE BLV_BACKEND_ABI="${BILEVEL_BACKEND_ABI}")
  set(werror $<BOOL:${BILEVEL_WERROR}>)
  _bilevel_cuda_code("${architectures}" code)
  list(JOIN code " " code)
  # Pedantic warnings and generated code do not go together. -std by hand, since CUDA_STANDARD 20 needs a newer CMake than the rest.
  target_compile_options(
    ${target}
    PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-std=gnu++20 -Wall -Wextra -Wpedantic $<${werror}:-Werror> -fno-plt>
            "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:${code}>"
            $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 --expt-relaxed-constexpr $<$<BOOL:${BILEVEL_CUDA_LINEINFO}>:-lineinfo> --compress-mode=size -Xcompiler=-Wall,-Wextra,-fno-plt
            $<${werror}:-Werror=all-warnings> $<${werror}:-Xcompiler=-Werror>>)
  set_target_properties(
    ${target}
    PROPERTIES POSITION_INDEPENDENT_CODE ON
               CXX_VISIBILITY_PRESET hidden
               CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
               CUDA_RUNTIME_LIBRARY None CUDA_ARCHITECTURES OFF)
endfunction()

set(BILEVEL_CUDA_TARGETS)
set(number 0)
foreach(level IN LISTS BILEVEL_CUDA_LEVELS)
  foreach(dtype IN LISTS BILEVEL_CUDA_DTYPES)
    set(target bilevel_cuda_${level}_${dtype})
    set(architectures ${BILEVEL_CUDA_KERNEL_ARCHITECTURES})
    if(level STREQUAL "cluster")
      set(architectures ${BILEVEL_CUDA_CLUSTER_ARCHITECTURES})
    endif()
    _bilevel_cuda_objects(${target} "${architectures}" ${BILEVEL_CUDA_KERNEL_SOURCES})
    target_compile_definitions(
      ${target}
      PRIVATE BLV_CUDA_LEVEL=${level} BLV_CUDA_LEVEL_NUMBER=${number} BLV_ISA_NAMESPACE=cuda_${level}
              BLV_KERNEL_SCALAR=${BILEVEL_SCALAR_${dtype}} BLV_KERNEL_DTYPE=${dtype} BLV_KERNEL_LAYOUT=${level})
    list(APPEND BILEVEL_CUDA_TARGETS ${target})
  endforeach()
  math(EXPR number "${number} + 1")
endforeach()
list(APPEND BILEVEL_CUDA_HOST_SOURCES ${PROJECT_SOURCE_DIR}/kernels/machine/cuda/regime.cpp)
_bilevel_cuda_objects(bilevel_cuda_host "${BILEVEL_CUDA_KERNEL_ARCHITECTURES}" ${BILEVEL_CUDA_HOST_SOURCES} ${BILEVEL_CUDA_SINGLE_SOURCES})
list(APPEND BILEVEL_CUDA_TARGETS bilevel_cuda_host)

set(cuda_objects)
foreach(target IN LISTS BILEVEL_CUDA_TARGETS)
  list(APPEND cuda_objects $<TARGET_OBJECTS:${target}>)
endforeach()

set(cuda_map ${PROJECT_SOURCE_DIR}/csrc/cuda/libbilevel_cuda.map)
# A plugin file libbilevel_cuda.so from all objects and a CUDA runtime.
function(_bilevel_cuda_plugin target)
  add_library(${target} MODULE ${cuda_objects})
  target_link_libraries(${target} PRIVATE ${ARGN} Threads::Threads ${CMAKE_DL_LIBS})
  target_link_options(${target} PRIVATE -Wl,--version-script=${cuda_map} -Wl,--no-undefined -Wl,-z,now -Wl,-z,nodelete
                                        -Wl,--exclude-libs,ALL)
  set_target_properties(
    ${target} PROPERTIES PREFIX lib OUTPUT_NAME bilevel_cuda LINKER_LANGUAGE CXX LINK_DEPENDS ${cuda_map}
                         CUDA_RUNTIME_LIBRARY None CUDA_RESOLVE_DEVICE_SYMBOLS OFF CUDA_ARCHITECTURES OFF)
endfunction()

_bilevel_cuda_plugin(bilevel_cuda ${BILEVEL_CUDART_STATIC} rt)
if(BILEVEL_INSTALL)
  install(TARGETS bilevel_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT bilevel_cuda)
endif()

if(BILEVEL_BUILD_TESTS)
  set(PTXEMU_BUILD_TESTS ON)
  add_subdirectory(tests/ptxemu)
  _bilevel_cuda_plugin(bilevel_cuda_emulated cudart_emu_shared)
  set_target_properties(bilevel_cuda_emulated PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/emulated)
endif()
