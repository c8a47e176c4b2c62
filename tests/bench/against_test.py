# SPDX-License-Identifier: Apache-2.0
"""Tests of bench/against.py and scripts/library-of: against_test.py BENCH LIBRARY REFUSING_LIBRARY. No timing is asserted."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import against  # noqa: E402

BENCH = LIBRARY = REFUSING = ""
RATIO = r"\d+\.\d{3} \[\d+\.\d{3}, \d+\.\d{3}\]"


def run(*arguments, ours=None, theirs=None, name="HEAD"):
    command = [sys.executable, ROOT / "bench" / "against.py", "--bench", BENCH, "--ours", Path(ours or LIBRARY).parent, "--theirs",
               Path(theirs or LIBRARY).parent, "--name", name, "--filter", "hpo-20x5-1", "--rounds", "1", "--seconds", "0.01", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def row(ratio, low, threads=1, rounds=3):
    fine = dict(median=1.0, range=[1.0, 1.0])
    judged = dict(median=ratio, range=[low, ratio])
    return dict(workload="w", threads=threads, wall=judged if threads > 1 else fine, cpu=judged if threads == 1 else fine,
                judged_by="cpu" if threads == 1 else "wall", rounds=[{}] * rounds)


class Against(unittest.TestCase):
    def test_a_library_against_itself(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.json"
            done = run("--json", str(path))
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = json.loads(path.read_text())["rows"]
        lines = [line for line in done.stdout.splitlines() if line.startswith("hpo-20x5-1 ")]
        self.assertEqual(len(lines), 2, done.stdout)
        for line, threads in zip(lines, "12"):
            self.assertRegex(line, rf"^hpo-20x5-1 +{threads} +[\d.]+ +[\d.]+   {RATIO} +{RATIO} +same bits( +slower\??)?$")
        self.assertEqual([r["judged_by"] for r in rows], ["cpu", "wall"])
        for r in rows:
            self.assertEqual((len(r["rounds"]), r["result_difference"]), (1, 0))
            self.assertGreater(r["ours_cpu_ms"], 0)

    def test_what_the_other_library_refuses_is_no_error(self):
        done = run("--threads", "1", theirs=REFUSING, name="0123abc")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r'hpo-20x5-1 +1 refused by 0123abc: hpo-20x5-1: BLV_UNSUPPORTED: unknown "workload"')
        self.assertIn("0 rows, 0 slower in every round, 0 with the same bits, 1 refused", done.stdout)

    def test_what_this_tree_refuses_is_told_apart(self):
        self.assertIn("refused by this tree", run("--threads", "1", ours=REFUSING).stdout)

    def test_fails_above_a_ratio(self):
        self.assertEqual(run("--threads", "1", "--fail-above", "1e9").returncode, 0)
        done = run("--threads", "1", "--fail-above", "1e-9")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("above 1e-09: hpo-20x5-1 (1)", done.stdout)

    def test_a_library_that_is_not_the_one_asked_for_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run("--threads", "1", theirs=Path(folder) / "libbilevel.so")
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not run with the library in", done.stderr)

    def test_rows_above_the_mark(self):
        for threads in (1, 2):
            self.assertEqual(against.verdict(row(1.01, 1.01, threads)), "")
            self.assertEqual(against.verdict(row(1.03, 1.01, threads)), "slower")
            self.assertEqual(against.verdict(row(1.03, 0.99, threads)), "slower?")
            self.assertEqual(against.verdict(row(1.03, 1.03, threads, rounds=1)), "slower?")

    def test_library_of_a_commit_is_built_once(self):
        git = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
        if git.returncode:
            self.skipTest("not a git checkout")
        with tempfile.TemporaryDirectory() as folder:
            kept = Path(folder) / git.stdout.strip()
            kept.mkdir()
            environment = dict(os.environ, BILEVEL_COMMITS=folder)
            done = subprocess.run([ROOT / "scripts" / "library-of", "HEAD"], env=environment, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, f"{kept}\n"), done.stderr)
            done = subprocess.run([ROOT / "scripts" / "library-of", "no-such-commit"], env=environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("no commit 'no-such-commit'", done.stderr)


if __name__ == "__main__":
    BENCH, LIBRARY, REFUSING = sys.argv[1:4]
    unittest.main(argv=sys.argv[:1])
