#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_includes_rejects.sh ROOT CHECK: the check of includes names each include that is forbidden in a copy of the tree.
set -eu
root=$1 check=$2
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
(cd "$root" && tar -cf - include capi csrc kernels) | tar -xf - -C "$tree"
result=0

# forbid FILE HEADER FROM TO: with HEADER in FILE the check fails and says which folders these are.
forbid() {
  cp "$tree/$1" "$tree/saved"
  echo "#include \"$2\"" >>"$tree/$1"
  if said=$(sh "$check" "$tree"); then
    echo "$1 includes $2, and the check accepts it"
    result=1
  elif ! printf '%s\n' "$said" | grep -qF "$1:$(wc -l <"$tree/$1"): $3 must not include $4 ($2)"; then
    printf '%s includes %s, and the check says: %s\n' "$1" "$2" "$said"
    result=1
  fi
  mv "$tree/saved" "$tree/$1"
}
sh "$check" "$tree" >/dev/null || { echo "the tree itself is refused"; exit 1; }
forbid kernels/contract/slot.h kernels/machine/machine.h kernels/contract kernels/machine
forbid kernels/machine/jet.h kernels/models/losses.h kernels/machine kernels/models
forbid kernels/models/network.h kernels/task/parts.h kernels/models kernels/task
forbid kernels/task/parts.h kernels/interpreter/interpreter.h kernels/task kernels/interpreter
forbid kernels/interpreter/interpreter.h kernels/special/allow.h kernels/interpreter kernels/special
forbid kernels/task/parts.h csrc/support/names.h kernels/task csrc/support
forbid csrc/support/names.h csrc/methods/method.h csrc/support csrc/methods
forbid csrc/methods/method.h csrc/spec/validate.h csrc/methods csrc/spec
forbid csrc/spec/span.h csrc/run/context.h csrc/spec csrc/run
forbid csrc/plan/plan.h kernels/machine/machine.h csrc/plan kernels/machine
forbid csrc/run/execute.h capi/guard.h csrc/run capi
forbid csrc/cuda/planner.h csrc/plan/plan.h csrc/cuda csrc/plan
forbid include/bilevel/bilevel.h kernels/contract/slot.h include kernels/contract

mkdir "$tree/kernels/stray"
echo >"$tree/kernels/stray/stray.h"
sh "$check" "$tree" | grep -qF "kernels/stray is in no list" || { echo "a folder in no list is accepted"; result=1; }
exit $result
