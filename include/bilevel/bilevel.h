/* SPDX-License-Identifier: Apache-2.0
 *
 * bilevel.h -- hypergradients behind a flat C ABI.
 *
 * A bilevel problem has an inner loss L_in(theta, phi), an inner optimiser that produces theta_T from theta_0, and an
 * outer loss L_out(theta_T, phi). This library returns dL_out/dphi for one problem or for a batch of independent ones
 * ("tasks").
 *
 *     spec (objectives, method, slots)  --blv_plan_create-->  plan  --blv_execute(pointers)-->  results
 *
 * A plan is made once, from sizes only, and holds no problem data. Every array that a call reads or writes is a *slot*
 * of the plan; blv_execute takes an array of pointers parallel to the slots. The hyperparameters phi are the slots with
 * use == BLV_GRADIENT: ask for the gradient of row weights, labels, features, penalties, rates, momenta,
 * initialisation, or several.
 *
 * The loss of one task with n rows, over the parameters theta of a feed-forward network o(x; theta):
 *
 *     L(theta) = (1/n) sum_i w_i loss(o(x_i; theta), y_i)  +  1/2 sum_j p_j theta_j^2
 *
 * with row weights w (default 1) and penalties p (default 0). A task with n = 0 rows has data term 0.
 *
 * Conventions. C11, no CUDA header. Enums travel as int32_t; counts and strides as int64_t, strides in elements of the
 * slot's dtype. Structs that begin with `size` are set to sizeof(the struct) by the caller and grow only at their end;
 * unset members are zero and zero means the default. Status 0 is success, > 0 rejected before any work (outputs
 * untouched), < 0 started and not finished (outputs undefined). Rows, tasks, steps, widths and parameters are at most
 * 2^40, widths at most 1025 in number, and the bytes of a workspace below 2^62. What depends on data (a label out of
 * range, a value that is not finite) is never a status: it is reported per task in blv_task_info and leaves the other
 * tasks unharmed.
 */
#ifndef BILEVEL_H
#define BILEVEL_H
#include <stdint.h>

#define BLV_VERSION_MAJOR 0
#define BLV_VERSION_MINOR 1
#define BLV_VERSION_PATCH 0

#if defined(__GNUC__)
#define BLV_API __attribute__((visibility("default")))
#else
#define BLV_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version and status ------------------------------------------------------------------------------------------ */

/* Version of the library that is loaded, as major * 10000 + minor * 100 + patch. */
BLV_API int32_t blv_version(void);

typedef int32_t blv_status;
enum {
  BLV_OK = 0,
  BLV_INVALID = 1,          /* an argument has a value that no version accepts */
  BLV_UNSUPPORTED = 2,      /* well formed, but not available in this build, on this machine or for this combination */
  BLV_TOO_SMALL = 3,        /* a buffer, a workspace or a limit is smaller than what is needed */
  BLV_NO_DEVICE = 4,        /* a CUDA device was asked for and there is none, or no driver, or no plugin */
  BLV_NO_MEMORY = 5,        /* the host could not give memory for a plan or a context */
  BLV_VERSION_MISMATCH = 6, /* a struct's `size` is none that this library knows */
  BLV_CANCELLED = -1,       /* blv_context_cancel was called */
  BLV_DEVICE_FAULT = -2,    /* the device failed; the context is dead */
  BLV_INTERNAL = -3,        /* a defect of this library: please report it */
  BLV_HOOK_FAILED = -4      /* the caller's parallel_for threw, or did not run every index once */
};

/* Name of a status ("BLV_INVALID"), a static string; "unknown status" for a value that is none. */
BLV_API const char *blv_status_name(blv_status status);
/* One sentence that says what a status means, a static string. */
BLV_API const char *blv_status_text(blv_status status);

/* ---- Context: where, and on whose behalf ------------------------------------------------------------------------- */

