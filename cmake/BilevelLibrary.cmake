# SPDX-License-Identifier: Apache-2.0
#
# libbilevel.so: the C shims (capi), the host side (csrc) and the kernels of every ISA level. Only what the export map names is
# visible; every symbol it needs is resolved when it is linked, and it needs nothing but the C and C++ runtimes and threads.

# csrc/cuda is the plugin's host side, see BilevelCuda.cmake.
file(GLOB BILEVEL_HOST_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/capi/*.cpp ${PROJECT_SOURCE_DIR}/csrc/*/*.cpp
     ${PROJECT_SOURCE_DIR}/csrc/*/*/*.cpp)
list(FILTER BILEVEL_HOST_SOURCES EXCLUDE REGEX "/csrc/cuda/")

add_library(bilevel_host OBJECT ${BILEVEL_HOST_SOURCES})
bilevel_defaults(bilevel_host)
target_compile_options(bilevel_host PRIVATE -fno-plt)
target_compile_definitions(bilevel_host PRIVATE BLV_BACKEND_ABI="${BILEVEL_BACKEND_ABI}")
set_target_properties(bilevel_host PROPERTIES POSITION_INDEPENDENT_CODE ON)

set(BILEVEL_OBJECTS)
foreach(target IN LISTS BILEVEL_KERNEL_TARGETS ITEMS bilevel_host)
  list(APPEND BILEVEL_OBJECTS $<TARGET_OBJECTS:${target}>)
endforeach()

add_library(bilevel SHARED ${BILEVEL_OBJECTS})
add_library(bilevel::bilevel ALIAS bilevel)
bilevel_defaults(bilevel)
target_link_libraries(bilevel PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
target_include_directories(bilevel INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

set(export_map ${PROJECT_SOURCE_DIR}/capi/libbilevel.map)
# nodelete: the threads of a context that is alive run code of the library, so that a dlclose must not unmap it.
target_link_options(bilevel PRIVATE -Wl,--version-script=${export_map} -Wl,--no-undefined -Wl,-z,now -Wl,-z,nodelete)
set_target_properties(bilevel PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${BILEVEL_ABI_MAJOR}
                                         LINK_DEPENDS ${export_map} LINKER_LANGUAGE CXX)

# The same objects for tests of what the library hides.
add_library(bilevel_internal STATIC EXCLUDE_FROM_ALL ${BILEVEL_OBJECTS})
set_target_properties(bilevel_internal PROPERTIES LINKER_LANGUAGE CXX)
target_link_libraries(bilevel_internal PUBLIC Threads::Threads ${CMAKE_DL_LIBS})
