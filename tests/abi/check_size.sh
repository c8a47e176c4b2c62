#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_size.sh LIBRARY BYTES: the file is smaller than so many bytes.
set -eu
size=$(stat -L -c %s "$1")
echo "$1: $size bytes, limit $2"
[ "$size" -lt "$2" ]