/* A context works for one call at a time; several contexts may be used at once, also with one plan. A blv_execute or
 * blv_plan_create on a context that another one is using, on another thread or from within its parallel_for, is refused
 * with BLV_INVALID and changes nothing; blv_context_cancel and blv_context_progress are for any thread at any time. A
 * context holds a thread pool (started at the first execute that wants one; a child process after fork() starts its own)
 * and the last error message.
 *
 * A context of a CUDA device. The first one of a process opens the plugin libbilevel_cuda.so: the file that the
 * environment variable BILEVEL_CUDA_PLUGIN names, else the one beside the library. An execute then takes memory of that
 * device (its primary context) for data, workspace and info, checks its arguments, enqueues its kernels on the
 * context's stream and returns, before they have run: results and info are valid once the stream has come to that
 * point. It allocates nothing, waits for nothing, copies nothing from host arrays but the pointers in `data`, and may be
 * captured in a CUDA graph, which then is replayed with the same arrays, and the same workspace, but new values in them.
 * Executes on one stream may share a workspace. The calling thread's current device is what it was before the call.
 *
 * A device reports a fault (an illegal address, say) late: a call after the one that caused it returns BLV_DEVICE_FAULT,
 * and from then on so does every execute and every blv_plan_create on that context, with a message that says since when.
 * CUDA gives no way back: destroy the context; the process cannot use the device again. */
typedef struct blv_context_s *blv_context;

enum { BLV_DEVICE_CPU = -1 };
enum { BLV_ISA_BEST = 0, BLV_ISA_X86_64_V2 = 2, BLV_ISA_X86_64_V3 = 3, BLV_ISA_X86_64_V4 = 4 };

typedef struct blv_context_options {
  int64_t size;    /* sizeof(blv_context_options) */
  int32_t device;  /* BLV_DEVICE_CPU, or a CUDA device ordinal >= 0. NB: zero is CUDA device 0. Compute capability 8.0
                      or later. The three members max_isa, threads, parallel_for are checked, but serve the CPU only */
  int32_t max_isa; /* the instruction set to use, BLV_ISA_*; BLV_ISA_BEST: the best that the machine has. One that it
                      lacks is BLV_UNSUPPORTED */
  int32_t threads; /* threads of an execute, 1 to 4096; 0: as many as the process may run on */
  int32_t reserved;
  void *stream; /* a cudaStream_t of `device`, which must outlive the executes on it; NULL: its default stream. Must be
                   NULL on the CPU */
  void *user;   /* first argument of the hook below */
  /* Runs fn(arg, i) once for each i in [0, n) and returns when all have returned, in any order, on any threads, one at
   * a time or at once. NULL: the context's own pool. Must not call into this context. Results do not depend on it. If it
   * throws a C++ exception, or returns having run more or fewer indices, the execute returns BLV_HOOK_FAILED with what()
   * in its message. Before that it waits for the indices that run on other threads; those that start later do nothing,
   * as long as the context lives. The context goes on. */
  void (*parallel_for)(void *user, int64_t n, void (*fn)(void *arg, int64_t i), void *arg);
} blv_context_options;

/* Makes a context. `options` NULL means: CPU, best ISA, all threads, own pool. On failure *out is NULL and the message
 * is blv_context_error(NULL). Errors: BLV_INVALID, BLV_VERSION_MISMATCH (also: a plugin of another build), BLV_NO_DEVICE
 * (no plugin, no driver, no device, or not so many), BLV_UNSUPPORTED (ISA; a device older than 8.0), BLV_NO_MEMORY,
 * BLV_DEVICE_FAULT (the device failed earlier in this process). */
BLV_API blv_status blv_context_create(const blv_context_options *options, blv_context *out);
/* Ends the pool's threads and frees the context, which no call may be using. NULL is allowed. Plans stay valid. */
BLV_API void blv_context_destroy(blv_context context);
/* Message of the last call on `context` that failed: it names the argument, its value and what is accepted. "" if none
 * failed yet. NULL: of the last failed call of this thread that had no context. A call that found its context in use
 * leaves its message to its own thread, which gets it from blv_context_error(context) until its next call on the
 * context, and from blv_context_error(NULL); the other call's message is not touched. Valid until the next call on the
 * context; not to be asked for while another thread uses the context, but by a thread that was refused. */
BLV_API const char *blv_context_error(blv_context context);
/* Asks the running execute, or else the next one, to stop between two inner steps and return BLV_CANCELLED. Any thread;
 * async-signal-safe. That execute consumes the request, also where it stops for another reason; one that comes after a
 * running execute's last step is for the next. An execute that is refused (status > 0) has not run: it leaves the
 * request to the next one that does. On a device, what has been enqueued runs to its end: a request is for the next
 * execute. */
