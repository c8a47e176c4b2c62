# SPDX-License-Identifier: Apache-2.0
"""Tests of scripts/kernel-report: names, budgets, hot loops, straight lines through counts; and, with the path of a plugin that has
machine code, of the check as a program.

    kernel_report_test.py [libbilevel_cuda.so]
"""
import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
from kernel_report import budget, cubin, document, sass, workloads  # noqa: E402

PLUGIN = None


def kernel(**values):
    fields = dict(symbol="k", arch=90, registers=64, stack=0, shared=1024, threads=256, name="sum<float>", level="block")
    return cubin.Kernel(**{**fields, **values})


def budgets_of(*lines):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "a.cu"), "w") as file:
            file.write("\n".join(lines) + "\n")
        return budget.read_budgets(folder)


class Names(unittest.TestCase):
    def test_of_a_group_kernel(self):
        text = ("void bilevel::cuda_block::interpreter_kernel<float, (bilevel::cuda_block::Lanes)1, bilevel::cuda_block::Unroll<float, "
                "(bilevel::cuda_block::Lanes)1> >(bilevel::cuda_block::GroupArguments)")
        self.assertEqual(cubin.short_name(text), ("interpreter_kernel<float, Unroll>", "block"))
        linear = text.replace("Lanes)1> >", "Lanes)1, bilevel::cuda_block::Narrow> >").replace("cuda_block", "cuda_block_narrow")
        self.assertEqual(cubin.short_name(linear), ("interpreter_kernel<float, Unroll<Narrow>>", "block"))

    def test_of_an_instance(self):
        text = "void bilevel::small_network::unroll<bilevel::small_network::Shape<40, 10> >(bilevel::small_network::Arguments)"
        self.assertEqual(cubin.short_name(text), ("unroll<Shape<40, 10>>", ""))

    def test_of_a_kernel_without_arguments_and_of_a_hidden_one(self):
        self.assertEqual(cubin.short_name("fill(float*, int)"), ("fill", ""))
        self.assertEqual(cubin.short_name("void bilevel::(anonymous namespace)::fill<int>(float*)"), ("fill<int>", ""))

    def test_spill_is_the_stack_beyond_local_arrays(self):
        self.assertEqual(kernel(stack=120, local_arrays=112).spill, 8)
        self.assertEqual(kernel(stack=0, local_arrays=112).spill, 0)

    def test_local_arrays_of_ptx(self):
        ptx = (b".visible .entry one(\n.param .b32 x\n)\n{\n.local .align 8 .b8 \t__local_depot0[112];\n}\n"
               b".func  (.param .b32 r) two(\n)\n{\n.local .align 8 .b8 \t__local_depot1[16];\n}\n.weak .entry three(\n)\n{\n}\n")
        self.assertEqual(cubin.local_arrays(ptx), {"one": 112, "two": 16})


def entry(payload, flags=0, whole=0, kind=2):
    """An entry of a fat binary."""
    padded = payload + bytes(-len(payload) % 8)
    compressed = len(payload) if flags & 0xF000 else 0
    return struct.pack("<HHIQIIHHIIIQQQ", kind, 0x101, 64, len(padded), compressed, 0, 1, 8, 90, 0, 0, flags | 0x11, 0, whole) + padded


class FatBinaries(unittest.TestCase):
    TEXT = b"code " * 1001

    def packed(self):
        return subprocess.run(["zstd", "-qc"], input=self.TEXT, capture_output=True, check=True).stdout

    def read(self, *entries):
        data = b"".join(entries)
        return list(cubin._entries(data, 0, len(data)))

    def test_compressed_and_plain_entries_give_the_same(self):
        found = self.read(entry(self.TEXT, kind=1), entry(self.packed(), 0x8000, len(self.TEXT)))
        self.assertEqual([(kind, arch) for kind, arch, _ in found], [(1, 90), (2, 90)])
        self.assertEqual(found[0][2].rstrip(b"\0"), self.TEXT)
        self.assertEqual(found[1][2], self.TEXT)

    def test_another_compression_is_refused(self):
        with self.assertRaisesRegex(cubin.FormatError, "not compressed with Zstandard.*--compress-mode=size"):
            self.read(entry(self.packed(), 0x2000, len(self.TEXT)))

    def test_damage_is_said(self):
        for damaged in (entry(self.packed()[:-5], 0x8000, len(self.TEXT)), entry(b"x" + self.packed()[1:], 0x8000, len(self.TEXT)),
                        entry(self.packed(), 0x8000, 7), entry(self.TEXT)[:-8]):
            with self.assertRaisesRegex(cubin.FormatError, "a damaged fat binary: .+"):
                self.read(damaged)


