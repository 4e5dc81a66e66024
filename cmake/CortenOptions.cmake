# Compiler and linker settings shared by every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# For size: most of the code runs once, and what it costs then are the pages that it is spread over. The loops over
# config.json and seccomp rules are compiled for speed (CortenLayers.cmake).
set(CMAKE_CXX_FLAGS_RELEASE "-Os -DNDEBUG")

add_library(corten_options INTERFACE)
# No number is formatted for a locale: without fmt's separator from std::locale the binary does without a fifth of its size.
target_compile_definitions(corten_options INTERFACE _GNU_SOURCE FMT_HEADER_ONLY "FMT_STATIC_THOUSANDS_SEPARATOR=','")
target_compile_options(corten_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wimplicit-fallthrough
  $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  $<$<BOOL:${CORTEN_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees overlapping copies in std::string's assignments at -O2 and above (GCC bug 105651).
  target_compile_options(corten_options INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # TRY is a statement expression that is marked __extension__; clang's pedantic check ignores the mark.
  target_compile_options(corten_options INTERFACE -Wno-gnu-statement-expression)
endif()

if(CORTEN_SANITIZE)
  # The check of vptr opens a pipe: where descriptors are short or a filter says no, it reports good objects.
  target_compile_options(corten_options INTERFACE -fsanitize=${CORTEN_SANITIZE} -fno-sanitize=vptr
                         -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(corten_options INTERFACE -fsanitize=${CORTEN_SANITIZE})
endif()
if(CORTEN_FUZZ)
  target_compile_options(corten_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CORTEN_COVERAGE)
  target_compile_options(corten_options INTERFACE --coverage)
  target_link_options(corten_options INTERFACE --coverage)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(corten_options INTERFACE -fstack-protector-strong -fstack-clash-protection
                         -ffunction-sections -fdata-sections)
  target_compile_definitions(corten_options INTERFACE _FORTIFY_SOURCE=2 _GLIBCXX_ASSERTIONS)
  target_link_options(corten_options INTERFACE -Wl,-z,relro,-z,now -Wl,--gc-sections)
  include(CheckLinkerFlag)
  check_linker_flag(CXX "-static-pie;-Wl,-z,pack-relative-relocs" CORTEN_PACKED_RELOCATIONS)
endif()
