// SPDX-License-Identifier: Apache-2.0
//
// Grey images for a self-contained HTML page: a minimal PNG (8-bit grey, no filter, one IDAT) as a base64 data URI.
#ifndef BILEVEL_EXAMPLES_COMMON_IMAGES_H_
#define BILEVEL_EXAMPLES_COMMON_IMAGES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace examples {

std::string png_grey(const uint8_t *pixels, int64_t width, int64_t height);
std::string base64(const std::string &bytes);
inline std::string png_data_uri(const uint8_t *pixels, int64_t width, int64_t height) {
  return "data:image/png;base64," + base64(png_grey(pixels, width, height));
}

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_IMAGES_H_
