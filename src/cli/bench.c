/* SPDX-License-Identifier: Apache-2.0 */

/* wick bench: speeds on this machine, beside what the processor and other frameworks can do. */

#include <string.h>

#include <wick/base.h>

#include "cli/bench.h"
#include "cli/command.h"
#include "cli/options.h"

typedef struct part {
  const char *name;
  void (*run)(wk_bench_table *table);
  const char *peers[WK_BENCH_PEERS];
  bool streams, median;
  double budget;
} part;

static const part parts[] = {
    {.name = "gemm", .run = wk_bench_gemm, .peers = {"torch"}},
    {.name = "conv", .run = wk_bench_conv, .peers = {"torch"}},
    {.name = "ops", .run = wk_bench_ops, .peers = {"torch"}, .streams = true},
    {.name = "mlp", .run = wk_bench_mlp, .peers = {"torch", "tensorflow", "jax"}},
    {.name = "lenet",
     .run = wk_bench_lenet,
     .peers = {"torch", "torch-tuned"},
     .median = true,
     .budget = 0.25},
    {.name = "cifar",
     .run = wk_bench_cifar,
     .peers = {"torch", "torch-tuned"},
     .median = true,
     .budget = 0.25},
};
enum { PARTS = sizeof parts / sizeof *parts };

static const char details[] =
    "gemm  square matrix products, conv  convolutions of a ResNet, forward and both gradients:\n"
    "GFLOP/s and the share of the peak that multiply-adds in registers reach, measured in "
    "between.\n"
    "Best of several repeats; the last line is the geometric mean of the shares.\n"
    "ops   what calling a small op costs, and large ones' share of the memory's bandwidth.\n"
    "mlp   a training step of a network of 784, 128 and 10 units on one thread;\n"
    "lenet, cifar  training steps of convolutional networks, the median.\n"
    "With TEXT: only the rows whose names contain it.\n"
    "\n"
    "--peers asks other frameworks for the same work by turns: PyTorch, and TensorFlow and JAX "
    "for\n"
    "mlp. What follows a name is how many times as long it takes. bench/peers/setup brings them "
    "to\n"
    "build/peers; $WICK_PEERS names another folder.";

int wk_command_bench(int argc, char **argv) {
  static wk_bench_table table;
  bool peers = false;
  int64_t threads = 0;
  const wk_option options[] = {
      wk_threads_option(&threads),
      {.name = "peers", .type = WK_OPTION_FLAG, .to = &peers, .doc = "other frameworks beside"},
      wk_json_option(&table.json, "print JSON, an object for each row")};
  const wk_usage usage = {.command = "bench",
                          .arguments = "gemm|conv|ops|mlp|lenet|cifar [TEXT]",
                          .summary = "Measures kernels and training steps on this machine.",
                          .details = details,
                          .options = options,
                          .option_count = sizeof options / sizeof *options,
                          .least = 1,
                          .most = 2};
  int count;
  const wk_parse_result parsed = wk_options_parse(&usage, argc, argv, &count);
  if (parsed != WK_PARSE_OK) return parsed == WK_PARSE_HELP ? WK_EXIT_OK : WK_EXIT_USAGE;
  const part *chosen = NULL;
  for (int i = 0; i < PARTS; i++)
    if (strcmp(parts[i].name, argv[1]) == 0) chosen = &parts[i];
  if (!chosen)
    return wk_usage_error("bench", "it measures gemm, conv, ops, mlp, lenet or cifar, not '%s'",
                          argv[1]);
  if (threads > 0) wk_set_thread_count((int)threads);
  table.what = chosen->name, table.only = count > 1 ? argv[2] : NULL;
  table.streams = chosen->streams, table.median = chosen->median, table.budget = chosen->budget;
  if (peers) wk_bench_start_peers(&table, chosen->peers, WK_BENCH_PEERS);
  chosen->run(&table);
  wk_bench_end(&table);
  return wk_end_with_error();
}