BLV_API void blv_context_cancel(blv_context context);
/* Passes over rows done and to do (an unroll has one per inner step forward, one back, one of the outer loss; summed over
 * groups of tasks) of the running or last execute. Any thread; either may be NULL. On a device, the passes of all tasks
 * count as done once they are enqueued. */
BLV_API void blv_context_progress(blv_context context, int64_t *done, int64_t *total);

/* ---- Objective: a loss and the sizes of its leaves --------------------------------------------------------------- */

enum {
  BLV_NETWORK = 1, /* model: feed-forward network; with no hidden layer, a linear model */
  /* L = 1/2 theta' A theta - b' theta + 1/2 sum_j p_j theta_j^2. widths = {P}; loss 0; rows 0 or P; no sum is a mean.
   * Leaves: X is A, [P][P] (not necessarily symmetric), or with BLV_DIAGONAL its diagonal [P]; Y is b, [P]; PENALTY. */
  BLV_QUADRATIC = 2
};
enum {
  BLV_SQUARED = 1,      /* 1/2 sum_k (o_k - y_k)^2 */
  BLV_LOGISTIC = 2,     /* sum_k softplus(o_k) - y_k o_k, y_k in [0, 1]: independent binary labels */
  BLV_CROSS_ENTROPY = 3 /* sum_k y_k (logsumexp(o) - o_k), y a class index (i32 or i64) or dense, any finite values */
};
enum { BLV_TANH = 1, BLV_RELU = 2, BLV_SIGMOID = 3, BLV_SOFTPLUS = 4 }; /* activation of hidden layers */
enum {
  BLV_NO_BIAS = 1, /* flags of a network: layers are o = W h, without + b */
  BLV_DIAGONAL = 2 /* flag of a quadratic: A is a diagonal matrix */
};

/* Parameters: for each layer from the input on, the weight W (outputs x inputs, row-major) and then the bias b
 * (outputs): the order of PyTorch's nn.Linear in parameters_to_vector. o = W h + b. ReLU'(0) = 0. */
typedef struct blv_objective {
  int64_t size;          /* sizeof(blv_objective) */
  int32_t model;         /* BLV_NETWORK, ... */
  int32_t loss;          /* BLV_SQUARED, ...; 0 for a quadratic */
  int32_t activation;    /* BLV_TANH, ...; ignored (may be 0) without hidden layers */
  int32_t flags;         /* 0 or the model's: BLV_NO_BIAS, BLV_DIAGONAL */
  int64_t rows;          /* rows per task, >= 0; the largest number of rows if the slot (side, BLV_ROWS) is given */
  int64_t n_widths;      /* 2 to 1025; a quadratic: 1 */
  const int64_t *widths; /* {inputs, hidden..., outputs}, or {P}, each >= 1; copied */
} blv_objective;

/* Number of parameters of a network: sum over layers of outputs * (inputs + 1), or outputs * inputs with BLV_NO_BIAS.
 * -1 if widths are invalid. */
BLV_API int64_t blv_parameter_count(int64_t n_widths, const int64_t *widths, int32_t flags);

/* ---- Method: one struct per family, tagged by its head ----------------------------------------------------------- */

enum {
  BLV_EVALUATE = 1, /* L and its gradient with respect to any leaf */
  BLV_HVP = 2,    /* the gradient of (grad_theta L . v_k) with respect to any leaf, for K vectors v_k: at theta, H v_k;
                       at every other leaf, the cross product (d2 L / dleaf dtheta) v_k */
  BLV_UNROLL = 3, /* T inner steps; theta_T, outer loss, hypergradient by reverse accumulation through the steps */
  BLV_FORWARD =
      4, /* T inner steps, and with them the derivatives of theta_T and of the outer loss along K directions of
                      the hyperparameters, the BLV_TANGENT slots; memory does not grow with T */
  BLV_IMPLICIT = 5 /* T inner steps (0: theta_0 is the solution), and the hypergradient at theta_T from the optimality
                      condition, by a solve with the inner Hessian */
};
typedef struct blv_method { /* the head of every method; alone it is the method BLV_EVALUATE */
  int64_t size;             /* sizeof the struct that it heads */
  int32_t kind;             /* BLV_EVALUATE, ... */
  int32_t reserved;         /* 0 */
} blv_method;

