# SPDX-License-Identifier: Apache-2.0
"""The programs that the drivers time, as they see them: a process, and its line protocol (bench/serve.h)."""
import json
import subprocess


class Ended(Exception):
    """A program ended while it was asked."""


class Program:
    """A worker and its line protocol."""

    def __init__(self, name, command, env=None):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def try_ask(self, line):
        """The answer, which may be that a plan was refused."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise Ended(f"{self.name} ended while asked: {line} (exit status {self.process.wait()})")
        return json.loads(answer)

    def ask(self, line):
        """The answer; anything else ends the driver."""
        try:
            answer = self.try_ask(line)
        except Ended as ended:
            raise SystemExit(str(ended)) from None
        if "refused" in answer:
            raise SystemExit(f"{self.name}, asked: {line}: {answer['refused']}")
        return answer

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.stdout.close()
        self.process.wait()
