// SPDX-License-Identifier: Apache-2.0
//
// Written by scripts/fit-polynomials; change that, not this. Coefficients c_k of x^k, lowest first. "fit" is the error
// of the polynomial with these rounded coefficients, relative to the function it serves, in units of 2^-24 (float) or
// 2^-53 (double).
//
// clang-format off
#pragma once

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// expm1(r) = r + r^2 q(r) on |r| <= ln(2)/2, widened for the rounding of the reduction; fit 0.282
alignas(64) constexpr float exponential_float[5] = {
    0x1p-1f, 0x1.5554b6p-3f, 0x1.55549p-5f, 0x1.12249ep-7f,
    0x1.6d9326p-10f,
};

// expm1(r) = r + r^2 q(r) on |r| <= ln(2)/2, widened for the rounding of the reduction; fit 0.344
alignas(64) constexpr double exponential_double[10] = {
    0x1.0000000000002p-1, 0x1.555555555555ap-3, 0x1.5555555552f46p-5, 0x1.111111110ed87p-7,
    0x1.6c16c17c4d7e4p-10, 0x1.a01a01b3c3895p-13, 0x1.a019ade5a1728p-16, 0x1.71ddee4fc001bp-19,
    0x1.289c4895300dcp-22, 0x1.af705d0f4dcf5p-26,
};

// tanh(x) = x + x z q(z), z = x^2, |x| <= 0.55; fit 0.059
alignas(64) constexpr float tanh_small_float[5] = {
    -0x1.55554cp-2f, 0x1.110d88p-3f, -0x1.b9366p-5f, 0x1.59a3f2p-6f,
    -0x1.9d4622p-8f,
};

// tanh(x) = x + x z q(z), z = x^2, |x| <= 0.55; fit 0.209
alignas(64) constexpr double tanh_small_double[10] = {
    -0x1.55555555554fep-2, 0x1.1111111107c8ep-3, -0x1.ba1ba1b0b5f4ep-5, 0x1.664f464823a22p-6,
    -0x1.226de98bfd837p-7, 0x1.d6c77fb01831cp-9, -0x1.7d00284cbf67fp-10, 0x1.2fe638fdfe3a1p-11,
    -0x1.baa3d5698087bp-13, 0x1.b0245da32612cp-15,
};

// log((1 + s) / (1 - s)) = 2 s + s z l(z), z = s^2, |s| <= (sqrt(2) - 1)^2; fit 0.015
alignas(64) constexpr float logarithm_float[3] = {
    0x1.55557ap-1f, 0x1.995eb2p-2f, 0x1.31e3ccp-2f,
};

// log((1 + s) / (1 - s)) = 2 s + s z l(z), z = s^2, |s| <= (sqrt(2) - 1)^2; fit 0.018
alignas(64) constexpr double logarithm_double[7] = {
    0x1.5555555555592p-1, 0x1.999999997fd1bp-2, 0x1.24924941fa80fp-2, 0x1.c71c520137dcfp-3,
    0x1.746640af11f9ap-3, 0x1.39a18a4fb11d4p-3, 0x1.2f076436a80e7p-3,
};

// log1p(e) = e - e^2 q(e) on 0 <= e <= 1; fit 0.080
alignas(64) constexpr float logarithm_of_one_plus_float[10] = {
    0x1.fffffcp-2f, -0x1.55543p-2f, 0x1.ffd11p-3f, -0x1.97d13cp-3f,
    0x1.4b69b4p-3f, -0x1.01aba8p-3f, 0x1.5a9646p-4f, -0x1.6240fep-5f,
    0x1.d184d6p-7f, -0x1.1e5a1cp-9f,
};

#if BLV_PACK_BYTES == 64
// tanh in 32 pieces, entry = bits 20 to 24 of u = tanh_scale |x| + tanh_start, |x| <= tanh_limit:
// tanh(centre + d) = c0 + d (c1 + d (c2 + d (c3 + d c4))); fit 0.487
constexpr float tanh_limit = 0x1.24p+3f;
constexpr float tanh_scale = 0x1.a38188p-1f;
constexpr float tanh_start = 0x1.0cp-1f;
// centre
alignas(64) constexpr float tanh_centre[32] = {
    0x1.f46602p+0f, 0x1.2140dep+1f, 0x1.484f58p+1f, 0x1.6f5ddap+1f,
    0x1.966cd4p+1f, 0x1.bd78fep+1f, 0x1.e488f6p+1f, 0x1.05cb9ep+2f,
    0x1.2315bp+2f, 0x1.4a237p+2f, 0x1.7132cep+2f, 0x1.983fd4p+2f,
    0x1.bf4e08p+2f, 0x1.e65d66p+2f, 0x1.06b5ccp+3f, 0x1.24p+3f,
    0x0p+0f, 0x1.5f69c8p-4f, 0x1.4c037p-3f, 0x1.e8295ap-3f,
    0x1.423442p-2f, 0x1.904a28p-2f, 0x1.de6ffep-2f, 0x1.16485ap-1f,
    0x1.50de96p-1f, 0x1.9ef35cp-1f, 0x1.ed1088p-1f, 0x1.1d96c8p+0f,
    0x1.44a54ap+0f, 0x1.6bb1ep+0f, 0x1.92c2acp+0f, 0x1.b9d112p+0f,
};