typedef struct blv_hvp {
  blv_method head;
  int64_t vectors; /* K, 1 to 8 */
} blv_hvp;

enum {
  /* with g_t = grad L_in(theta_{t-1}) and m_0 = 0 */
  BLV_SGD = 1,       /* theta_t = theta_{t-1} - rate_t g_t */
  BLV_HEAVY_BALL = 2 /* m_t = momentum_t m_{t-1} + g_t, theta_t = theta_{t-1} - rate_t m_t (Polyak 1964) */
};
enum {
  BLV_STORE_AUTO = 0,       /* the fastest of the following that fits workspace_limit */
  BLV_STORE_TAPE = 1,       /* theta_t and the matrix products of every step */
  BLV_STORE_THETA = 2,      /* theta_t; products are recomputed in the reverse sweep */
  BLV_STORE_CHECKPOINTS = 3 /* theta_t every sqrt(T) steps; the steps between are run twice */
};
/* Hypergradient: Franceschi et al., Forward and Reverse Gradient-Based Hyperparameter Optimization, ICML 2017,
 * sec. 3.1. */
typedef struct blv_unroll {
  blv_method head;
  int32_t optimiser;  /* BLV_SGD, BLV_HEAVY_BALL */
  int32_t store;      /* BLV_STORE_* */
  int64_t steps;      /* T >= 0 */
  int64_t batch_rows; /* 0: all rows at every step; else the rows of a minibatch, and slot (INNER, BATCH) is required.
                         The mean is then over the minibatch, n = batch_rows */
} blv_unroll;

/* Derivatives by forward accumulation: Franceschi et al. 2017, sec. 3.2. For tangents e_k of the arrays (theta_0 among
 * them) the results are the derivatives of theta_T and of L_out along e_k. Without a BLV_TANGENT slot there is none. */
typedef struct blv_forward {
  blv_method head;
  int32_t optimiser; /* as blv_unroll */
  int32_t reserved;  /* 0 */
  int64_t steps;     /* as blv_unroll */
  int64_t batch_rows;
  int64_t tangents; /* K, 1 to 8 */
} blv_forward;

/* Solvers of (H + damping I) v = rhs, with one product with H an iteration */
enum {
  BLV_CG = 1,     /* conjugate gradients (Hestenes & Stiefel 1952). Curvature d'(H + damping I)d <= 0 fails the task */
  BLV_MINRES = 2, /* minimal residuals (Paige & Saunders 1975): H may be indefinite, or
                      singular: then |r| is the least that there is, if the dtype can tell */
  BLV_NEUMANN =
      3, /* v = step sum_k (I - step (H + damping I))^k rhs (Lorraine et al. 2020). A residual that grows, which
                      shows that the series diverges, fails the task */
  BLV_IDENTITY = 4 /* v = rhs, without iterations or products with H (T1-T2: Luketina et al. 2016). Members iterations,
                      tolerance, damping, warm_start and step are 0 */
};
/* Implicit differentiation (Pedregosa, Hyperparameter Optimization with Approximate Gradient, ICML 2016):
 *     (H + damping I) v = dL_out/dtheta,     dL_out/dleaf - (d2 L_in / dleaf dtheta) v,     H = d2 L_in/dtheta2
 * at theta_T, over all rows, for the leaves X, Y, WEIGHT and PENALTY. Exact where grad L_in(theta_T) = 0. A task stops at
 * its own iteration: its result does not depend on its batch. Where the residual that the recursion carries meets the
 * tolerance and the true one, computed afresh, does not, the task goes on from the true one, twice at most. */
typedef struct blv_implicit {
  blv_method head;
  int32_t optimiser;  /* as blv_unroll */
  int32_t solver;     /* BLV_CG, ... */
  int64_t steps;      /* as blv_unroll */
  int64_t batch_rows; /* of the inner steps */
  int64_t
      iterations; /* most iterations of the solver, 0 to 2^31 - 1 (BLV_F32: 2^24). 0: none, v = 0. A task that reaches the limit is
                         BLV_TASK_OK: BLV_RESIDUAL says how far it came. See BLV_ITERATIONS */
  double
      tolerance; /* stop at |r| <= tolerance |dL_out/dtheta|, 0 <= tolerance < 1; below epsilon / 16 of dtype it counts as
                    that. See BLV_TOLERANCE */
  double damping;     /* >= 0 */
  int32_t warm_start; /* 0: from v = 0. 1: from the v that the last execute with the same state ended with; not of
                         BLV_IDENTITY */
  int32_t reserved;   /* 0 */
  double step;        /* > 0, of BLV_NEUMANN: less than 2 / |H + damping I|; else 0 */
} blv_implicit;

