// SPDX-License-Identifier: Apache-2.0
//
// Timed blocks, and the protocol by which a driver alternates between this program and its peers in one session.
#include "serve.h"

#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include "floors.h"

extern char **environ;

namespace bench {
namespace {

double now_ms(clockid_t clock = CLOCK_MONOTONIC) {
  timespec t{};
  clock_gettime(clock, &t);
  return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
}

std::string json_list(const std::vector<double> &values) {
  std::ostringstream out;
  out.precision(9);
  for (size_t i = 0; i < values.size(); ++i) out << (i ? ", " : "[") << values[i];
  out << "]";
  return out.str();
}

std::string json_text(const std::string &text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + '"';
}

std::string setup(const std::string &name, const Options &options, std::unique_ptr<Workload> *current) {
  current->reset();
  *current = make_workload(name);
  if (*current == nullptr) throw std::runtime_error("no workload '" + name + "'");
  Workload &w = **current;
  try {
    w.prepare(options);
  } catch (const Refused &refused) {
    current->reset();
    return "{\"refused\": " + json_text(refused.what()) + "}";
  }
  const double start = now_ms();
  w.execute();
  std::ostringstream out;
  out.precision(9);
  out << "{\"first_ms\": " << now_ms() - start + w.plan_ms << ", \"plan_ms\": " << w.plan_ms
      << ", \"flops\": " << w.flops << ", \"bytes\": " << w.bytes << ", \"workspace_bytes\": " << w.workspace_bytes()
      << ", \"plan\": " << w.describe() << "}";
  return out.str();
}

std::string answer(const std::string &command, const std::string &argument, const char *program, const Options &options,
                   std::unique_ptr<Workload> *current) {
  if (command == "setup") return setup(argument, options, current);
  std::ostringstream out;
  out.precision(9);
  if (command == "floors") {
    out << "{\"flops\": " << peak_flops(options.threads) << ", \"bandwidth\": " << read_bandwidth(options.threads)
        << "}";
    return out.str();
  }
  if (command == "start") {
    const Start start = start_process(program, argument, options);
    out << "{\"first_ms\": " << start.first_ms << ", \"plan_ms\": " << start.plan_ms << "}";
    return out.str();
  }
  if (*current == nullptr) throw std::runtime_error(command + " before setup");
  if (command == "run") {
    const Block block = timed_block(current->get(), std::stod(argument));
    return "{\"ms\": " + json_list(block.ms) + ", \"cpu_ms\": " + json_list(block.cpu_ms) + "}";
  }
  if (command == "dump") {
    std::ofstream file(argument, std::ios::binary);
    file.write(reinterpret_cast<const char *>((*current)->result()), (*current)->result_count() * 4);
    if (!file.flush()) throw std::runtime_error("cannot write '" + argument + "'");
    return "{}";
  }
  throw std::runtime_error("unknown command '" + command + "'");
}

}  // namespace

Block timed_block(Workload *workload, double seconds) {
  Block block;
  int executes = 1;
  const auto sample = [&] {
    const double cpu = now_ms(CLOCK_PROCESS_CPUTIME_ID), start = now_ms();
    for (int i = 0; i < executes; ++i) workload->execute();
    const double end = now_ms();
    block.ms.push_back((end - start) / executes);
    block.cpu_ms.push_back((now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu) / executes);
    return end - start;
  };
  double last = sample();
  if (last < 1) last = sample();  // the first one woke the threads
  for (; last < 0.1 && executes < 1024; last = sample()) executes *= 2;
  block = {};
  for (const double end = now_ms() + 1e3 * seconds; block.ms.size() < 3 || now_ms() < end;) sample();
  return block;
}

int first_call(const std::string &name, const Options &options) {
  const std::unique_ptr<Workload> workload = make_workload(name);
  if (workload == nullptr) throw std::runtime_error("no workload '" + name + "'");
  workload->prepare(options);
  workload->execute();
  std::printf("%.6f %.6f\n", now_ms(), workload->plan_ms);
  return 0;
}

Start start_process(const char *program, const std::string &name, const Options &options) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("pipe failed");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::vector<std::string> words{program,
                                 "--first-call",
                                 name,
                                 "--threads",
                                 std::to_string(options.threads),
                                 "--isa",
                                 std::to_string(options.isa),
                                 "--executor",
                                 std::to_string(options.executor)};
  std::vector<char *> arguments;
  for (std::string &word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const double start = now_ms();
  const int failed = posix_spawn(&child, program, &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  char part[128];
  for (ssize_t n; failed == 0 && (n = read(ends[0], part, sizeof part)) > 0;) text.append(part, static_cast<size_t>(n));
  close(ends[0]);
  if (failed == 0) waitpid(child, nullptr, 0);
  double done = 0, plan_ms = 0;
  if (std::sscanf(text.c_str(), "%lf %lf", &done, &plan_ms) != 2)
    throw std::runtime_error("the started process gave no time");
  return {done - start, plan_ms};
}

int serve(const char *program, const Options &options) {
  std::unique_ptr<Workload> current;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, argument;
    words >> command >> std::ws;
    std::getline(words, argument);
    if (command == "quit") break;
    std::cout << answer(command, argument, program, options, &current) << std::endl;
  }
  return 0;
}

}  // namespace bench
