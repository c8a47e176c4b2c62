# SPDX-License-Identifier: Apache-2.0
"""Budgets: what a kernel may take, declared in a comment beside its code, or in a file FILE.budgets beside FILE.h.

    // budget: NAME [LEVEL] sm_90[,sm_80,...] registers <= R, spill <= B bytes, shared <= S bytes, occupancy >= W warps

NAME is the kernel's name without namespaces, with template arguments (that instance) or without (all of them); LEVEL is the level of
cooperation for which a kernel is compiled: warp, block, cluster, grid. The most exact line counts.
"""
import glob
import os
import re
from dataclasses import dataclass

from .predictor import ROOT, occupancy

REQUIRED_ARCH = 90  # every kernel has a budget for it
LINE = re.compile(r"^(?P<name>\w+(?:<.*>)?)(?: (?P<level>warp|block|cluster|grid))? (?P<archs>sm_\d+(?:, ?sm_\d+)*) "
                  r"registers <= (?P<registers>\d+), spill <= (?P<spill>\d+) bytes, shared <= (?P<shared>\d+) bytes, "
                  r"occupancy >= (?P<warps>\d+) warps$")


@dataclass
class Budget:
    where: str
    name: str
    level: str
    archs: list
    registers: int
    spill: int
    shared: int
    warps: int

    def fits(self, kernel):
        names = (kernel.name, kernel.name.split("<")[0])
        return self.name in names and self.level in ("", kernel.level) and kernel.arch in self.archs

    def exactness(self):
        return ("<" in self.name) + (self.level != "")


def comments(path):
    """(line number, text after "budget:") of a file; the text may go on in the comment's next lines."""
    with open(path) as file:
        lines = file.read().split("\n")
    for i, line in enumerate(lines):
        match = re.match(r"\s*// budget: (.*)", line)
        if not match:
            continue
        text, at = match.group(1).strip(), i + 1
        while not text.endswith(" warps") and at < len(lines) and re.match(r"\s*// (?!budget:)", lines[at]):
            text += " " + lines[at].strip()[3:].strip()
            at += 1
        yield i + 1, text


def read_budgets(folder=os.path.join(ROOT, "kernels")):
    """(budgets, what is wrong with lines that are none)."""
    budgets, wrong = [], []
    paths = (p for pattern in ("*.cu", "*.h", "*.budgets") for p in glob.glob(os.path.join(folder, "**", pattern), recursive=True))
    for path in sorted(paths):
        for number, text in comments(path):
            where = f"{os.path.relpath(path, os.path.dirname(folder))}:{number}"
            match = LINE.match(text)
            if not match:
                wrong.append(f"{where}: not a budget: {text}")
                continue
            archs = [int(a) for a in re.findall(r"\d+", match["archs"])]
            budgets.append(Budget(where, match["name"], match["level"] or "", archs,
                                  *(int(match[x]) for x in ("registers", "spill", "shared", "warps"))))
    return budgets, wrong


def find(budgets, kernel):
    fitting = [b for b in budgets if b.fits(kernel)]
    return max(fitting, key=Budget.exactness, default=None)


def excesses(kernel, budget):
    """What the kernel takes beyond its budget, as text."""
    found = [f"{value} {what}, budget {most}" for what, value, most in
             (("registers", kernel.registers, budget.registers), ("bytes of spill", kernel.spill, budget.spill),
              ("bytes of shared memory", kernel.shared, budget.shared)) if value > most]
    warps, limit = occupancy(kernel)
    if warps < budget.warps:
        found.append(f"{warps} resident warps (limited by {limit}), budget {budget.warps}")
    return found


def check(kernels, budgets, wrong):
    """All that is wrong: excesses, kernels without a budget, budgets without a kernel, lines that are no budgets."""
    problems = list(wrong)
    for kernel in kernels:
        title = f"{kernel.name}{' ' + kernel.level if kernel.level else ''} sm_{kernel.arch}"
        budget = find(budgets, kernel)
        if budget is None:
            if kernel.arch == REQUIRED_ARCH:
                problems.append(f"{title}: no budget; it has {describe(kernel)}")
            continue
        problems += [f"{title}: {text} ({budget.where})" for text in excesses(kernel, budget)]
    archs = {k.arch for k in kernels}
    for budget in budgets:
        if archs & set(budget.archs) and not any(budget.fits(k) for k in kernels):
            problems.append(f"{budget.where}: no kernel '{budget.name}{' ' + budget.level if budget.level else ''}'")
    return problems


def tighten(kernels, budgets, folder):
    """Rewrites the numbers of every budget line to what the kernels have that go by it; spills rounded up to 64 bytes, since ptxas
    moves them at every change. Returns the number of lines that changed."""
    changed = 0
    for budget in budgets:
        mine = [k for k in kernels if find(budgets, k) is budget]
        path, number = budget.where.rsplit(":", 1)
        path, at = os.path.join(os.path.dirname(folder), path), int(number) - 1
        with open(path) as file:
            lines = file.read().split("\n")
        head = re.match(r"\s*// budget: \S.*? sm_[\d,sm_ ]* (?=registers)", lines[at])
        if not mine or not head or not lines[at].endswith(" warps"):
            continue
        line = head.group(0) + numbers(max(k.registers for k in mine), (max(k.spill for k in mine) + 63) // 64 * 64, max(k.shared for k in mine),
                                       min(occupancy(k)[0] for k in mine))
        changed += line != lines[at]
        lines[at] = line
        with open(path, "w") as file:
            file.write("\n".join(lines))
    return changed


def numbers(registers, spill, shared, warps):
    return f"registers <= {registers}, spill <= {spill} bytes, shared <= {shared} bytes, occupancy >= {warps} warps"


def describe(kernel):
    """A kernel's numbers in the form of a budget."""
    return numbers(kernel.registers, kernel.spill, kernel.shared, occupancy(kernel)[0])