/* ---- Slots: one per array that a call reads or writes ------------------------------------------------------------ */

/* Sides. BLV_BOTH: one array is the leaf of both losses. */
enum { BLV_INNER = 1, BLV_OUTER = 2, BLV_BOTH = 3, BLV_METHOD = 4 };
/* Leaves. Natural shape of one task's array in brackets; d = inputs, c = outputs, P = parameters, n = rows.
 * Sides: X, Y, WEIGHT, PENALTY, ROWS belong to INNER, OUTER (methods with an outer loss) or BOTH; BATCH to INNER; the others to
 * METHOD. */
enum {
  BLV_THETA0 = 1, /* [P] unroll, forward, implicit: the initial parameters */
  BLV_THETA = 2,  /* [P] evaluate, hvp: the parameters. unroll, forward, implicit: RESULT theta_T */
  BLV_X = 3,      /* [n][d], row_stride between rows */
  BLV_Y = 4, /* [n][c] dense targets of the plan's dtype, row_stride between rows; or [n] class indices i32 / i64 */
  BLV_WEIGHT = 5,  /* [n] row weights, row_stride between them */
  BLV_PENALTY = 6, /* extent SCALAR: one p for all weights (not biases). PER_FEATURE: [d], p_j for column j of the first
                      layer's weight only. PER_PARAMETER: [P], biases included */
  BLV_ROWS = 7,    /* one i32 or i64 per task: its number of rows, 0 to objective.rows; rows beyond are never read */
  BLV_BATCH = 8,   /* [batch_rows] i32 or i64 row indices, step_stride between steps. An index may be repeated: its
                    gradients add up */
  BLV_RATE = 9,    /* extent SCALAR or PER_PARAMETER, step_stride between steps */
  BLV_MOMENTUM = 10,      /* as BLV_RATE; required by BLV_HEAVY_BALL */
  BLV_VECTOR = 11,        /* hvp: [K][P], the right-hand sides, step_stride between vectors */
  BLV_LOSS = 12,          /* RESULT, one per task: evaluate, hvp: L; else L_out(theta_T) */
  BLV_LOSS_TANGENT = 13,  /* RESULT of forward: [K] derivatives of L_out, step_stride between them */
  BLV_THETA_TANGENT = 14, /* RESULT of forward: [K][P] derivatives of theta_T, step_stride between them */
  BLV_RESIDUAL = 15,      /* RESULT of implicit, one per task: |rhs - (H + damping I) v| / |rhs|, rhs = dL_out/dtheta,
                          computed afresh after the last iteration */
  BLV_SOLUTION = 16,      /* RESULT of implicit: [P], v */
  BLV_TOLERANCE = 17,     /* implicit, one per task: in place of the method's tolerance; one that is not in [0, 1) is
                             BLV_TASK_BAD_SOLVER */
  BLV_ITERATIONS = 18,    /* implicit, one i32 or i64 per task: most iterations, if fewer than the method's; a
                             negative one is BLV_TASK_BAD_SOLVER */
  BLV_STOP = 19,          /* RESULT of implicit, one per task: BLV_STOP_*, as a number of the plan's dtype */
  BLV_CURVATURE = 20,     /* RESULT of implicit, one per task: the least d'(H + damping I)d / d'd of the directions that
                          the solver went, an upper bound of the smallest eigenvalue; infinite without any */
  BLV_CONTRACTION = 21,   /* RESULT of implicit by NEUMANN, one per task: |r_k| / |r_k-1| of the last iteration, a
                             lower bound of |I - step (H + damping I)|, to which it tends; 0 without any */
  BLV_PRECONDITIONER = 22, /* [P] implicit by CG: the diagonal of a matrix like H + damping I, such as its own (Jacobi).
                             A negative entry or one that is not finite is BLV_TASK_BAD_SOLVER; one of 0 leaves
                             its coordinate as it began. The tolerance is on |r|, not on |M^-1/2 r| */
  BLV_STATIONARITY =
      23 /* RESULT of implicit, one per task: |grad L_in(theta_T)|, which the hypergradient takes for 0 */
};
enum {
  BLV_VALUE = 1,    /* read */
  BLV_GRADIENT = 2, /* written: derivative of the method's scalar with respect to the *array* of the VALUE slot of the
                       same side and leaf, that is through its link. The VALUE slot must exist, with the same extent */
  BLV_RESULT = 3,   /* written: BLV_LOSS and what else is said to be a RESULT */
  BLV_TANGENT = 4 /* read, method BLV_FORWARD: K directions of the *array* of the VALUE slot of the same side and leaf,
                       which must exist, with the same extent: each laid out as one task's value, step_stride between them */
};
enum { BLV_F32 = 1, BLV_F64 = 2, BLV_I32 = 3, BLV_I64 = 4 };
enum { BLV_NO_LINK = 0, BLV_EXP = 1, BLV_SOFTPLUS_LINK = 2, BLV_SIGMOID_LINK = 3 }; /* leaf = link(array) */
enum { BLV_NATURAL = 0, BLV_SCALAR = 1, BLV_PER_FEATURE = 2, BLV_PER_PARAMETER = 3 };

