// SPDX-License-Identifier: Apache-2.0
//
// The activations, a row each: the enumerator of bilevel.h, the name, and the struct in kernels/models/activations/<name>.h. Names in messages
// and descriptions and the switch of kernels/models/activations.h come from here.
#pragma once
#include <bilevel/bilevel.h>

// clang-format off
#define BLV_ACTIVATIONS(row) \
  row(BLV_TANH, tanh, Tanh) \
  row(BLV_RELU, relu, Relu) \
  row(BLV_SIGMOID, sigmoid, Sigmoid) \
  row(BLV_SOFTPLUS, softplus, Softplus)
// clang-format on
