// SPDX-License-Identifier: Apache-2.0
//
// The rows of the tables in docs/cuda.md: specs, each with what it is called.
#pragma once
#include <bilevel/bilevel.hpp>

#include <string>
#include <vector>

namespace device_table {

struct Row {
  std::string name;
  bilevel::Spec spec;
};
struct Section {
  std::string title;
  std::vector<Row> rows;
};

// A small network, with one thing changed in each row.
std::vector<Section> what_runs();
// Problems of real sizes, for what BLV_EXECUTOR_AUTO takes.
std::vector<Row> what_is_chosen();

}  // namespace device_table