/* Strides count elements; one that a leaf does not use is 0. Rows of X and dense Y are contiguous inside. Arrays need
 * only the alignment of their element type; an array of no elements may be NULL. VALUE arrays may alias one another; an
 * array that is written overlaps nothing else, from its first to its last element (see blv_plan_extent): checked at
 * execute, so arrays interleaved with a written one are refused. Gradients of rows that a task lacks are 0. All of this
 * holds for arrays in device memory too; there, rows that begin at multiples of 16 bytes are read fastest.
 *
 * What step_stride 0 means:
 *   BATCH, VALUE of RATE and MOMENTUM     the same at every step
 *   GRADIENT of RATE and MOMENTUM         the sum over the steps
 *   VECTOR, TANGENT slots, results of K   dense: K arrays, each as long as the natural array of one task
 *   GRADIENT slots of an HVP plan         the same
 *
 * This struct, blv_method and blv_task_info stay as they are: what comes later comes in new ones. */
typedef struct blv_slot {
  int32_t side, leaf, use, dtype;
  int32_t link;   /* VALUE slots of floating-point leaves X, Y (dense), WEIGHT, PENALTY, RATE, MOMENTUM; 0 elsewhere */
  int32_t extent; /* PENALTY, RATE, MOMENTUM: required. Others: 0 */
  int64_t task_stride; /* between tasks. 0: shared by all tasks; a GRADIENT with 0 is the sum over tasks, in a fixed
                          order. RESULT slots of more than one task cannot be shared */
  int64_t step_stride; /* see the leaf */
  int64_t row_stride;  /* X, dense Y: 0 means dense, else at least d or c. Class indices, WEIGHT: 0 means 1 */
} blv_slot;

/* ---- Plan: immutable, without problem data; may be shared by threads --------------------------------------------- */

typedef struct blv_plan_s *blv_plan;

enum {
  BLV_EXECUTOR_AUTO = 0,
  BLV_TASKS_IN_LANES = 1,  /* one task per SIMD lane, groups of tasks over the threads */
  BLV_TASK_PER_CORE = 2,   /* SIMD lanes within a task, tasks over the threads */
  BLV_ROWS_OVER_CORES = 3, /* SIMD lanes within a task, one task after another, its rows over the threads */
  /* On a CUDA device; on the CPU they are BLV_UNSUPPORTED, as those above are on a device. */
  BLV_WARP_PER_TASK = 16,    /* a warp runs one task, the whole inner loop in one launch */
  BLV_BLOCK_PER_TASK = 17,   /* a thread block runs one task, likewise */
  BLV_CLUSTER_PER_TASK = 18, /* a cluster of blocks with distributed shared memory runs one task; from 9.0 on */
  BLV_GRID = 19              /* all blocks together run one task after another, its rows over the blocks */
};
/* Flags. BLV_SKIP_FAILED leaves failed tasks out of gradients summed over tasks; by default they poison them.
 * BLV_SPLIT_TF32: matrix products of dtype BLV_F32 run on a device's tensor cores, each as three products of TF32
 * numbers; their error is about 2^-21 of sum |a| |b|, where fp32 arithmetic has about 2^-24. BLV_UNSUPPORTED on the CPU,
 * with BLV_F64, and for plans without such a kernel. */
