# SPDX-License-Identifier: Apache-2.0
#
# extract.awk -v prefix=P FILE.md: writes every fenced block whose language is `c` or `cpp` to P_<number>.<language>, with #line, so that
# the compiler's messages point into the text, and prints the names written. A block of the language `cuda` is a C++ program that uses the
# CUDA runtime: P_<number>_cuda.cpp. A block of the language `output` goes to
# P_<number>.output: lines that the program before it must print.
/^```/ {
  if (inside) { inside = 0; if (out != "") close(out); out = ""; next }
  inside = 1
  language = substr($0, 4)
  if (language == "c" || language == "cpp" || language == "cuda") {
    ending = language == "cuda" ? "_cuda.cpp" : "." language
    out = prefix "_" ++number ending
    print out
    printf "#line %d \"%s\"\n", FNR + 1, FILENAME > out
  } else if (language == "output") {
    out = prefix "_" number (ending == "_cuda.cpp" ? "_cuda" : "") ".output"
  }
  next
}
inside && out != "" { print > out }
