#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_exports.sh LIBRARY HEADER BASELINE: the library exports the symbols of the baseline and no other, all in one version node,
# and the header declares each of them. The name by which programs load it carries the major number of the ABI.
set -eu
export LC_ALL=C
library=$1 header=$2 baseline=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort >"$work/versioned"
sed 's/@.*//' "$work/versioned" >"$work/exported"
sort "$baseline" >"$work/baseline"
grep -oE '^BLV_API .*' "$header" | grep -oE 'blv_[a-z_]+\(' | tr -d '(' | sort >"$work/declared"

result=0
diff -u "$work/baseline" "$work/exported" || { echo "exported symbols (+) differ from $baseline (-)"; result=1; }
diff -u "$work/baseline" "$work/declared" || { echo "declared functions (+) differ from $baseline (-)"; result=1; }
if grep -v '@@BILEVEL_0$' "$work/versioned"; then
  echo "these symbols are not of version BILEVEL_0"
  result=1
fi
objdump -p "$library" | grep -qE '^ +SONAME +libbilevel\.so\.0$' || { echo "SONAME is not libbilevel.so.0"; result=1; }
[ -s "$work/exported" ] || { echo "nothing is exported"; result=1; }
exit $result