enum { BLV_SKIP_FAILED = 1, BLV_SPLIT_TF32 = 2 };

/* The results of an execute depend on the spec, the data, the ISA level (or the device's model) and the executor; never
 * on the number of threads, on the place of a task in its batch or on the other tasks: bit for bit. blv_plan_describe
 * records ISA, device and executor. */
typedef struct blv_spec {
  int64_t size;               /* sizeof(blv_spec) */
  int32_t dtype;              /* BLV_F32, BLV_F64: of all arithmetic and of every floating-point slot */
  int32_t max_threads;        /* CPU: most threads of an execute; scratch depends on it. 0: as this context */
  int64_t tasks;              /* most tasks of an execute, >= 0 */
  const blv_objective *inner; /* evaluate and hvp use this one */
  const blv_objective
      *outer;               /* evaluate, hvp: NULL. Else where a slot asks for LOSS, GRADIENT or what depends on L_out;
                                 widths, activation, flags as inner's */
  const blv_method *method; /* for example &unroll.head */
  int64_t n_slots;
  const blv_slot *slots;   /* copied; at most one slot per (side, leaf, use) */
  int64_t workspace_limit; /* bytes, 0 = none. The plan stores less to meet it, or creation fails with BLV_TOO_SMALL */
  int32_t executor;        /* BLV_EXECUTOR_AUTO, or one by name */
  int32_t flags;           /* 0, or BLV_SKIP_FAILED, BLV_SPLIT_TF32 or both */
} blv_spec;

typedef struct blv_sizes {
  int64_t size;            /* sizeof(blv_sizes), set by the caller */
  int64_t workspace_bytes; /* what blv_execute needs, exactly */
  int64_t workspace_align; /* alignment of the workspace, a power of two, <= 4096 */
  int64_t state_bytes;     /* what blv_execute needs as `state`; 0: none. Aligned like the workspace */
  int64_t flops;           /* arithmetic of the matrix products of an execute with all tasks */
  int64_t bytes;           /* least traffic: every input read and every output written once per pass over the rows */
} blv_sizes;

/* Checks the spec and makes a plan for the context's CPU or device; takes less than a millisecond (the first plan on a
 * device also loads its kernel, which is no work for a capture). On failure *out is NULL and the context's message says
 * why. On a device a plan has at most 16 layers and 40 slots; docs/cuda.md says what runs there. Errors: BLV_INVALID,
 * BLV_UNSUPPORTED, BLV_TOO_SMALL (workspace_limit), BLV_VERSION_MISMATCH, BLV_NO_MEMORY, BLV_DEVICE_FAULT. */
BLV_API blv_status blv_plan_create(blv_context context, const blv_spec *spec, blv_plan *out);
/* Frees the plan; no execute of it may be running. NULL is allowed. */
BLV_API void blv_plan_destroy(blv_plan plan);
/* Fills *out up to out->size. What this call and the two below refuse is in blv_context_error(NULL). */
BLV_API blv_status blv_plan_sizes(blv_plan plan, blv_sizes *out);
/* Number of elements that the array of slot `slot` spans for spec.tasks tasks: a binding checks its array with it. */
BLV_API blv_status blv_plan_extent(blv_plan plan, int64_t slot, int64_t *elements);
/* Writes a JSON object (executor, ISA or device and kernel, store, sizes, partition) with a terminating zero into text[capacity]; *needed
 * (may be NULL) receives the bytes needed. BLV_TOO_SMALL if capacity is less: text is then untouched. text may be NULL
 * with capacity 0. */
BLV_API blv_status blv_plan_describe(blv_plan plan, char *text, int64_t capacity, int64_t *needed);

/* ---- Execute ----------------------------------------------------------------------------------------------------- */

