// SPDX-License-Identifier: Apache-2.0
//
// The program hyper_cleaning as it is run by hand: the experiment of its README over three seeds, other formats and
// models, the same numbers on any number of threads, bad input, interruption.
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/examples/files.h"
#include "tests/examples/process.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#else
#define UNDER_SANITIZER 0
#endif

namespace {

const char kFashionMnist[] = "/usr/share/datasets/fashion-mnist";

// The numbers that follow "key": in the text, in order; null is NaN.
std::vector<double> numbers(const std::string &json, const std::string &key) {
  std::vector<double> out;
  const std::string mark = '"' + key + "\": ";
  for (size_t at = json.find(mark); at != std::string::npos; at = json.find(mark, at + 1)) {
    const char *begin = json.c_str() + at + mark.size();
    char *end = nullptr;
    const double value = std::strtod(begin, &end);
    out.push_back(end == begin ? std::nan("") : value);
  }
  return out;
}

double mean(const std::vector<double> &values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

size_t occurrences(const std::string &text, const std::string &part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// n rows around the centres of three classes in 16 dimensions, well apart.
struct Sample {
  std::vector<std::vector<double>> x;
  std::vector<int> y;
};
Sample blobs(int n, unsigned seed) {
  std::mt19937 random(seed);
  const auto uniform = [&] { return static_cast<double>(random()) / 4294967296.0; };
  Sample s;
  for (int i = 0; i < n; ++i) {
    const int label = static_cast<int>(random() % 3);
    std::vector<double> row;
    for (int j = 0; j < 16; ++j) row.push_back((j % 3 == label ? 1.0 : 0.0) + 1.25 * (uniform() - 0.5));
    s.x.push_back(row);
    s.y.push_back(label);
  }
  return s;
}

void write_images(const files::TempFolder &folder, const std::string &part, const Sample &s) {
  const auto n = static_cast<uint64_t>(s.y.size());
  std::string images = files::idx_header({n, 4, 4}), labels = files::idx_header({n});
  for (size_t i = 0; i < s.y.size(); ++i) {
    for (const double v : s.x[i])
      images += static_cast<char>(static_cast<int>(std::min(255.0, std::max(0.0, 85 * (v + 1)))));
    labels += static_cast<char>(s.y[i]);
  }
  folder.write_gz(part + "-images-idx3-ubyte.gz", images);
  folder.write_gz(part + "-labels-idx1-ubyte.gz", labels);
}

class HyperCleaning : public testing::Test {
 protected:
  HyperCleaning() {
    write_images(folder, "train", blobs(600, 1));
    write_images(folder, "t10k", blobs(500, 2));
  }

  // Runs the program with small settings; flags that are given later override them.
  process::Result run(const std::vector<std::string> &flags, const std::string &when = "", int signal_number = SIGINT,
                      bool terminal = false) const {
    std::vector<std::string> command{HYPER_CLEANING};
    const std::vector<std::string> standard{"--rows=400",
                                            "--validation-rows=60",
                                            "--steps=30",
                                            "--rate=0.5",
                                            "--final-steps=200",
                                            "--json=" + folder.path("numbers.json"),
                                            "--report=" + folder.path("report.html")};
    for (const std::string &flag : standard) {
      const std::string name = flag.substr(0, flag.find('=') + 1);
      bool overridden = false;
      for (const std::string &given : flags) overridden = overridden || given.rfind(name, 0) == 0;
      if (!overridden) command.push_back(flag);
    }
    command.insert(command.end(), flags.begin(), flags.end());
    return process::run(command, when, signal_number, terminal);
  }
  std::string json() const { return files::read(folder.path("numbers.json")); }
  std::string report() const { return files::read(folder.path("report.html")); }
  std::string data() const { return "--data=" + folder.folder(); }

  files::TempFolder folder;
};

// The bounds hold for the mean of these seeds; examples/hyper_cleaning/README.md tells how much seeds differ.
TEST_F(HyperCleaning, FashionMnistOverThreeSeeds) {
  if (!std::filesystem::exists(kFashionMnist))
    GTEST_SKIP() << kFashionMnist << " is missing: apt-get install dataset-fashion-mnist";
  if (UNDER_SANITIZER)
    GTEST_SKIP() << "minutes under a sanitizer; the other tests here run the same code on small data";
  const auto result = process::run(
      {HYPER_CLEANING, "--seeds=3", "--json=" + folder.path("numbers.json"), "--report=" + folder.path("report.html")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto cleaned = numbers(json(), "cleaned"), validation = numbers(json(), "validation_only"),
             f1 = numbers(json(), "f1");
  const auto noisy = numbers(json(), "noisy"), clean = numbers(json(), "clean_only");
  ASSERT_EQ(cleaned.size(), 3u);
  EXPECT_GE(mean(cleaned) - mean(validation), 1.5) << result.out;
  EXPECT_GE(mean(f1), 0.90) << result.out;
  for (size_t k = 0; k < 3; ++k) {
    EXPECT_GT(cleaned[k], validation[k]) << result.out;
    EXPECT_GT(clean[k], cleaned[k]) << result.out;
    EXPECT_GT(validation[k], noisy[k]) << result.out;
  }
}

TEST_F(HyperCleaning, FindsWrongLabelsOfSeparatedClassesAndReportsThem) {
  const auto result = run({data(), "--seeds=2"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const double f1 : numbers(json(), "f1")) EXPECT_GE(f1, 0.95);
  const auto cleaned = numbers(json(), "cleaned"), noisy = numbers(json(), "noisy");
  ASSERT_EQ(cleaned.size(), 2u);
  for (size_t k = 0; k < 2; ++k) EXPECT_GT(cleaned[k], noisy[k]);

  const std::string page = report();
  EXPECT_EQ(occurrences(page, "<figure>"), 64u);
  EXPECT_EQ(occurrences(page, "data:image/png;base64,"), 64u);
  EXPECT_EQ(occurrences(page, "<svg "), 4u);
  EXPECT_EQ(occurrences(page, "<svg "), occurrences(page, "</svg>"));
  EXPECT_EQ(occurrences(page, "<section"), occurrences(page, "</section>"));
  EXPECT_EQ(occurrences(page, "<table"), occurrences(page, "</table>"));
  EXPECT_NE(page.find("All seeds"), std::string::npos);
  EXPECT_EQ(occurrences(page, "Interrupted"), 0u);
  EXPECT_EQ(occurrences(page, "nan"), 0u);
  for (const char *part : {"noisy", "validation rows only", "cleaned", "clean rows only", "precision", "recall", "F1",
                           "hypergradients in", "a second"}) {
    EXPECT_NE(result.out.find(part), std::string::npos) << part << " is not in\n" << result.out;
  }
}

// The JSON without what is measured by a clock.
std::string without_times(std::string json) {
  for (const char *key : {"\"seconds\"", "\"hypergradients_per_second\"", "\"plan\""}) {
    for (size_t at = json.find(key); at != std::string::npos; at = json.find(key, at))
      json.erase(at, json.find('\n', at) - at);
  }
  return json;
}

TEST_F(HyperCleaning, SameNumbersOnAnyNumberOfThreads) {
  ASSERT_EQ(run({data(), "--threads=1"}).exit_code, 0);
  const std::string one = without_times(json());
  ASSERT_EQ(run({data(), "--threads=3"}).exit_code, 0);
  EXPECT_EQ(without_times(json()), one);
  EXPECT_EQ(numbers(one, "f1").size(), 1u);
  ASSERT_EQ(run({data(), "--seed=2"}).exit_code, 0);
  EXPECT_NE(without_times(json()), one);
}

TEST_F(HyperCleaning, HiddenLayersAndASmallWorkspace) {
  const auto result =
      run({data(), "--hidden=24", "--hidden=12", "--activation=tanh", "--rate=1", "--steps=60", "--final-steps=300"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_GE(numbers(json(), "f1").at(0), 0.85);
  EXPECT_NE(report().find("network 16-24-12-3 (tanh), 747 parameters"), std::string::npos);
  const std::string roomy = without_times(json());
  const auto tight = run({data(), "--hidden=24", "--hidden=12", "--activation=tanh", "--rate=1", "--steps=60",
                          "--final-steps=300", "--workspace-mib=1"});
  ASSERT_EQ(tight.exit_code, 0) << tight.err;
  EXPECT_GE(numbers(json(), "f1").at(0), 0.85);
}

TEST_F(HyperCleaning, CsvAndLibsvmGiveTheSame) {
  const Sample s = blobs(700, 3);
  std::string csv, libsvm;
  for (size_t i = 0; i < s.y.size(); ++i) {
    libsvm += std::to_string(s.y[i]);
    for (size_t j = 0; j < 16; ++j) {
      csv += std::to_string(s.x[i][j]) + ",";
      libsvm += ' ' + std::to_string(j + 1) + ':' + std::to_string(s.x[i][j]);
    }
    csv += std::to_string(s.y[i]) + "\n";
    libsvm += "\n";
  }
  ASSERT_EQ(run({"--data=" + folder.write("blobs.csv", csv)}).exit_code, 0);
  std::string from_csv = without_times(json());
  EXPECT_GE(numbers(from_csv, "f1").at(0), 0.9);
  EXPECT_EQ(occurrences(report(), "<img"), 0u);
  ASSERT_EQ(run({"--data=" + folder.write_gz("blobs.libsvm.gz", libsvm)}).exit_code, 0);
  std::string from_libsvm = without_times(json());
  EXPECT_EQ(from_csv.substr(from_csv.find("settings")), from_libsvm.substr(from_libsvm.find("settings")));
}

TEST_F(HyperCleaning, NoReportWritesNone) {
  ASSERT_EQ(run({data(), "--no-report", "--hypergradients=1"}).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(folder.path("report.html")));
}

TEST_F(HyperCleaning, BadInputIsOneLine) {
  const std::string cut = folder.write("cut-images-idx3-ubyte", files::idx_images(5).substr(0, 20));
  folder.write("cut-labels-idx1-ubyte", files::idx_labels(5));
  const std::string csv = folder.write("bad.csv", "1,2,a\n3,oops,b\n");
  const struct {
    std::vector<std::string> flags;
    std::string line;
  } cases[] = {
      {{"--data=/nowhere"}, "hyper_cleaning: /nowhere: there is no such file or folder\n"},
      {{"--data=" + cut}, "hyper_cleaning: " + cut + ": truncated at byte 20 of 46\n"},
      {{"--data=" + csv}, "hyper_cleaning: " + csv + ": line 2: column 2: 'oops' is no finite number\n"},
      {{data(), "--report=/nowhere/a.html"},
       "hyper_cleaning: /nowhere/a.html: cannot be written: No such file or directory\n"},
      {{data(), "--rows=100000"},
       "hyper_cleaning: " + folder.path("train-images-idx3-ubyte.gz") +
           ": has 600 rows; --rows 100000 and --validation-rows 60 need more\n"},
  };
  for (const auto &c : cases) {
    const auto result = run(c.flags);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(result.err, c.line);
    EXPECT_FALSE(std::filesystem::exists(folder.path("report.html")));
  }
}

TEST_F(HyperCleaning, DivergenceIsNamedAndNotReportedAsAResult) {
  const auto result = run({data(), "--hidden=8", "--rate=1e30"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("hyper_cleaning: training diverged"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("--rate"), std::string::npos) << result.err;
}

TEST_F(HyperCleaning, WrongFlagsAreNamed) {
  for (const char *flag :
       {"--rows=1", "--noise=1.5", "--rate=-1", "--format=xml", "--hidden=0", "--no-such-flag", "--activation=step"}) {
    const auto result = run({data(), flag});
    EXPECT_GT(result.exit_code, 0) << flag;
    const std::string name = std::string(flag).substr(0, std::string(flag).find('='));
    EXPECT_NE(result.err.find(name), std::string::npos) << result.err;
  }
  const auto help = run({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_NE(help.out.find("--hypergradients"), std::string::npos);
}

// Numbers that are none, or make no sense, are refused by the flag's name before any work; what float can't hold, too.
TEST_F(HyperCleaning, NumbersThatMakeNoSenseAreNamed) {
  const struct {
    std::string flag;
    std::vector<std::string> values;
    std::string accepted;
  } cases[] = {
      {"--noise",
       {"nan", "-nan", "inf", "-inf", "-0.1", "1.0000001", "1e999", "half", ""},
       "accepted: a number from 0 to 1"},
      {"--rate",
       {"nan", "inf", "-inf", "0", "-0", "-1", "1e38", "1e-40", "1e999", "0.1x"},
       "accepted: a number from 1e-37 to 1e37"},
      {"--outer-rate", {"nan", "inf", "0", "-0.5", "1e300", "1e-300"}, "accepted: a number from 1e-37 to 1e37"},
      {"--outer-epsilon", {"nan", "inf", "-1e-8", "1e38"}, "accepted: 0, or a number up to 1e37"},
  };
  for (const auto &c : cases)
    for (const std::string &value : c.values) {
      const auto result = run({data(), c.flag + "=" + value, "--hypergradients=1"});
      EXPECT_GT(result.exit_code, 1) << c.flag << "=" << value << ": " << result.err;
      EXPECT_EQ(result.err.find(c.flag + ": "), 0u) << result.err;
      if (!value.empty()) {
        EXPECT_NE(result.err.find("'" + value + "' is not accepted; " + c.accepted), std::string::npos) << result.err;
      }
    }
  EXPECT_EQ(run({data(), "--noise=+.25", "--hypergradients=1", "--final-steps=1"}).exit_code, 0);
}

TEST_F(HyperCleaning, ANetworkThatNoMemoryHoldsIsNamed) {
  const auto result = run({data(), "--hidden=100000", "--hidden=100000"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err.find("hyper_cleaning: --hidden: a network of more than "), 0u) << result.err;
  EXPECT_EQ(occurrences(result.err, "\n"), 1u) << result.err;
}

// What is printed and cannot be written is no success.
TEST_F(HyperCleaning, AFullDiskIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const auto into_full = [&](const std::vector<std::string> &flags) {
    std::vector<std::string> command{"/bin/sh", "-c", "exec \"$0\" \"$@\" > /dev/full", HYPER_CLEANING};
    command.insert(command.end(), flags.begin(), flags.end());
    return process::run(command);
  };
  const std::vector<std::string> small{data(),      "--rows=400",         "--validation-rows=60",
                                       "--steps=2", "--hypergradients=1", "--final-steps=1"};
  std::vector<std::string> flags = small;
  flags.push_back("--no-report");
  auto result = into_full(flags);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "hyper_cleaning: standard output cannot be written: No space left on device\n");
  result = into_full({"--help"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("standard output"), std::string::npos) << result.err;
  for (const char *flag : {"--report=/dev/full", "--json=/dev/full"}) {
    flags = small;
    flags.emplace_back(flag);
    if (std::string(flag).starts_with("--json")) flags.emplace_back("--no-report");
    result = run(flags);
    EXPECT_EQ(result.exit_code, 1) << flag;
    EXPECT_NE(result.err.find("hyper_cleaning: /dev/full: cannot be written: No space left on device\n"),
              std::string::npos)
        << result.err;
  }
}

// A small file that grows to more than the machine gives: one line with the file and the place, as for any bad file.
TEST_F(HyperCleaning, AGzipBombIsOneLine) {
  if (UNDER_SANITIZER) GTEST_SKIP() << "sanitizers need more address space than the test allows";
  const auto repeated = [](const std::string &text, size_t bytes) {
    std::string out;
    while (out.size() < bytes) out += text;
    return out;
  };
  const size_t megabyte = size_t{1} << 20;
  folder.write_gz("bomb-labels-idx1-ubyte.gz", files::idx_header({300}) + std::string(300, '\0'));
  const struct {
    std::string path, place;
  } cases[] = {
      {folder.write_gz("bomb.libsvm.gz", repeated("1 1:1\n", 100 * megabyte)), ": line "},
      {folder.write_gz("bomb.csv.gz", repeated("1,2,3,4,5,6,7,8,9,a\n", 400 * megabyte)), ": line "},
      {folder.write_gz("bomb-images-idx3-ubyte.gz",
                       files::idx_header({300, 1024, 1024}) + std::string(300 * megabyte, '\0')),
       "byte "},
  };
  for (const auto &c : cases) {
    ASSERT_LT(std::filesystem::file_size(c.path), 6 * megabyte);
    const auto result = process::run(
        {"/bin/sh", "-c", "ulimit -v 400000; exec \"$0\" \"$@\"", HYPER_CLEANING, "--data=" + c.path, "--no-report"});
    EXPECT_EQ(result.exit_code, 1) << c.path;
    EXPECT_EQ(result.err.find("hyper_cleaning: " + c.path + ": "), 0u) << result.err;
    EXPECT_NE(result.err.find(c.place), std::string::npos) << result.err;
    EXPECT_NE(result.err.find("not enough memory"), std::string::npos) << result.err;
    EXPECT_EQ(occurrences(result.err, "\n"), 1u) << result.err;
  }
}

TEST_F(HyperCleaning, InterruptedWhileLearningWeightsLeavesTheReportSoFar) {
  for (const int signal_number : {SIGINT, SIGTERM}) {
    const auto result = run({data(), "--hypergradients=1000000"}, "hypergradients 3/", signal_number);
    ASSERT_EQ(result.exit_code, 130) << result.err;
    EXPECT_NE(result.err.find("hyper_cleaning: interrupted in the run of seed 1 after "), std::string::npos)
        << result.err;
    EXPECT_NE(json().find("\"interrupted\": true"), std::string::npos);
    EXPECT_TRUE(std::isnan(numbers(json(), "cleaned").at(0)));
    EXPECT_GT(numbers(json(), "kept").at(0), 0);
    EXPECT_NE(report().find("Interrupted"), std::string::npos);
    EXPECT_NE(report().find("not trained"), std::string::npos);
    EXPECT_EQ(occurrences(report(), "<figure>"), 64u);
  }
}

TEST_F(HyperCleaning, OnATerminalABarIsRedrawnAlsoWithinALongUnroll) {
  const auto result = run({data(), "--hypergradients=5", "--final-steps=50000"}, "", SIGINT, true);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("[########################] 5/5  validation loss "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("\r"), std::string::npos);
  EXPECT_EQ(occurrences(result.err, "\n"), 2u) << result.err;
  for (size_t at = 0, end = 0; end != std::string::npos; at = end + 1) {
    end = result.err.find('\r', at);
    EXPECT_LT(result.err.substr(at, end - at).size(), 110u);  // 100 columns and the codes that clear a line
  }
  // More than the five lines of the start and of each model: the bar moves while a model is trained.
  const std::string models = result.err.substr(result.err.find("final models"));
  EXPECT_GT(occurrences(models, "final models"), 5u);
}

TEST_F(HyperCleaning, InterruptedWithinALongUnrollStopsAtOnce) {
  // The second execute alone would take hours.
  const auto result = run({data(), "--hypergradients=2", "--final-steps=10000000"}, "hypergradients 2/2");
  ASSERT_EQ(result.exit_code, 130) << result.err;
  EXPECT_EQ(numbers(json(), "hypergradients").size(), 2u);
  EXPECT_TRUE(std::isnan(numbers(json(), "noisy").at(0)));
  EXPECT_NE(report().find("not trained"), std::string::npos);
}

}  // namespace
