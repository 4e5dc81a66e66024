# corten_library(NAME SHARED ARCHIVE): the interface target NAME, which is the system library as an archive in
# static builds and as found by pkg-config otherwise.
function(corten_library name shared archive)
  add_library(${name} INTERFACE)
  if(CORTEN_STATIC)
    find_library(${name}_ARCHIVE ${archive} REQUIRED)
    target_link_libraries(${name} INTERFACE ${${name}_ARCHIVE})
  else()
    target_link_libraries(${name} INTERFACE ${shared})
  endif()
endfunction()

# corten_layer(NAME [USES layer...] [LINKS library...]): the static library corten_NAME from src/NAME.
function(corten_layer name)
  cmake_parse_arguments(ARG "" "" "USES;LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${name}/*.cc")
  add_library(corten_${name} STATIC ${sources})
  set_target_properties(corten_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(corten_${name} PUBLIC "${CMAKE_SOURCE_DIR}/include"
                             PRIVATE "${CMAKE_SOURCE_DIR}/src/${name}")
  target_link_libraries(corten_${name} PUBLIC corten_options)
  foreach(used IN LISTS ARG_USES)
    target_link_libraries(corten_${name} PUBLIC corten_${used})
  endforeach()
  if(ARG_LINKS)
    target_link_libraries(corten_${name} PRIVATE ${ARG_LINKS})
  endif()
endfunction()

# corten_fast(FILE...): compiled for speed in a release: loops whose length the input decides.
function(corten_fast)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O2)
  endif()
endfunction()
