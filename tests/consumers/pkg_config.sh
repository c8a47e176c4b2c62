#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# pkg_config.sh PREFIX LIBDIR VERSION CC CXX BUILD: compiles and runs the consumers with the flags that an installed bilevel.pc gives.
set -eu
prefix=$1 libdir=$2 version=$3 cc=$4 cxx=$5 build=$6
here=$(dirname "$0")
export PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig"
mkdir -p "$build"

[ "$(pkg-config --modversion bilevel)" = "$version" ] || { echo "version is not $version"; exit 1; }
if pkg-config --exists 'bilevel >= 99'; then echo "bilevel passed for version 99"; exit 1; fi
# shellcheck disable=SC2046 # flags are words
"$cc" -std=c11 $(pkg-config --cflags bilevel) "$here/evaluate.c" -o "$build/consumer_c" $(pkg-config --libs bilevel)
# shellcheck disable=SC2046
"$cxx" -std=c++20 $(pkg-config --cflags bilevel) "$here/evaluate.cpp" -o "$build/consumer_cpp" $(pkg-config --libs bilevel)
LD_LIBRARY_PATH="$prefix/$libdir" "$build/consumer_c"
LD_LIBRARY_PATH="$prefix/$libdir" "$build/consumer_cpp"
