#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_text.sh ROOT: links between the repository's texts lead to files that exist; the architecture picture names every folder of
# the source tree, and only folders that exist.
set -eu
cd "$1"
result=0

texts=$(ls ./*.md docs/*.md docs/*/*.md)
for text in $texts; do
  for link in $(awk '/^```/ { code = !code; next } !code' "$text" | grep -oE '\]\([^)# ]+' | cut -c3- | grep -vE '^(https?|mailto):' || true); do
    [ -e "$(dirname "$text")/$link" ] || { echo "$text: no such file: $link"; result=1; }
  done
done

picture=docs/architecture.svg
named=$(grep -oE 'data-folder="[^"]+"' "$picture" | cut -d'"' -f2)
[ -n "$named" ] || { echo "$picture names no folder"; exit 1; }
for folder in $named; do
  [ -d "$folder" ] || { echo "$picture: no such folder: $folder"; result=1; }
  grep -qF ">$folder</text>" "$picture" || { echo "$picture: $folder is not written out"; result=1; }
done
for folder in include/* */ csrc/*/ kernels/*/; do
  folder=${folder%/}
  case $folder in build* | include) continue ;; esac
  if git check-ignore -q "$folder" 2>/dev/null; then continue; fi
  printf '%s\n' "$named" | grep -qx "$folder" || { echo "$picture: folder $folder is missing"; result=1; }
done
exit $result
