# SPDX-License-Identifier: Apache-2.0
# What `make install` puts where, and how outside programs find it: pkg-config and find_package.

include_guard()
include(CMakePackageConfigHelpers)

install(DIRECTORY include/wick DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS wick_static wick_shared EXPORT wick-targets)
if(TARGET wick)
  install(TARGETS wick)
endif()
install(FILES docs/man/wick.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES docs/completion/wick.bash RENAME wick
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES LICENSE THIRD_PARTY.md README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(WICK_INSTALL_ONEDNN AND EXISTS "${wick_onednn_library}")
  install(FILES "${wick_onednn_library}" DESTINATION ${CMAKE_INSTALL_LIBDIR}/wick)
  install(DIRECTORY "${WICK_ONEDNN_ROOT}/share/doc/onednn" DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
install(FILES examples/fashion.c DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

# The installed tree may be moved: wick.pc states its prefix relative to itself.
set(pkgconfig_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH prefix_from_pkgconfig "/prefix/${pkgconfig_folder}" "/prefix")
configure_file(cmake/wick.pc.in wick.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/wick.pc DESTINATION ${pkgconfig_folder})

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/wick)
install(EXPORT wick-targets NAMESPACE wick:: DESTINATION ${package_folder})
configure_package_config_file(cmake/wick-config.cmake.in wick-config.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(wick-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/wick-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/wick-config-version.cmake DESTINATION ${package_folder})

# Scripts for debuggers. gdb looks for one named after the library's file, under the library's path.
set(debugger_folder ${CMAKE_INSTALL_DATADIR}/wick/debugger)
install(FILES tools/debugger/wick_objects.py tools/debugger/wick_gdb.py tools/debugger/wick_lldb.py
        DESTINATION ${debugger_folder})
file(RELATIVE_PATH debugger_from_library "/prefix/${CMAKE_INSTALL_LIBDIR}"
     "/prefix/${debugger_folder}")
configure_file(tools/debugger/autoload.py.in autoload.py @ONLY)
# The prefix is known for certain only when installing.
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/autoload.py
        RENAME libwick.so.${PROJECT_VERSION}-gdb.py
        DESTINATION "share/gdb/auto-load/\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}")
