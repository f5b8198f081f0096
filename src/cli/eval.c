/* SPDX-License-Identifier: Apache-2.0 */

/* wick eval: a saved network's score on data that it has not seen. */

#include <math.h>
#include <stdio.h>

#include <wick/train.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/datasets.h"
#include "cli/options.h"
#include "nn/module.h"

typedef struct settings {
  const char *data;
  int64_t batch_size, threads;
  bool json;
  const char *determinism;
} settings;

static wk_parse_result parse(settings *s, int argc, char **argv) {
  const wk_option options[] = {
      {.name = "data",
       .type = WK_OPTION_TEXT,
       .to = &s->data,
       .value = "DATA",
       .doc = "the data set [the one it was trained on]"},
      wk_batch_size_option(&s->batch_size, "examples at a time; changes no result"),
      wk_threads_option(&s->threads),
      wk_determinism_option(&s->determinism),
      wk_json_option(&s->json, "print a JSON object"),
  };
  const wk_usage usage = {.command = "eval",
                          .arguments = "MODEL",
                          .summary = "Scores a saved network on the test part of a data set.",
                          .options = options,
                          .option_count = sizeof options / sizeof *options,
                          .least = 1,
                          .most = 1};
  int count;
  return wk_options_parse(&usage, argc, argv, &count);
}

static void print_json(const char *path, const char *data, const wk_evaluation *e,
                       long long correct) {
  wk_print_json(json_pack("{s:s, s:s, s:o, s:o, s:I, s:I}", "model", path, "data", data,
                          "test_loss", wk_json_number(e->loss), "test_accuracy",
                          wk_json_number(e->accuracy), "correct", (json_int_t)correct, "examples",
                          (json_int_t)e->count));
}

static void print_lines(const wk_dataset *dataset, const wk_evaluation *e, long long correct) {
  wk_print_sources(dataset);
  printf("test loss %.4f\n", e->loss);
  printf("test accuracy %.2f%% (%lld of %lld)\n", 100 * e->accuracy, correct, (long long)e->count);
}

static int evaluate(const settings *s, const char *path, wk_module *network) {
  const char *data = s->data ? s->data : wk_module_note(network, "data");
  if (network && !data)
    return wk_usage_error("eval", "%s does not say what it was trained on; give --data", path);
  wk_dataset *dataset = wk_open_test_for(network, data);
  wk_loader *loader = wk_loader_create(dataset, .batch_size = s->batch_size);
  wk_evaluation e = {.struct_size = sizeof e};
  if (wk_evaluate(network, loader, &e) == WK_OK) {
    const long long correct = llround(e.accuracy * (double)e.count);
    if (s->json)
      print_json(path, data, &e, correct);
    else
      print_lines(dataset, &e, correct);
  }
  wk_loader_free(loader);
  wk_dataset_free(dataset);
  return wk_end_with_error();
}

int wk_command_eval(int argc, char **argv) {
  settings s = {.batch_size = 500};
  const wk_parse_result parsed = parse(&s, argc, argv);
  if (parsed != WK_PARSE_OK) return parsed == WK_PARSE_HELP ? WK_EXIT_OK : WK_EXIT_USAGE;
  if (s.threads > 0) wk_set_thread_count((int)s.threads);
  wk_set_determinism_by_name(s.determinism);
  wk_module *network = wk_module_load(argv[1]);
  const int status = evaluate(&s, argv[1], network);
  wk_module_free(network);
  return status;
}
