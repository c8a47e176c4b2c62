#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# check_kernel_symbols.sh LEVEL OBJECT...: an object that is compiled for an ISA level (v2, v3, v4) defines visible symbols, weak ones
# included, in namespace bilevel::LEVEL only. Any other, say a member of std::vector, could be merged by the linker with the copy of
# baseline code, which would then run instructions that an older CPU does not have. It may call nothing but its own namespace and
# the memory functions of libc: no exception, no thread, no libm (whose results differ between machines). malloc serves the
# measuring of a workspace, when a plan is made.
set -eu
export LC_ALL=C
level=$1
shift
[ $# -gt 0 ] || { echo "no objects given"; exit 1; }

# Mangled names: prefixes for vtables, guards, local entities; then the nested name that begins with bilevel::LEVEL.
own="_Z(TV|TI|TS|TT|GV|GR|TW|TH|Z)*N[KVrRO]*7bilevel${#level}${level}"
calls='malloc|free|mem(cpy|move|set|cmp)|bcmp|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__tls_get_addr'

result=0 defined=0
for object in "$@"; do
  symbols=$(nm --defined-only --extern-only "$object" | awk '{ print $NF }')
  if [ -n "$symbols" ]; then
    defined=$((defined + $(printf '%s\n' "$symbols" | wc -l)))
    foreign=$(printf '%s\n' "$symbols" | grep -vE "^$own" || true)
    [ -z "$foreign" ] || { printf '%s defines outside bilevel::%s:\n%s\n' "$object" "$level" "$foreign" | c++filt; result=1; }
  fi
  foreign=$(nm --undefined-only "$object" | awk '{ print $NF }' | grep -vE "^($own.*|$calls)\$" || true)
  [ -z "$foreign" ] || { printf '%s calls:\n%s\n' "$object" "$foreign" | c++filt; result=1; }
done
[ "$defined" -gt 0 ] || { echo "no symbol is defined by $*"; result=1; }
exit $result
