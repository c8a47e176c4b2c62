# SPDX-License-Identifier: Apache-2.0
"""Why a target is missed, by the benchmark's name of the workload: printed if it is."""

REMARKS = {
    "cleaning-5000x784x10-T100":
        "two fifths of the instructions are the products' multiply-adds; addresses, moves, the copy of rows into shared memory and the sums over"
        " lanes and blocks take the other issue slots. L2 is close behind: each of the 200 passes reads X once, as the floor has it, and besides"
        " each of the blocks reads the parameters and writes a gradient of its own, which the second stage reads: nearly as many bytes again."
        " Fewer, larger blocks do not help, since a block is a whole multiprocessor already; clusters that add up gradients in distributed shared"
        " memory, and tensor cores for the products, would.",
    "hpo-500x20-T100-4096":
        "a pass reads each row of X from shared memory once, 16 bytes a thread and load, which alone is twice the flop floor: 20 inputs and one"
        " output are too narrow a product to reuse a row in registers, and the 500 rows of a task do not fit them. A fifth of the instructions"
        " are multiply-adds; the logistic function, its derivative, the sums over lanes and the barriers of 200 short passes are the rest.",
}
