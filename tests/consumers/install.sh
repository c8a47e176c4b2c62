#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# install.sh CMAKE BUILD CONFIG STAGING PREFIX: installs the library and then moves the tree, so that whatever consumes it shows that the
# package may be moved.
set -eu
cmake=$1 build=$2 config=$3 staging=$4 prefix=$5
rm -rf "$staging" "$prefix"
"$cmake" --install "$build" --config "$config" --prefix "$staging"
mv "$staging" "$prefix"
if grep -rlF "$staging" "$prefix" --include='*.cmake' --include='*.pc'; then
  echo "these files name the folder of the installation"
  exit 1
fi
