// SPDX-License-Identifier: Apache-2.0
//
// Memory that cannot be had is a bilevel::Error like everything else, and the object that asked for it goes on. This program's
// operator new fails on demand: the k-th call from now on, or those for more bytes than allowed.
#include <atomic>
#include <cstdlib>
#include <new>

#include "problems.h"

namespace bl = bilevel;
using problems::labels;
using problems::random;

namespace {

constexpr long kNever = -1;
std::atomic<long> calls_to_failure{kNever};
constexpr std::size_t kMostBytes = std::size_t{1}
                                   << 39;  // beyond any machine; a sanitizer ends the program for a few times more
std::atomic<std::size_t> most_bytes{kMostBytes};

void *allocate_or_throw(std::size_t bytes, std::size_t align) {
  if (calls_to_failure >= 0 && calls_to_failure-- == 0) throw std::bad_alloc();
  if (bytes > most_bytes) throw std::bad_alloc();
  void *memory = nullptr;
  if (posix_memalign(&memory, std::max(align, sizeof(void *)), bytes) != 0) throw std::bad_alloc();
  return memory;
}

// Not inlined: the compiler would take free for the wrong partner of a new that it does not see to be this one.
[[gnu::noinline]] void give_back(void *memory) { std::free(memory); }

// Runs `call` with the k-th allocation failing, for k = 0, 1, ... until there is no k-th one: each time it throws an Error
// without memory, or succeeds all the same. Returns how often it threw.
template <class Call>
int fail_every_allocation(Call call) {
  int thrown = 0;
  for (long k = 0; k < 10000; ++k) {
    calls_to_failure = k;
    try {
      call();
    } catch (const bl::Error &error) {
      ++thrown;
      EXPECT_EQ(error.status(), BLV_NO_MEMORY) << error.what();
    } catch (const std::exception &error) {
      calls_to_failure = kNever;
      ADD_FAILURE() << "allocation " << k << ": " << error.what();
      return thrown;
    }
    const bool failed = calls_to_failure < 0;
    calls_to_failure = kNever;
    if (!failed) return thrown;
  }
  ADD_FAILURE() << "it allocates without end";
  return thrown;
}

struct Small {
  static constexpr std::int64_t n = 12, d = 3;
  std::vector<double> x = random(n * d, 1), phi = random(n, 2), theta = random(3 * (d + 1), 3);
  std::vector<std::int32_t> y = labels(n, 3);
  bl::Matrix<double> X{x, n, d};
};

}  // namespace

void *operator new(std::size_t bytes) { return allocate_or_throw(bytes, alignof(std::max_align_t)); }
void *operator new(std::size_t bytes, std::align_val_t align) {
  return allocate_or_throw(bytes, static_cast<std::size_t>(align));
}
// The others call these by default, but not under a sanitizer, which has its own.
void *operator new(std::size_t bytes, const std::nothrow_t &) noexcept {
  try {
    return ::operator new(bytes);
  } catch (const std::bad_alloc &) {
    return nullptr;
  }
}
void *operator new(std::size_t bytes, std::align_val_t align, const std::nothrow_t &) noexcept {
  try {
    return ::operator new(bytes, align);
  } catch (const std::bad_alloc &) {
    return nullptr;
  }
}
void *operator new[](std::size_t bytes) { return ::operator new(bytes); }
void operator delete[](void *memory) noexcept { give_back(memory); }
void operator delete[](void *memory, std::size_t) noexcept { give_back(memory); }
void operator delete(void *memory, const std::nothrow_t &) noexcept { give_back(memory); }
void operator delete(void *memory) noexcept { give_back(memory); }
void operator delete(void *memory, std::size_t) noexcept { give_back(memory); }
void operator delete(void *memory, std::align_val_t) noexcept { give_back(memory); }
void operator delete(void *memory, std::size_t, std::align_val_t) noexcept { give_back(memory); }

TEST(Memory, OfAPlanAndItsFirstCall) {
  const Small p;
  bl::Context context({.threads = 1});
  EXPECT_GT(
      fail_every_allocation([&] {
        auto plan =
            bl::unroll(bl::softmax(p.X, p.y).weights(bl::sigmoid(p.phi)), bl::heavy_ball(0.1, 0.5), 4).with(context) |
            bl::reverse(bl::softmax(p.X, p.y));
        EXPECT_TRUE(std::isfinite(plan.hypergradient(p.phi).loss));
        EXPECT_EQ(plan.train().size(), p.theta.size());
        EXPECT_TRUE(plan.check_gradient(p.phi) < 1e-3);
        EXPECT_FALSE(plan.describe().empty());
      }),
      50);
}

