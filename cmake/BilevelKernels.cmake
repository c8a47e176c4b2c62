# SPDX-License-Identifier: Apache-2.0
#
# The kernel sources, each compiled once per ISA level x dtype x layout, in a namespace of its own (bilevel::v2, ::v3, ::v4), and
# the flags of one ISA level, which unit tests of kernel headers share. A new kernel is one line in BILEVEL_KERNEL_SOURCES.
#
# -fno-math-errno and -fno-trapping-math let the compiler use the machine's square roots, and both sides of a select; they change no
# value, unlike -ffast-math. -ffp-contract=fast allows FMA within one level. Kernels neither throw nor ask for a type at run time,
# which also keeps vague-linkage code of the standard library out of them (see tests/abi).

set(BILEVEL_KERNEL_SOURCES ${PROJECT_SOURCE_DIR}/kernels/interpreter/cpu/interpreter.cpp)
set(BILEVEL_KERNEL_LAYOUTS tasks rows)
set(BILEVEL_KERNEL_DTYPES f32 f64)
set(BILEVEL_ISA_LEVELS v2 v3 v4)

set(BILEVEL_SCALAR_f32 float)
set(BILEVEL_SCALAR_f64 double)
set(BILEVEL_PACK_BYTES_v2 16)
set(BILEVEL_PACK_BYTES_v3 32)
set(BILEVEL_PACK_BYTES_v4 64)

# Compiles `target` for one ISA level, with the macros that the kernels expect.
function(bilevel_isa_level target level)
  string(SUBSTRING ${level} 1 -1 number)
  target_compile_options(
    ${target}
    PRIVATE -march=x86-64-${level} -fno-math-errno -fno-trapping-math -ffp-contract=fast
            $<$<NOT:$<OR:$<CONFIG:Debug>,$<BOOL:${BILEVEL_SANITIZE}>>>:-O3>)
  target_compile_definitions(${target} PRIVATE BLV_ISA_NAMESPACE=${level} BLV_ISA_LEVEL=${number}
                                               BLV_PACK_BYTES=${BILEVEL_PACK_BYTES_${level}})
endfunction()

set(BILEVEL_KERNEL_TARGETS)
foreach(level IN LISTS BILEVEL_ISA_LEVELS)
  foreach(dtype IN LISTS BILEVEL_KERNEL_DTYPES)
    foreach(layout IN LISTS BILEVEL_KERNEL_LAYOUTS)
      set(target bilevel_kernels_${level}_${dtype}_${layout})
      add_library(${target} OBJECT ${BILEVEL_KERNEL_SOURCES})
      bilevel_defaults(${target})
      bilevel_isa_level(${target} ${level})
      target_compile_options(${target} PRIVATE -fno-plt -fno-exceptions -fno-rtti)
      target_compile_definitions(${target} PRIVATE BLV_KERNEL_SCALAR=${BILEVEL_SCALAR_${dtype}} BLV_KERNEL_DTYPE=${dtype}
                                                   BLV_KERNEL_LAYOUT=${layout})
      set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
      list(APPEND BILEVEL_KERNEL_TARGETS ${target})
    endforeach()
  endforeach()
endforeach()
