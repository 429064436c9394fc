# Compiler flags of our own code, carried by one target. Library headers are system headers and stay silent.
add_library(temper_settings INTERFACE)
target_include_directories(temper_settings INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
# nvcc hands the host's part of a .cu file to the compiler with lines of its own in it.
target_compile_options(temper_settings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow
                       -Wnon-virtual-dtor -Woverloaded-virtual -Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees overlapping and endless copies in `"text" + std::string(...)` where there are none (its bug 105651; the
  # second kind with precompiled headers alone).
  target_compile_options(temper_settings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict -Wno-stringop-overflow>)
endif()
# Results must not depend on which compiler fused which multiplication with which addition.
target_compile_options(temper_settings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)

# MPI's old C++ bindings would ask for a library of their own.
target_compile_definitions(temper_settings INTERFACE OMPI_SKIP_MPICXX=1 MPICH_SKIP_MPICXX=1)

if(TEMPER_SANITIZE)
  target_compile_options(temper_settings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${TEMPER_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all>)
  target_link_options(temper_settings INTERFACE -fsanitize=${TEMPER_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented, an empty std::optional looks as if what it does not hold were read.
    target_compile_options(temper_settings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
  endif()
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

configure_file(${PROJECT_SOURCE_DIR}/cmake/version.h.in ${PROJECT_BINARY_DIR}/generated/version.h @ONLY)

# What nearly every file includes is parsed once for each set of flags. The presets debug and clang do without, so that a file
# that forgot an include is found.
function(temper_precompile target)
  target_precompile_headers(${target} PRIVATE <algorithm> <array> <cmath> <cstdint> <filesystem> <functional> <map> <memory>
                            <optional> <span> <string> <string_view> <unordered_map> <vector> <fmt/format.h> ${ARGN})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endfunction()

# Compiled as one, several files pay once for what they include and instantiate alike: a first build takes about two
# thirds of the time, and a change of one file costs the whole unit. Kernels that Highway compiles once for each
# instruction set include themselves, and say which sets before anything of Highway is read: they stay alone.
set(TEMPER_FILES_IN_UNIT 1 CACHE STRING "Files of a floor that are compiled as one unit; 1: each alone")
function(temper_unite target)
  if(TEMPER_FILES_IN_UNIT LESS_EQUAL 1)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${TEMPER_FILES_IN_UNIT})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # To g++ every file of a unit is a header, whose classes may hold nothing from an unnamed namespace.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)
  endif()
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    file(STRINGS ${source} uses_highway REGEX "^#include .*(hwy/|vector_targets\\.h)" LIMIT_COUNT 1)
    if(uses_highway)
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
endfunction()
