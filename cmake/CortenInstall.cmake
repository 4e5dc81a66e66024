# `cmake --install`: the command, the layer libraries, the public headers and a pkg-config file.
install(TARGETS corten_cli_main RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
set(layers base sys spec plan host proto cgroup hooks stage runtime)
foreach(layer IN LISTS layers)
  install(TARGETS corten_${layer} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endforeach()
install(DIRECTORY "${CMAKE_SOURCE_DIR}/include/corten" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_file("${CMAKE_SOURCE_DIR}/cmake/corten.pc.in" "${CMAKE_BINARY_DIR}/corten.pc" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/corten.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
