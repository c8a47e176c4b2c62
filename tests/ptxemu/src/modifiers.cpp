// SPDX-License-Identifier: Apache-2.0
//
// Which parts an opcode may have ("ld.global.nc.v4.f32": global, nc, v4) for this emulator to execute it as PTX says. An instruction
// with any other part is refused, so that nothing is parsed and then ignored by oversight. Parts that are listed and have no effect
// are those that cannot change a result here: caching, ordering and scope (execution is sequentially consistent), .sync, .aligned.
#include "decode.h"

namespace ptxemu {

using Parts = std::set<std::string>;

static Parts operator|(Parts a, const Parts &b) {
  a.insert(b.begin(), b.end());
  return a;
}

static const std::map<std::string, Parts> &accepted_parts() {
  static const Parts rounding = {"rn", "rz", "rm", "rp"}, flush = {"ftz"}, approximate = {"approx"};
  static const Parts arithmetic = rounding | flush | Parts{"sat"};
  static const Parts scope = {"cta", "cluster", "gpu", "sys"},
                     order = {"relaxed", "acquire", "release", "acq_rel", "sc"};
  static const Parts spaces = {"global", "shared", "shared::cta", "shared::cluster", "local"};
  static const Parts param = {"param", "param::entry", "param::func"}, vector = {"v2", "v4"};
  static const Parts caching = {"ca", "cg", "cs", "lu", "cv", "wb", "wt"};
  static const Parts access = scope | order | spaces | param | vector | caching | Parts{"weak", "volatile", "mmio"};
  static const Parts atomic =
      scope | order | spaces | Parts{"add", "min", "max", "exch", "cas", "inc", "dec", "and", "or", "xor"};
  static const Parts comparison = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "lo",  "ls",  "hi", "hs", "equ",
                                   "neu", "ltu", "leu", "gtu", "geu", "num", "nan", "and", "or", "xor"};
  static const Parts barrier = {"sync", "arrive", "red", "popc", "and", "or", "aligned", "warp", "cta"};
  static const std::map<std::string, Parts> m = {
      {"add", arithmetic | Parts{"cc"}},
      {"sub", arithmetic | Parts{"cc"}},
      {"addc", {"cc"}},
      {"subc", {"cc"}},
      {"mul", arithmetic | Parts{"lo", "hi", "wide"}},
      {"mad", arithmetic | Parts{"lo", "hi", "wide", "cc"}},
      {"madc", {"lo", "hi", "cc"}},
      {"fma", arithmetic},
      {"mul24", {"lo"}},
      {"sad", {}},
      {"div", rounding | flush | approximate | Parts{"full"}},
      {"rem", {}},
      {"min", flush},
      {"max", flush},
      {"neg", flush},
      {"abs", flush},
      {"copysign", {}},
      {"rcp", rounding | flush | approximate},
      {"sqrt", rounding | flush | approximate},
      {"rsqrt", flush | approximate},
      {"ex2", flush | approximate},
      {"lg2", flush | approximate},
      {"sin", flush | approximate},
      {"cos", flush | approximate},
      {"tanh", approximate},
      {"testp", {"finite", "infinite", "number", "notanumber", "normal", "subnormal"}},
      {"set", comparison},
      {"setp", comparison},
      {"selp", {}},
      {"slct", {}},
      {"and", {}},
      {"or", {}},
      {"xor", {}},
      {"not", {}},
      {"cnot", {}},
      {"shl", {}},
      {"shr", {}},
      {"shf", {"l", "r", "clamp", "wrap"}},
      {"lop3", {}},
      {"prmt", {}},
      {"bfe", {}},
      {"bfi", {}},
      {"popc", {}},
      {"clz", {}},
      {"brev", {}},
      {"bfind", {"shiftamt"}},
      {"mov", {}},
      {"cvt", rounding | flush | Parts{"rni", "rzi", "rmi", "rpi", "rna", "sat"}},
      {"cvta", spaces | param | Parts{"to", "const"}},
      {"isspacep", {"global", "shared", "shared::cta", "local"}},
      {"mapa", {"shared::cluster"}},
      {"getctarank", {"shared::cluster"}},
      {"ld", access | Parts{"nc", "const"}},
      {"ldu", {"global", "v2", "v4"}},
      {"st", access},
      {"atom", atomic},
      {"red", atomic},
      {"cp", {"async", "ca", "cg", "shared", "shared::cta", "global", "commit_group", "wait_group", "wait_all"}},
      {"membar", scope | Parts{"gl"}},
      {"fence", scope | order},
      {"prefetch", {"global", "local", "L1", "L2"}},
      {"prefetchu", {"L1"}},
      {"discard", {"global"}},
      {"applypriority", {"global"}},
      {"shfl", {"sync", "up", "down", "bfly", "idx"}},
      {"vote", {"sync", "ballot", "any", "all", "uni"}},
      {"match", {"sync", "any", "all"}},
      {"redux", {"sync", "add", "min", "max", "and", "or", "xor"}},
      {"activemask", {}},
      {"bar", barrier},
      {"barrier", barrier | order | Parts{"cluster", "wait"}},
      {"mma", {"sync", "aligned", "m16n8k8", "m8n8k4", "row", "col"}},
      {"bra", {"uni"}},
      {"brx", {"idx", "uni"}},
      {"call", {"uni"}},
      {"ret", {"uni"}},
      {"exit", {}},
      {"trap", {}},
      {"brkpt", {}},
      {"nanosleep", {}}};
  return m;
}

void Decoder::check_parts() const {
  auto it = accepted_parts().find(o);
  if (it == accepted_parts().end()) perr(line, "unsupported instruction " + op);
  for (size_t k = 1; k < d.size(); ++k) {
    const std::string &part = d[k];
    if (Ty y = ty(part); y.sz && y.sz <= 8) continue;
    const bool hint = part.rfind("L1::", 0) == 0 || part.rfind("L2::", 0) == 0;  // where to cache
    const bool may_hint =
        o == "ld" || o == "st" || o == "cp" || o == "prefetch" || o == "discard" || o == "applypriority";
    if (hint && may_hint) continue;
    if (!it->second.count(part)) perr(line, "unsupported part '" + part + "' of instruction " + op);
  }
}

}  // namespace ptxemu
