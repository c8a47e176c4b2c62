#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_includes.sh ROOT: nothing knows what is above it. A file includes its own folder and those below it in the stacks here, which
# are written from the ground up; folders of one level may include one another.
set -eu
cd "$1"

awk '
  function folder_of(path,   parts, n) {
    n = split(path, parts, "/")
    if (parts[1] == "include") return "include"
    if (parts[1] == "capi") return "capi"
    return n > 2 ? parts[1] "/" parts[2] : parts[1]
  }
  function allow(from, to) { allowed[from, to] = 1; known[from] = known[to] = 1 }
  function stack(text,   levels, own, below, i, j, a, b, n, m, k) {
    n = split(text, levels, "<")
    for (i = 1; i <= n; i++) {
      m = split(levels[i], own, " ")
      for (j = 1; j <= i; j++) {
        k = split(levels[j], below, " ")
        for (a = 1; a <= m; a++) for (b = 1; b <= k; b++) allow(own[a], below[b])
      }
    }
  }
  BEGIN {
    stack("include < kernels/contract < kernels/machine < kernels/models < kernels/task < kernels/interpreter < kernels/special")
    stack("include < kernels/contract < csrc/support < csrc/methods < csrc/spec < csrc/plan csrc/run csrc/device < capi")
    # The host side of the plugin is a library of its own.
    stack("include < kernels/contract < csrc/cuda")
    while ((getline path < "-") > 0) {
      from = folder_of(path)
      if (!(from in known)) { printf "%s: the folder %s is in no list of check_includes.sh\n", path, from; bad = 1; continue }
      line = 0
      while ((getline text < path) > 0) {
        line++
        if (text !~ /^[ \t]*#[ \t]*include[ \t]*[<"]/) continue
        target = text
        sub(/^[^<"]*[<"]/, "", target)
        sub(/[>"].*/, "", target)
        if (target ~ /^bilevel\//) target = "include/" target
        if (target !~ /^(include|capi|csrc|kernels|tests|bench|examples)\//) continue
        arrows++
        to = folder_of(target)
        if ((from, to) in allowed) continue
        printf "%s:%d: %s must not include %s (%s)\n", path, line, from, to, target
        bad = 1
      }
      close(path)
    }
    printf "%d includes between folders\n", arrows
    exit bad || arrows < 100
  }' <<END
$(find include capi csrc kernels -type f \( -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.cpp' -o -name '*.cu' \) | sort)
END
