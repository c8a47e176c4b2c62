# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./check, ./demo and .ci/run: install_packages makes sure that Debian packages are there. It says what is missing before
# it installs anything, and installs nothing else. On systems without apt it only says what is needed.
# shellcheck shell=bash

# package_missing PACKAGE: whether dpkg does not have it installed.
package_missing() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" != installed ]
}

# install_packages CALLER PACKAGE...
install_packages() {
  local caller=$1 package
  local -a missing=() sudo=()
  shift
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "$caller: no apt on this system; going on, in the hope that it has what these Debian packages hold: $*"
    return 0
  fi
  for package in "$@"; do
    if package_missing "$package"; then missing+=("$package"); fi
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  if [ "${BILEVEL_NO_INSTALL:-0}" = 1 ]; then
    echo "$caller: these packages are missing and --no-install was given: ${missing[*]}" >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "$caller: these packages are missing, and installing them needs root or sudo: ${missing[*]}" >&2
      echo "$caller: as root, run: apt-get install ${missing[*]}" >&2
      return 1
    fi
    sudo=(sudo)
  fi
  echo "$caller: will install with apt-get: ${missing[*]}"
  "${sudo[@]}" apt-get update -qq >/dev/null || return 1
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