enum {
  BLV_TASK_OK = 0,
  BLV_TASK_NOT_FINITE = 1, /* a parameter, the loss or a gradient is NaN or infinite: divergence, or NaN in the data */
  BLV_TASK_BAD_LABEL = 2,  /* a class index outside [0, outputs), or a logistic label outside [0, 1] */
  BLV_TASK_BAD_INDEX = 3,  /* a minibatch index outside [0, rows) */
  BLV_TASK_BAD_ROWS = 4,   /* a number of rows outside [0, objective.rows] */
  BLV_TASK_CURVATURE = 5,  /* implicit by BLV_CG: the inner Hessian (with damping) is not positive definite */
  BLV_TASK_DIVERGENT =
      6, /* implicit by BLV_NEUMANN: the series diverges, step is too large or H not positive definite */
  BLV_TASK_BAD_SOLVER = 7 /* implicit: a tolerance outside [0, 1), a negative limit of iterations, or an entry of the
                              preconditioner that is negative or not finite */
};
/* Why the solver of an implicit method stopped: values of the slot BLV_STOP */
enum {
  BLV_STOP_CONVERGED = 0, /* the true residual meets the tolerance */
  BLV_STOP_LIMIT = 1,     /* no iterations left */
  BLV_STOP_STAGNATED = 2, /* it got no further: the tolerance is beyond what the dtype can reach, H is singular and the
                             right-hand side not in its range, or a preconditioner has zeros */
  BLV_STOP_CURVATURE = 3, /* BLV_TASK_CURVATURE */
  BLV_STOP_DIVERGENT = 4  /* BLV_TASK_DIVERGENT */
};
/* Outcome of one task. Where status is not BLV_TASK_OK, that task's own outputs are NaN; but STOP, CURVATURE and
 * CONTRACTION of a task whose solver failed (BLV_TASK_CURVATURE, BLV_TASK_DIVERGENT) are what it found. */
typedef struct blv_task_info {
  int32_t status; /* BLV_TASK_* */
  int32_t side;   /* BLV_INNER or BLV_OUTER: where a bad label, index or row count was found; else 0 */
  int64_t step;   /* inner step in 1..T after which theta_t was first not finite, or that used a bad index; else -1 */
  int64_t row;    /* row of the bad label, position in the batch of the bad index; else -1 */
  int64_t iterations;   /* inner steps run; implicit: iterations of the solver */
  double loss;          /* as slot BLV_LOSS; NaN if it was not computed */
  double gradient_norm; /* |dL/dtheta| (evaluate), |dL_out/dtheta_T| (else, with a gradient); NaN if not computed */
} blv_task_info;

/* Runs `tasks` tasks (0 to spec.tasks). data (itself a host array) has data[i] for slot i; on the CPU all are host
 * pointers. workspace: at least blv_sizes.workspace_bytes, aligned, not shared with a concurrent call; its content is
 * irrelevant before and after. state: NULL if blv_sizes.state_bytes is 0; else so many bytes, which the caller fills with zeros
 * before the first execute and leaves alone from then on (its size and its plan are not checked), one for each sequence of executes of one plan whose tasks go on
 * (a task that fails begins again from zeros; tasks that do not run keep theirs). info: NULL or `tasks` entries, written. Allocates nothing.
 * On the CPU done on return. With 0 tasks, gradients that are summed over tasks become 0. Cancellation is polled between
 * inner steps and between groups of tasks; on a device, once before anything is enqueued.
 *
 * On a device, workspace, info and every data[i] of at least one element point to memory that cudaMalloc and its like
 * gave on that device, or to managed memory; a host pointer (pinned memory too) or another device's is BLV_INVALID. The
 * execute is enqueued on the context's stream, see blv_context.
 *
 * Errors: BLV_INVALID (NULL pointers, overlap, alignment, kind of memory, tasks, a stream that is no more, a context in
 * use), BLV_TOO_SMALL (workspace), BLV_UNSUPPORTED (the plan was made for another device, or for an ISA level above that
 * of the context), BLV_CANCELLED, BLV_HOOK_FAILED, BLV_DEVICE_FAULT (the device failed, at this call or before). */
BLV_API blv_status blv_execute(blv_context context, blv_plan plan, int64_t tasks, void *const *data, void *workspace,
                               int64_t workspace_bytes, void *state, blv_task_info *info);

#ifdef __cplusplus
}
#endif
#endif
