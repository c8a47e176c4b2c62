// SPDX-License-Identifier: Apache-2.0
//
// The table and the JSON file.
#include "examples/hyper_cleaning/output.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "examples/common/charts.h"

namespace examples {
namespace {

// printf into a string.
template <class... Values>
std::string print(const char *format, Values... values) {
  const int n = std::snprintf(nullptr, 0, format, values...);
  std::string out(static_cast<size_t>(n) + 1, '\0');
  std::snprintf(out.data(), out.size(), format, values...);
  out.pop_back();
  return out;
}

double share(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : std::nan("");
}

double mean(const std::vector<Run> &runs, const std::function<double(const Run &)> &of) {
  double sum = 0;
  for (const Run &run : runs) sum += of(run) / static_cast<double>(runs.size());
  return sum;
}

std::string json_number(double value) { return std::isfinite(value) ? print("%.9g", value) : "null"; }

std::string json_text(const std::string &text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      out += print("\\u%04x", static_cast<unsigned>(c));
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

std::string json_array(const std::vector<double> &values) {
  std::string out = "[";
  for (size_t i = 0; i < values.size(); ++i) out += (i ? ", " : "") + json_number(values[i]);
  return out + "]";
}

std::string json_run(const Run &run) {
  std::string out = print("    {\"seed\": %llu, \"interrupted\": %s,\n", static_cast<unsigned long long>(run.seed),
                          run.interrupted ? "true" : "false");
  const char *keys[kFinalModels] = {"noisy", "validation_only", "cleaned", "clean_only"};
  out += "     \"accuracy\": {";
  for (size_t k = 0; k < kFinalModels; ++k)
    out += print("%s\"%s\": ", k ? ", " : "", keys[k]) + json_number(run.models[k].accuracy);
  out += "},\n     \"detection\": {\"precision\": " + json_number(run.detection.precision) +
         ", \"recall\": " + json_number(run.detection.recall) + ", \"f1\": " + json_number(run.detection.f1) + "},\n";
  out += print("     \"kept\": %lld, \"kept_right\": %lld,\n", static_cast<long long>(run.kept),
               static_cast<long long>(run.kept_right));
  out += "     \"validation_loss\": " + json_array(run.losses) + ",\n     \"f1_after_step\": " + json_array(run.f1) +
         ",\n";
  out += "     \"seconds\": {\"hypergradients\": " + json_number(run.hypergradient_seconds) +
         ", \"final_models\": " + json_number(run.final_seconds) + ", \"total\": " + json_number(run.total_seconds) +
         "},\n";
  out += "     \"hypergradients_per_second\": " + json_number(run.hypergradients_per_second());
  return out + ",\n     \"plan\": " + (run.plan.empty() ? "null" : run.plan) + "}";
}

}  // namespace

std::string thousands(int64_t value) {
  const std::string digits = std::to_string(value);
  const size_t sign = value < 0 ? 1 : 0;
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string percent(double value) { return std::isnan(value) ? "-" : print("%.1f %%", value); }

std::string ratio(double value) { return print("%.3f", value); }

std::string run_table(const Run &run) {
  std::string out =
      print("\nseed %llu%s\n", static_cast<unsigned long long>(run.seed), run.interrupted ? "  (interrupted)" : "");
  out += print("  %-22s %9s %14s %15s\n", "trained on", "rows", "wrong labels", "test accuracy");
  for (const FinalModel &m : run.models) {
    out += print("  %-22s %9s %14s %15s\n", m.name.c_str(), thousands(m.rows).c_str(),
                 percent(share(m.wrong, m.rows)).c_str(),
                 std::isnan(m.accuracy) ? "not trained" : percent(m.accuracy).c_str());
  }
  out += print("  finding the wrong labels: precision %s, recall %s, F1 %s\n", ratio(run.detection.precision).c_str(),
               ratio(run.detection.recall).c_str(), ratio(run.detection.f1).c_str());
  out += print("  %zu hypergradients in %.1f s, %.2f a second; final models %.1f s; %.1f s in all\n", run.losses.size(),
               run.hypergradient_seconds, run.hypergradients_per_second(), run.final_seconds, run.total_seconds);
  return out;
}

std::string mean_table(const std::vector<Run> &runs) {
  std::string out = print("\nmean of %zu seeds\n ", runs.size());
  for (size_t k = 0; k < kFinalModels; ++k) {
    out += print(" %s %s%s", runs[0].models[k].name.c_str(),
                 percent(mean(runs, [k](const Run &r) { return r.models[k].accuracy; })).c_str(),
                 k + 1 < kFinalModels ? "," : "\n");
  }
  out += print("  cleaned above validation rows only: %.2f points; F1 %s\n",
               mean(runs, [](const Run &r) { return r.gain(); }),
               ratio(mean(runs, [](const Run &r) { return r.detection.f1; })).c_str());
  return out;
}

std::string json_numbers(const Options &o, const std::vector<Run> &runs) {
  std::string out = "{\n  \"data\": " + json_text(o.data) + ",\n";
  out += print(
      "  \"settings\": {\"rows\": %lld, \"validation_rows\": %lld, \"noise\": %.9g, \"hypergradients\": %lld, "
      "\"steps\": %lld, \"rate\": %.9g, ",
      static_cast<long long>(o.rows), static_cast<long long>(o.validation_rows), o.noise,
      static_cast<long long>(o.hypergradients), static_cast<long long>(o.steps), o.rate);
  out += print("\"outer_rate\": %.9g, \"outer_epsilon\": %.9g, \"final_steps\": %lld, \"hidden\": [", o.outer_rate,
               o.epsilon(), static_cast<long long>(o.final_steps));
  for (size_t i = 0; i < o.hidden.size(); ++i) out += (i ? ", " : "") + std::to_string(o.hidden[i]);
  out += "]},\n  \"runs\": [\n";
  for (size_t i = 0; i < runs.size(); ++i) out += (i ? ",\n" : "") + json_run(runs[i]);
  return out + "\n  ]\n}\n";
}

std::string data_name(const std::string &path) {
  std::string name = std::filesystem::path(path).lexically_normal().filename().string();
  if (name.empty()) name = std::filesystem::path(path).lexically_normal().parent_path().filename().string();
  if (name == "fashion-mnist") return "Fashion-MNIST";
  return name == "mnist" ? "MNIST" : name;
}

std::vector<std::string> class_names(const TrainTest &data, const std::string &path) {
  if (data_name(path) == "Fashion-MNIST" && data.train.classes.size() == 10) {
    return {"T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};
  }
  return data.train.classes;
}

}  // namespace examples
