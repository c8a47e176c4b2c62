#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_plugin.sh PLUGIN: libbilevel_cuda.so as it ships exports its table of functions and nothing else, and needs no CUDA library:
# the runtime is inside, the driver is opened by it when there is one.
set -eu
plugin=$1
exported=$(nm -D --defined-only "$plugin" | awk '{ print $3 }')
if [ "$exported" != bilevel_cuda_backend ]; then
  echo "$plugin exports, instead of bilevel_cuda_backend alone:"
  echo "$exported"
  exit 1
fi
needed=$(readelf -d "$plugin" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p')
for library in $needed; do
  case $library in
    libc.so.* | libm.so.* | libstdc++.so.* | libgcc_s.so.* | libdl.so.* | librt.so.* | libpthread.so.* | ld-linux-x86-64.so.*) ;;
    *) echo "$plugin needs $library"; exit 1 ;;
  esac
done
if readelf -d "$plugin" | grep -E 'RPATH|RUNPATH'; then
  echo "$plugin has a search path of the machine that built it"
  exit 1
fi
echo "$plugin: exports and dependencies are as they should be"
