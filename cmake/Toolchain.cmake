# Compiler flags, sanitizers, ccache.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g -D_GLIBCXX_ASSERTIONS")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What one checkout compiled, another takes; and precompiled headers are told apart by their contents.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()

add_library(fairlead_flags INTERFACE)
target_compile_options(fairlead_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wformat=2
  -Wimplicit-fallthrough -Wmissing-declarations -fno-omit-frame-pointer -fstack-protector-strong -pthread)
target_include_directories(fairlead_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND FL_SANITIZE)
  # g++ 12 reports false positives of these when a sanitizer changes inlining.
  target_compile_options(fairlead_flags INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow)
endif()
if(FL_DCHECKS OR CMAKE_BUILD_TYPE STREQUAL "Debug" OR FL_SANITIZE)
  target_compile_definitions(fairlead_flags INTERFACE FL_DCHECKS=1)
endif()
if(FL_SANITIZE)
  add_compile_options(-fsanitize=${FL_SANITIZE} -fno-sanitize-recover=all -g1)  # -g1: the lines of a stack, and half the time to compile.
  if(FL_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize=vptr)  # It looks into memory through a pipe, and calls every object bad where descriptors have run out.
  endif()
  if(FL_SANITIZE MATCHES "thread")
    # TSan knows no fences. Asio's come beside its mutexes and can go; liburing's are between this process and the kernel.
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
    add_compile_options(-Wno-tsan)
  endif()
  add_link_options(-fsanitize=${FL_SANITIZE})
endif()

if(FL_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "FL_FUZZ needs clang (cmake --preset fuzz)")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# For the tests; not __FILE__: a compiler cache may make it relative.
configure_file(${CMAKE_SOURCE_DIR}/cmake/source_dir.h.in ${CMAKE_BINARY_DIR}/generated/generated/source_dir.h @ONLY)
configure_file(${CMAKE_SOURCE_DIR}/cmake/version.h.in ${CMAKE_BINARY_DIR}/generated/generated/version.h @ONLY)
