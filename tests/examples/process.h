// SPDX-License-Identifier: Apache-2.0
//
// Runs a program as a shell would, captures stdout and stderr, and can send it a signal once its stderr says that it
// got somewhere.
#ifndef BILEVEL_TESTS_EXAMPLES_PROCESS_H_
#define BILEVEL_TESTS_EXAMPLES_PROCESS_H_

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace process {

struct Result {
  int exit_code = -1;  // -signal if a signal ended it
  std::string out, err;
};

// `when` not empty: sends `signal_number` as soon as stderr contains it. terminal: stderr is a terminal, 100 columns wide.
inline Result run(const std::vector<std::string> &command, const std::string &when = "", int signal_number = SIGINT,
                  bool terminal = false) {
  int out[2], err[2];
  const winsize window{24, 100, 0, 0};
  const int opened = terminal ? openpty(&err[0], &err[1], nullptr, nullptr, &window) : pipe(err);
  if (pipe(out) != 0 || opened != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    for (const int fd : {out[0], out[1], err[0], err[1]}) close(fd);
    std::vector<char *> argv;
    for (const std::string &word : command) argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  Result result;
  bool sent = when.empty();
  pollfd fds[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  for (int open = 2; open > 0;) {
    if (poll(fds, 2, -1) < 0) break;
    for (int k = 0; k < 2; ++k) {
      if (fds[k].fd < 0 || fds[k].revents == 0) continue;
      char buffer[4096];
      const ssize_t n = read(fds[k].fd, buffer, sizeof buffer);
      if (n > 0) {
        (k == 0 ? result.out : result.err).append(buffer, static_cast<size_t>(n));
      } else {
        close(fds[k].fd);
        fds[k].fd = -1;
        --open;
      }
    }
    if (!sent && result.err.find(when) != std::string::npos) {
      kill(child, signal_number);
      sent = true;
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result;
}

}  // namespace process

#endif  // BILEVEL_TESTS_EXAMPLES_PROCESS_H_