class Budgets(unittest.TestCase):
    LINE = "// budget: sum<float> block sm_90 registers <= 64, spill <= 0 bytes, shared <= 1024 bytes, occupancy >= 24 warps"

    def problems(self, kernels, *lines):
        return budget.check(kernels, *budgets_of(*lines))

    def test_what_fits_passes(self):
        self.assertEqual(self.problems([kernel()], self.LINE), [])

    def test_each_excess_is_found(self):
        for text, value in (("65 registers", dict(registers=65)), ("8 bytes of spill", dict(stack=8)),
                            ("1025 bytes of shared", dict(shared=1025)), ("16 resident warps", dict(registers=81))):
            lines = (self.LINE.replace("<= 64", "<= 96"),) if "warps" in text else (self.LINE,)
            problems = self.problems([kernel(**value)], *lines)
            self.assertEqual(len(problems), 1, problems)
            self.assertIn(text, problems[0])
            self.assertIn("sum<float> block sm_90", problems[0])

    def test_a_kernel_without_a_budget(self):
        problems = self.problems([kernel(), kernel(name="other")], self.LINE)
        self.assertEqual(len(problems), 1)
        self.assertIn("other block sm_90: no budget", problems[0])
        self.assertEqual(self.problems([kernel(), kernel(arch=80)], self.LINE), [])  # budgets for sm_80 are not required
        self.assertEqual(len(self.problems([kernel(), kernel(level="warp")], self.LINE)), 1)

    def test_a_budget_without_a_kernel(self):
        self.assertEqual(len(self.problems([kernel()], self.LINE, self.LINE.replace("sum<", "gone<"))), 1)

    def test_the_most_exact_line_counts(self):
        general = self.LINE.replace("sum<float> block", "sum").replace("<= 64", "<= 1")
        self.assertEqual(self.problems([kernel()], general, self.LINE), [])
        self.assertEqual(len(self.problems([kernel(name="sum<double>")], general)), 1)

    def test_a_line_for_two_architectures_over_two_lines(self):
        lines = (self.LINE.replace("sm_90", "sm_80,sm_90").replace(" shared", "\n// shared"),)
        self.assertEqual(self.problems([kernel(), kernel(arch=80)], *lines), [])
        self.assertEqual(len(self.problems([kernel(), kernel(arch=80, registers=65)], *lines)), 1)

    def test_a_line_that_is_no_budget(self):
        for line in ("// budget: sum sm_90 registers <= 64", self.LINE.replace("bytes", "byte"), self.LINE.replace("sm_90 ", "")):
            problems = self.problems([], line)
            self.assertEqual(len(problems), 1, line)
            self.assertIn("not a budget", problems[0])

    def test_tightened_budgets_are_what_the_kernels_take(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.cu")
            with open(path, "w") as file:
                file.write("x\n" + self.LINE + "\n" + self.LINE.replace("sum<float>", "gone").replace("sm_90", "sm_80,sm_90") + "\ny\n")
            kernels = [kernel(registers=20, shared=10), kernel(name="gone", registers=99), kernel(name="gone", arch=80, registers=20)]
            budgets, _ = budget.read_budgets(folder)
            self.assertEqual(budget.tighten(kernels, budgets, folder), 2)
            with open(path) as file:
                text = file.read().split("\n")
            self.assertIn("sum<float> block sm_90 registers <= 20, spill <= 0 bytes, shared <= 10 bytes, occupancy >= 64 warps", text[1])
            self.assertIn("gone block sm_80,sm_90 registers <= 99,", text[2])
            self.assertEqual((text[0], text[3], text[4]), ("x", "y", ""))
            self.assertEqual(budget.check(kernels, *budget.read_budgets(folder)), [])

    def test_what_show_prints_is_a_budget_that_is_kept(self):
        k = kernel(registers=77, stack=16)
        self.assertEqual(self.problems([k], f"// budget: {k.name} {k.level} sm_90 {budget.describe(k)}"), [])


LISTING = """.text.k:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
        /*0010*/                   FFMA R0, R0, R1, R2 ;
.L_x_0:
        /*0020*/                   FADD R0, R0, R1 ;
        /*0030*/                   FADD R0, R0, R1 ;
        /*0040*/                   FFMA R0, R0, R1, R2 ;
.L_x_1:
        /*0050*/                   LDS.128 R4, [R3] ;
        /*0060*/                   FFMA R0, R0, R1, R2 ;
        /*0070*/              @!P0 BRA `(.L_x_1) ;
        /*0080*/                   LDG.E R7, [R8.64] ;
        /*0090*/               @P1 BRA `(.L_x_0) ;
        /*00a0*/                   EXIT ;
$k$f:
        /*00b0*/                   STL [R1], R0 ;
        /*00c0*/                   BRA `(.L_x_1) ;
"""


class HotLoop(unittest.TestCase):
    def test_an_inner_loop_counts_more(self):
        listing = sass.Listing(LISTING)
        self.assertEqual(len(listing.code), 13)
        self.assertEqual(listing.loops, [(2, 9), (5, 7)])  # the branch from another function is none
        self.assertEqual(dict(listing.hot_loop()), {"LDS.128": 1, "FFMA": 1, "control": 1})

    def test_more_work_counts_more(self):
        more = LISTING.replace("        /*0040*/                   FFMA", "        /*0040*/                   HMMA.1688.F32.TF32")
        self.assertEqual(dict(sass.Listing(more).hot_loop()), {"other fp": 2, "HMMA": 1, "LDG": 1, "control": 1})

    def test_no_loop_or_none_that_multiplies(self):
        self.assertIsNone(sass.Listing(LISTING.replace("BRA", "NOP")).hot_loop())
        self.assertIsNone(sass.Listing(LISTING.replace("FFMA", "FADD")).hot_loop())


class Counts(unittest.TestCase):
    def record(self, instructions, sectors, grid=4):
        memory = dict(requests=sectors // 4, bytes=32 * sectors, sectors=sectors, lines_128B=0, unique_bytes=128, wavefronts=0,
                      sectors_per_request=4.0)
        return dict(name="k", grid=[grid, 1, 1], launches=1, warps=8, threads=256, warp_instructions=instructions,
                    thread_instructions=32 * instructions, local_bytes=0, warp_instructions_by_class=dict(fp32_fma=instructions),
                    global_load=memory, global_store=dict(memory), shared_load=dict(memory), shared_store=dict(memory))

    def test_steps_continue_in_a_straight_line(self):
        record = workloads.extended(self.record(100, 40), self.record(130, 60), 98)
        self.assertEqual(record["warp_instructions_by_class"]["fp32_fma"], 100 + 98 * 30)
        self.assertEqual(record["global_load"]["sectors"], 40 + 98 * 20)
        self.assertEqual(record["global_load"]["unique_bytes"], 128)  # read again, not more of it
        self.assertEqual(record["global_load"]["sectors_per_request"], 4.0)
        self.assertEqual(record["warps"], 8)

    def test_launches_of_other_shapes_do_not(self):
        with self.assertRaises(RuntimeError):
            workloads.extended(self.record(1, 4), self.record(2, 4, grid=5), 1)

    def test_a_missed_target_is_said_with_its_reason(self):
        work = workloads.Workload("work", "some work", [], size=10, flops=1e9, bytes=1e6, target=1e-3, target_text="a millisecond")
        slow, fast = (workloads.Bound("H100", seconds, "fp32", "issue 50%") for seconds in (2e-3, 0.5e-3))
        text = document.bounds_section([(work, dict.fromkeys(workloads.GPUS, slow))])
        self.assertIn("missed, 2.00 x", text)
        self.assertIn("no reason found yet", text)
        self.assertNotIn("missed", document.bounds_section([(work, dict.fromkeys(workloads.GPUS, fast))]))

    def test_bounds_as_json(self):
        work = workloads.Workload("work", "some work", [])
        data = json.loads(document.bounds_json([(work, {"H100": workloads.Bound("H100", 2e-3, "fp32", "issue 50%")})], "abc"))
        self.assertEqual(data["bounds"], [dict(workload="work", gpu="H100", bound_us=2000, unit="fp32", second="issue 50%")])
        self.assertEqual(data["commit"], "abc")
        self.assertIn("not measured", data["note"])

    def test_the_report_says_first_that_nothing_was_measured(self):
        self.assertIn("nothing in this report was measured on a GPU", " ".join(document.HEAD.split("\n")[:4]))


class Program(unittest.TestCase):
    def setUp(self):
        if not PLUGIN:
            self.skipTest("no plugin with machine code was given")

    def check(self, lines):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "a.cu"), "w") as file:
                file.write("\n".join(lines) + "\n")
            done = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "kernel-report"), "--build", ".", "--plugin", PLUGIN,
                                   "--check", "--budgets", folder], capture_output=True, text=True)
            return done.returncode, done.stdout

    def test_exact_budgets_pass_and_a_register_less_fails(self):
        kernels = cubin.read_kernels(PLUGIN)
        lines = [f"// budget: {k.name} {k.level + ' ' if k.level else ''}sm_{k.arch} {budget.describe(k)}" for k in kernels]
        self.assertEqual(self.check(lines), (0, f"kernel-report: {len(kernels)} kernels, 0 problems\n"))
        first = f"registers <= {kernels[0].registers},"
        lines[0] = lines[0].replace(first, f"registers <= {kernels[0].registers - 1},")
        status, text = self.check(lines)
        self.assertEqual(status, 1)
        self.assertIn(f"{kernels[0].registers} registers, budget {kernels[0].registers - 1}", text)

    def test_no_budget_fails(self):
        self.assertEqual(self.check([])[0], 1)

    def test_what_is_no_plugin_fails(self):
        with contextlib.redirect_stderr(io.StringIO()):
            done = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "kernel-report"), "--build", ".", "--plugin", __file__,
                                   "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not a 64-bit ELF file", done.stderr)

    def test_numbers_are_possible(self):
        for k in cubin.read_kernels(PLUGIN):
            self.assertTrue(1 <= k.registers <= 255 and 32 <= k.threads <= 1024 and k.stack >= 0 and k.shared <= 48 << 10, k)
            self.assertNotIn("::", k.name)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        PLUGIN = sys.argv.pop()
    unittest.main()
