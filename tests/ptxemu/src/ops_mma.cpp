// SPDX-License-Identifier: Apache-2.0
//
// Matrix multiply-accumulate (PTX 9.7.14): m16n8k8 tf32 and m8n8k4 f64. Sums are taken in order of k with an
// fp32 (fp64) accumulator; hardware may add in another order, so compare with a tolerance.
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

static const Ins *h_mma_m16n8k8_tf32(const Ins *i, Warp &w) {  // offsets table in imm: d4 a4 b2 c4
  auto *o = (const i32 *)i->imm;
  if (w.act != ~0u) fault(i, w, "mma.sync with inactive lanes");
  float A[16][8], B[8][8], C[16][8];
  auto r = [&](int k) { return (u32 *)(w.r + o[k]); };
  for (int l = 0; l < W; ++l) {
    int g = l >> 2, t = l & 3;
    A[g][t] = bitsf(r(4)[l] & ~0x1fffu);
    A[g + 8][t] = bitsf(r(5)[l] & ~0x1fffu);
    A[g][t + 4] = bitsf(r(6)[l] & ~0x1fffu);
    A[g + 8][t + 4] = bitsf(r(7)[l] & ~0x1fffu);
    B[t][g] = bitsf(r(8)[l] & ~0x1fffu);
    B[t + 4][g] = bitsf(r(9)[l] & ~0x1fffu);
    C[g][2 * t] = bitsf(r(10)[l]);
    C[g][2 * t + 1] = bitsf(r(11)[l]);
    C[g + 8][2 * t] = bitsf(r(12)[l]);
    C[g + 8][2 * t + 1] = bitsf(r(13)[l]);
  }
  for (int a = 0; a < 16; ++a)
    for (int k = 0; k < 8; ++k)
      for (int b = 0; b < 8; ++b) C[a][b] += A[a][k] * B[k][b];
  for (int l = 0; l < W; ++l) {
    int g = l >> 2, t = l & 3;
    ((float *)r(0))[l] = C[g][2 * t];
    ((float *)r(1))[l] = C[g][2 * t + 1];
    ((float *)r(2))[l] = C[g + 8][2 * t];
    ((float *)r(3))[l] = C[g + 8][2 * t + 1];
  }
  return i + 1;
}
static const Ins *h_mma_m8n8k4_f64(const Ins *i, Warp &w) {  // d2 a1 b1 c2
  auto *o = (const i32 *)i->imm;
  if (w.act != ~0u) fault(i, w, "mma.sync with inactive lanes");
  double A[8][4], B[4][8], C[8][8];
  auto r = [&](int k) { return (double *)(w.r + o[k]); };
  for (int l = 0; l < W; ++l) {
    A[l >> 2][l & 3] = r(2)[l];
    B[l & 3][l >> 2] = r(3)[l];
    C[l >> 2][2 * (l & 3)] = r(4)[l];
    C[l >> 2][2 * (l & 3) + 1] = r(5)[l];
  }
  for (int a = 0; a < 8; ++a)
    for (int k = 0; k < 4; ++k)
      for (int b = 0; b < 8; ++b) C[a][b] = __builtin_fma(A[a][k], B[k][b], C[a][b]);
  for (int l = 0; l < W; ++l) {
    r(0)[l] = C[l >> 2][2 * (l & 3)];
    r(1)[l] = C[l >> 2][2 * (l & 3) + 1];
  }
  return i + 1;
}

bool Decoder::mma_ops() {
  if (o != "mma") return false;
  std::vector<i32> v;
  for (int k = 0; k < 4; ++k)
    for (auto &x : vec(a[k])) v.push_back(k == 0 ? dst(x, sz) : src(x, sz));
  Handler f = nullptr;
  if (has("m16n8k8") && has("tf32") && v.size() == 14)
    f = h_mma_m16n8k8_tf32;
  else if (has("m8n8k4") && has("f64") && v.size() == 6)
    f = h_mma_m8n8k4_f64;
  else
    return false;
  M.tabs.push_back(std::make_unique<std::vector<i32>>(v));
  Ins &i = emit(f);
  i.imm = (i64)M.tabs.back()->data();
  return true;
}

}  // namespace ptxemu