// c0
alignas(64) constexpr float tanh_c0[32] = {
    0x1.ebde8p-1f, 0x1.f4f718p-1f, 0x1.f9f9e4p-1f, 0x1.fcb80ep-1f,
    0x1.fe3714p-1f, 0x1.ff079p-1f, 0x1.ff79p-1f, 0x1.ffb6a6p-1f,
    0x1.ffe2ap-1f, 0x1.fff754p-1f, 0x1.fffd72p-1f, 0x1.ffff3ep-1f,
    0x1.ffffc6p-1f, 0x1.fffffp-1f, 0x1.fffffcp-1f, 0x1p+0f,
    0x0p+0f, 0x1.5e8db4p-4f, 0x1.492294p-3f, 0x1.df1f32p-3f,
    0x1.37f9c2p-2f, 0x1.7d12f6p-2f, 0x1.be6aa6p-2f, 0x1.fb8b42p-2f,
    0x1.276c1p-1f, 0x1.56f518p-1f, 0x1.7dc1d6p-1f, 0x1.9caf88p-1f,
    0x1.b4e30ap-1f, 0x1.c78c2cp-1f, 0x1.d5c8a4p-1f, 0x1.e08b5ap-1f,
};

// c1
alignas(64) constexpr float tanh_c1[32] = {
    0x1.3bc226p-4f, 0x1.5d4d78p-5f, 0x1.7f4092p-6f, 0x1.a29e5p-7f,
    0x1.c81d9ap-8f, 0x1.f064a8p-9f, 0x1.0ddadcp-9f, 0x1.25514cp-10f,
    0x1.d5c63p-12f, 0x1.154ec8p-13f, 0x1.4749eap-15f, 0x1.826042p-17f,
    0x1.c80f82p-19f, 0x1.0d1e14p-20f, 0x1.3da734p-22f, 0x1.963824p-25f,
    0x1p+0f, 0x1.fc3feep-1f, 0x1.f2c6aep-1f, 0x1.e3fa5p-1f,
    0x1.d079e6p-1f, 0x1.b917d2p-1f, 0x1.9eb108p-1f, 0x1.8237e4p-1f,
    0x1.558af8p-1f, 0x1.1a4632p-1f, 0x1.c6b59ap-2f, 0x1.66baa2p-2f,
    0x1.1669eap-2f, 0x1.aab8e8p-3f, 0x1.43ce74p-3f, 0x1.e7d48p-4f,
};

// c2
alignas(64) constexpr float tanh_c2[32] = {
    -0x1.2f58a6p-4f, -0x1.55c6d2p-5f, -0x1.7abebcp-6f, -0x1.9feffep-7f,
    -0x1.c686fp-8f, -0x1.ef7442p-9f, -0x1.0d93e8p-9f, -0x1.25277cp-10f,
    -0x1.d5b144p-12f, -0x1.154db6p-13f, -0x1.474c42p-15f, -0x1.8264b8p-17f,
    -0x1.c8153ep-19f, -0x1.0d215p-20f, -0x1.3dab0cp-22f, -0x1.a82be4p-25f,
    0x1.2084eap-19f, -0x1.5bfaa2p-4f, -0x1.40a1f2p-3f, -0x1.c4e5f2p-3f,
    -0x1.1b048ep-2f, -0x1.484c86p-2f, -0x1.699292p-2f, -0x1.7edb64p-2f,
    -0x1.8a2368p-2f, -0x1.7a283p-2f, -0x1.530a7p-2f, -0x1.21254ap-2f,
    -0x1.db2378p-3f, -0x1.7bac42p-3f, -0x1.291b8ep-3f, -0x1.c9dc16p-4f,
};

// c3
alignas(64) constexpr float tanh_c3[32] = {
    0x1.75781p-5f, 0x1.b5d596p-6f, 0x1.ef8c5p-7f, 0x1.133588p-7f,
    0x1.2e9704p-8f, 0x1.4aee5ep-9f, 0x1.68c4fp-10f, 0x1.88b442p-11f,
    0x1.406ba2p-12f, 0x1.7a7c36p-14f, 0x1.bec54ep-16f, 0x1.07b9ecp-17f,
    0x1.374b6ap-19f, 0x1.6f62dcp-21f, 0x1.b1a528p-23f, 0x1.9004c2p-26f,
    -0x1.55a5aap-2f, -0x1.4b2844p-2f, -0x1.328eacp-2f, -0x1.0d8812p-2f,
    -0x1.beaf68p-3f, -0x1.57bb24p-3f, -0x1.db73ccp-4f, -0x1.0f2848p-4f,
    -0x1.6fff64p-11f, 0x1.029d0cp-4f, 0x1.936626p-4f, 0x1.c4f1e6p-4f,
    0x1.b71f52p-4f, 0x1.86f11ep-4f, 0x1.495968p-4f, 0x1.0b386cp-4f,
};

// c4
alignas(64) constexpr float tanh_c4[32] = {
    -0x1.36ef9ap-6f, -0x1.8e7594p-7f, -0x1.d76b7p-8f, -0x1.0be974p-8f,
    -0x1.2a33e2p-9f, -0x1.483cfcp-10f, -0x1.6723fcp-11f, -0x1.87aebap-12f,
    -0x1.3f9e3ep-13f, -0x1.79c4a8p-15f, -0x1.be134ep-17f, -0x1.074b1ap-18f,
    -0x1.36ca02p-20f, -0x1.6ed7fcp-22f, -0x1.b1015cp-24f, -0x1.ff1b7ap-26f,
    0x1.81766ap-7f, 0x1.c1363ap-5f, 0x1.98697ep-4f, 0x1.1455cp-3f,
    0x1.443ep-3f, 0x1.5a6828p-3f, 0x1.58693ap-3f, 0x1.423f7ep-3f,
    0x1.072596p-3f, 0x1.4a99eep-4f, 0x1.2e7a2p-5f, 0x1.496f82p-8f,
    -0x1.cdbecp-7f, -0x1.79f49ap-6f, -0x1.9fbbbcp-6f, -0x1.87fd96p-6f,
};
#endif

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
