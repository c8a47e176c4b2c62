# SPDX-License-Identifier: Apache-2.0
#
# `cmake --install`: library, headers, a CMake package (find_package(bilevel 0.1)) and a pkg-config file, all relocatable.
include(CMakePackageConfigHelpers)

install(
  TARGETS bilevel
  EXPORT bilevel
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT bilevel_runtime NAMELINK_COMPONENT bilevel_development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/bilevel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        COMPONENT bilevel_development FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bilevel)
install(EXPORT bilevel NAMESPACE bilevel:: FILE bilevel-config.cmake DESTINATION ${package_dir}
        COMPONENT bilevel_development)
# While the major version is 0, a minor version may break the API.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bilevel-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/bilevel-config-version.cmake DESTINATION ${package_dir}
        COMPONENT bilevel_development)

# The prefix in bilevel.pc is relative to the file, so that the installed tree may be moved.
file(RELATIVE_PATH BILEVEL_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${PROJECT_SOURCE_DIR}/cmake/bilevel.pc.in ${PROJECT_BINARY_DIR}/bilevel.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/bilevel.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT bilevel_development)
