// SPDX-License-Identifier: Apache-2.0
//
// What the symbol check of kernel objects must reject: members of a standard template are emitted as weak symbols outside the
// level's namespace, and they allocate. Compiled, never linked.
#include <vector>

template class std::vector<double>;
