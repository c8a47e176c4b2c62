// SPDX-License-Identifier: Apache-2.0
//
// Messages of the readers' errors, and what they have in common.
#ifndef BILEVEL_TESTS_EXAMPLES_MESSAGES_H_
#define BILEVEL_TESTS_EXAMPLES_MESSAGES_H_

#include <gtest/gtest.h>

#include <string>

#include "examples/common/dataset.h"

template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const examples::DataError &error) {
    return error.what();
  }
  return "no error";
}

// One line that begins with the path and contains `part`.
inline void expect_one_line(const std::string &message, const std::string &path, const std::string &part) {
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_EQ(message.rfind(path + ": ", 0), 0u) << message;
  EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
}

#endif  // BILEVEL_TESTS_EXAMPLES_MESSAGES_H_
