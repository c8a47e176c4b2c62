// SPDX-License-Identifier: Apache-2.0
//
// A self-contained HTML page: one style sheet for light and dark, no scripts, nothing loaded from elsewhere.
#ifndef BILEVEL_EXAMPLES_COMMON_HTML_H_
#define BILEVEL_EXAMPLES_COMMON_HTML_H_

#include <string>

namespace examples {

// Text with & < > " ' escaped, for elements and attributes.
std::string escaped(const std::string &text);

// The page around `body`, which is HTML.
std::string html_page(const std::string &title, const std::string &body);

// Writes a file by way of `path`.part, so that a reader never sees half of it. Throws std::runtime_error with the
// reason.
void write_file(const std::string &path, const std::string &content);

// Throws as write_file would, writes nothing.
void check_writable(const std::string &path);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_HTML_H_
