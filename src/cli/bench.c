/* SPDX-License-Identifier: Apache-2.0 */

/* wick bench: speeds on this machine, beside what the processor can do. */

#include <string.h>

#include <wick/base.h>

#include "cli/bench.h"
#include "cli/command.h"
#include "cli/options.h"

typedef struct part {
  const char *name;
  void (*run)(bool json, const char *only);
} part;

static const part parts[] = {{"gemm", wk_bench_gemm},
                             {"conv", wk_bench_conv},
                             {"ops", wk_bench_ops}};
enum { PARTS = sizeof parts / sizeof *parts };

static const char details[] =
    "gemm  square matrix products, conv  convolutions of a ResNet, forward and both gradients:\n"
    "GFLOP/s and the share of the peak that multiply-adds in registers reach, measured in "
    "between.\n"
    "Best of several repeats; the last line is the geometric mean of the shares.\n"
    "ops   what calling a small op costs.\n"
    "With TEXT: only the rows whose names contain it.";

int wk_command_bench(int argc, char **argv) {
  bool json = false;
  int64_t threads = 0;
  const wk_option options[] = {wk_threads_option(&threads),
                               wk_json_option(&json, "print JSON, an object for each row")};
  const wk_usage usage = {.command = "bench",
                          .arguments = "gemm|conv|ops [TEXT]",
                          .summary = "Measures kernels on this machine.",
                          .details = details,
                          .options = options,
                          .option_count = 2,
                          .least = 1,
                          .most = 2};
  int count;
  const wk_parse_result parsed = wk_options_parse(&usage, argc, argv, &count);
  if (parsed != WK_PARSE_OK) return parsed == WK_PARSE_HELP ? WK_EXIT_OK : WK_EXIT_USAGE;
  const part *chosen = NULL;
  for (int i = 0; i < PARTS; i++)
    if (strcmp(parts[i].name, argv[1]) == 0) chosen = &parts[i];
  if (!chosen) return wk_usage_error("bench", "it measures gemm, conv or ops, not '%s'", argv[1]);
  if (threads > 0) wk_set_thread_count((int)threads);
  chosen->run(json, count > 1 ? argv[2] : NULL);
  return wk_end_with_error();
}
