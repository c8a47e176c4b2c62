#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_imports.sh LIBRARY ALLOWED: every undefined symbol of the library matches a line of ALLOWED (extended regular expressions of
# whole names; # begins a comment), and the library needs no other shared library than the C and C++ runtimes. What could make
# results depend on the machine beyond its ISA level, such as exp of libm, is absent from the list on purpose.
set -eu
export LC_ALL=C
library=$1 allowed=$2
patterns=$(mktemp)
trap 'rm -f "$patterns"' EXIT
sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$allowed" >"$patterns"

result=0
symbols=$(nm -D --undefined-only "$library" | awk '{ print $NF }' | sed 's/@.*//' | sort -u)
[ -n "$symbols" ] || { echo "nm finds no undefined symbol in $library: not a shared library?"; exit 1; }
if printf '%s\n' "$symbols" | grep -vxE -f "$patterns"; then
  echo "these undefined symbols are not allowed by $allowed"
  result=1
fi
needed=$(objdump -p "$library" | awk '$1 == "NEEDED" { print $2 }')
if printf '%s\n' "$needed" | sed '/^$/d' | grep -vxE 'lib(c|m|dl|stdc\+\+|gcc_s|pthread)\.so\.[0-9]+|ld-linux-x86-64\.so\.2'; then
  echo "these shared libraries are not allowed"
  result=1
fi
exit $result
