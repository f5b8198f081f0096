# SPDX-License-Identifier: Apache-2.0
# oneDNN is never linked: its headers are looked for here, its library at run time. scripts/setup
# puts both under build/onednn.

include_guard()
include(GNUInstallDirs)

set(WICK_ONEDNN_ROOT "${PROJECT_SOURCE_DIR}/build/onednn" CACHE PATH "Where oneDNN was unpacked")
set(wick_onednn_library "${WICK_ONEDNN_ROOT}/lib/libdnnl.so.3")
option(WICK_INSTALL_ONEDNN "Install the fetched oneDNN beside the library" ON)
find_path(wick_onednn_include oneapi/dnnl/dnnl.h HINTS "${WICK_ONEDNN_ROOT}/include")
if(wick_onednn_include)
  file(STRINGS "${wick_onednn_include}/oneapi/dnnl/dnnl_version.h" wick_onednn_major
       REGEX "^#define DNNL_VERSION_MAJOR 3$")
endif()

# Compiles the room's kernels into `target` where the headers are those of version 3.
function(wick_use_onednn target)
  if(NOT wick_onednn_major)
    message(STATUS "oneDNN 3 headers not found: built without (scripts/setup should fetches them)")
    return()
  endif()
  target_compile_definitions(${target} PRIVATE WICK_HAVE_ONEDNN
                             "WICK_LIBRARY_FOLDER=\"${CMAKE_INSTALL_LIBDIR}\"")
  target_include_directories(${target} SYSTEM PRIVATE ${wick_onednn_include})
  target_link_libraries(${target} PRIVATE ${CMAKE_DL_LIBS})
  if(EXISTS "${wick_onednn_library}")
    # Where programs of the build folder look, as installed ones do beside libwick.
    file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR}/wick")
    file(CREATE_LINK "${wick_onednn_library}"
         "${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR}/wick/libdnnl.so.3" SYMBOLIC)
  endif()
endfunction()