TEST(Memory, OfAContext) {
  EXPECT_GT(fail_every_allocation([] { bl::Context context({.threads = 3}); }), 0);
}

TEST(Memory, OfAnEvaluation) {
  const Small p;
  const auto vectors = random(2 * p.theta.size(), 4);
  EXPECT_GT(fail_every_allocation([&] {
              auto e = bl::evaluation(bl::softmax(p.X, p.y).weights(p.phi).l2(0.1), p.theta);
              e.value_and_gradient(p.phi);
              e.hvp(vectors);
              e.cross_product(vectors, p.phi);
            }),
            50);
}

TEST(Memory, OfTheExpressionsOfANetwork) {
  const Small p;
  const std::vector<std::int64_t> hidden{5};
  const auto net = bl::network(p.X, p.y, hidden, bl::Activation::tanh, bl::Loss::cross_entropy);
  const auto theta0 = random(static_cast<std::size_t>(net.parameters()), 5);
  EXPECT_GT(fail_every_allocation([&] {
              const auto inner = net.weights(bl::sigmoid(p.phi)).l2(1e-3).no_bias().on(p.X, p.y);
              const auto unroll = bl::unroll(net, bl::sgd(0.1), 3).from(theta0).store(bl::Store::theta).tasks(1);
              EXPECT_GT(inner.parameters(), 0);
              auto plan = unroll | bl::reverse(net);
              EXPECT_TRUE(std::isfinite(plan.loss()));
            }),
            20);
}

// A plan goes on after each failure, with the same bits.
TEST(Memory, APlanGoesOn) {
  const Small p;
  auto plan = bl::unroll(bl::softmax(p.X, p.y).weights(bl::sigmoid(p.phi)), bl::sgd(0.1), 4) |
              bl::reverse(bl::softmax(p.X, p.y));
  const auto expected = plan.hypergradient(p.phi).gradient;
  EXPECT_GT(fail_every_allocation([&] { EXPECT_EQ(plan.hypergradient(p.phi).gradient, expected); }), 0);
  EXPECT_EQ(plan.hypergradient(p.phi).gradient, expected);
}

// What is large says its bytes and what to do.
TEST(Memory, AWorkspaceThatIsTooLarge) {
  const Small p;
  const auto unroll = bl::unroll(bl::softmax(p.X, p.y).weights(bl::sigmoid(p.phi)), bl::sgd(0.1), 4000);
  const auto outer = bl::softmax(p.X, p.y);
  auto plan = unroll.store(bl::Store::tape) | bl::reverse(outer);
  const double loss = plan.loss();
  most_bytes = 200'000;
  expect_error(BLV_NO_MEMORY, {"workspace", " bytes", "Store::checkpoints", "workspace_limit"},
               [&] { plan.hypergradient(p.phi); });
  EXPECT_EQ(plan.loss(), loss) << "the plan of the loss needs less, and goes on";
  auto frugal = unroll.store(bl::Store::checkpoints) | bl::reverse(outer);
  EXPECT_TRUE(std::isfinite(frugal.hypergradient(p.phi).loss)) << "the remedy is none";
  most_bytes = kMostBytes;
  EXPECT_TRUE(std::isfinite(plan.hypergradient(p.phi).loss));
}

TEST(Memory, AWorkspaceOfTheHandles) {
  const bl::Workspace none;
  expect_error(BLV_NO_MEMORY, {"workspace: 1152921504606846976 bytes"},
               [] { bl::Workspace(std::int64_t{1} << 60, 64); });
}

TEST(Memory, ResultsThatAreTooLarge) {
  const Small p;
  const std::int64_t tasks = std::int64_t{1} << 34;
  expect_error(BLV_NO_MEMORY, {" bytes"}, [&] {
    most_bytes = std::size_t{1} << 20;
    bl::unroll(bl::softmax(p.X, p.y), bl::sgd(0.1), 3).tasks(tasks).train();
  });
  most_bytes = kMostBytes;
}
