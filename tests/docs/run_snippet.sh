#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run_snippet.sh PROGRAM OUTPUT: the program succeeds, and prints each line of the file OUTPUT (if there is one) as a whole line.
set -eu
printed=$("$1")
printf '%s\n' "$printed"
[ -e "$2" ] || exit 0
while IFS= read -r line; do
  printf '%s\n' "$printed" | grep -qxF -e "$line" || { echo "the text says that it prints: $line"; exit 1; }
done <"$2"
