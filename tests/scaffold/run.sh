#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh SOURCE SCRATCH CXX CMAKE GENERATOR: scripts/new in a copy of the tree, one of each kind; what it refuses, and that a refusal
# writes nothing; then one build of the library, and check.cpp and the tests of the ABI on it.
set -eu
source=$1 scratch=$2 cxx=$3 cmake=$4 generator=$5
tree=$scratch/tree build=$scratch/build

# The build folder stays, and the tree keeps its place, so that ccache knows what it has compiled.
rm -rf "$tree"
mkdir -p "$tree" "$build"
cd "$source"
git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -xf - -C "$tree"
cd "$tree"
git init -q
git add -A

fail() { echo "scaffold: $*"; exit 1; }
# refuse WORDS ARGUMENTS...: exit status 2, a message with the words, and no file touched.
refuse() {
  words=$1
  shift
  status=0
  said=$(scripts/new "$@" 2>&1) || status=$?
  [ $status -eq 2 ] || fail "scripts/new $* ends with $status: $said"
  printf '%s' "$said" | grep -qF "$words" || fail "scripts/new $* says: $said"
  if git status --porcelain | grep -v '^A '; then fail "scripts/new $* has written"; fi
}

scripts/new --check || fail "a skeleton is left in the tree itself"
refuse "usage: scripts/new KIND NAME"
refuse "accepted: optimiser, loss, activation, leaf, method, solver, model" kernel neumann
for name in Nesterov 9lives two__words _x x_ class "a b" "" "../x" a_name_of_more_than_thirty_characters; do
  refuse "the name is '$name'; accepted: lower-case words" optimiser "$name"
done
refuse "has BLV_HEAVY_BALL already" optimiser heavy_ball
refuse "has BLV_TANH already" loss tanh

for kind in optimiser loss activation leaf method solver model; do
  said=$(scripts/new "$kind" "sketch_$kind") || fail "scripts/new $kind: $said"
  printf '%s\n' "$said"
  # Files with marks to fill: CONTRIBUTING.md says how many.
  case $kind in method | solver) most=2 ;; *) most=3 ;; esac
  files=$(printf '%s\n' "$said" | sed -n 's/^  \[ \] \([^: ]*\):[0-9]*: .*/\1/p' | sort -u | wc -l)
  if [ "$files" -lt 1 ] || [ "$files" -gt $most ]; then fail "$kind: $files files to fill; accepted: 1 to $most"; fi
  git add -A
  refuse "already" "$kind" "sketch_$kind"
done
if scripts/new --check >/dev/null; then fail "--check finds no mark of the skeletons"; fi

CCACHE_BASEDIR=$tree
export CCACHE_BASEDIR
"$cmake" -S "$tree" -B "$build" -G "$generator" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$cxx" -DBILEVEL_WERROR=ON \
  -DBILEVEL_BUILD_EXAMPLES=OFF >"$scratch/configure.log" 2>&1 || { cat "$scratch/configure.log"; fail "configure"; }
"$cmake" --build "$build" --parallel 2 --target bilevel abi_header abi_layout >"$scratch/build.log" 2>&1 ||
  { grep -E 'error|FAILED' -A5 "$scratch/build.log" || tail -30 "$scratch/build.log"; fail "build"; }
"$build/tests/abi/abi_layout"
"$build/tests/abi/abi_header" >"$scratch/header.log" || { cat "$scratch/header.log"; fail "tests/abi/header_test.cpp"; }
"$cxx" -std=c++20 -Wall -Wextra -Werror -I"$tree/include" "$source/tests/scaffold/check.cpp" -L"$build" -lbilevel \
  -Wl,-rpath,"$build" -o "$scratch/check"
"$scratch/check"
