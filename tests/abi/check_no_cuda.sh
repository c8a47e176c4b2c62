#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_no_cuda.sh COMPILER INCLUDE: no installed header, but for its comments and texts, knows a word of CUDA or includes anything but
# the standard library and its own folder, so that programs which use a device compile without the toolkit.
set -eu
export LC_ALL=C
compiler=$1 include=$2
headers=$(find "$include" -name '*.h' -o -name '*.hpp')
[ -n "$headers" ] || { echo "no headers in $include"; exit 1; }
result=0
for header in $headers; do
  # Directives are kept, comments are not.
  code=$("$compiler" -x c++ -w -fpreprocessed -dD -E -P "$header" | sed 's/"[^"]*"//g')
  [ -n "$code" ] || { echo "$header: nothing is left of it"; result=1; }
  if printf '%s\n' "$code" | grep -niE 'cuda|__global__|__device__|__host__'; then echo "$header: knows CUDA"; result=1; fi
  if grep -E '^[[:space:]]*#[[:space:]]*include' "$header" | grep -vE '<(bilevel/[a-z/]+\.hp*|stdint\.h|[a-z_]+)>'; then
    echo "$header: these includes are not allowed"
    result=1
  fi
done
exit $result
