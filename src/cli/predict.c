/* SPDX-License-Identifier: Apache-2.0 */

/* wick predict: what a saved network sees on pictures. */

#include <stdio.h>

#include <wick/train.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/options.h"

typedef struct settings {
  int64_t top, threads;
  bool json;
  const char *determinism;
} settings;

static wk_parse_result parse(settings *s, int argc, char **argv, int *count) {
  const wk_option options[] = {
      {.name = "top",
       .type = WK_OPTION_INTEGER,
       .to = &s->top,
       .value = "K",
       .doc = "the K likeliest classes",
       .minimum = 1,
       .maximum = 1e6},
      wk_threads_option(&s->threads),
      wk_determinism_option(&s->determinism),
      wk_json_option(&s->json, "print JSON, an object for each file"),
  };
  const wk_usage usage = {.command = "predict",
                          .arguments = "MODEL FILE...",
                          .summary = "Names what is on PNG pictures, with the probability that the "
                                     "network gives it.",
                          .details = "A file that cannot be read is reported, and the others are "
                                     "gone on with.",
                          .options = options,
                          .option_count = sizeof options / sizeof *options,
                          .least = 2,
                          .most = -1};
  return wk_options_parse(&usage, argc, argv, count);
}

/* Classes without a name go by their number. */
static const char *name_of(const wk_prediction *prediction, char *buffer, size_t size) {
  if (prediction->class_name) return prediction->class_name;
  wk_print_into(buffer, size, 0, "class %lld", (long long)prediction->label);
  return buffer;
}

static void print_line(const char *file, const wk_prediction *predictions, size_t count) {
  printf("%s:", file);
  for (size_t i = 0; i < count; i++) {
    char number[32];
    printf("%s %s %.1f%%", i > 0 ? "," : "", name_of(&predictions[i], number, sizeof number),
           100 * predictions[i].probability);
  }
  printf("\n");
}

static json_t *to_json(const wk_prediction *prediction) {
  char number[32];
  return json_pack("{s:s, s:I, s:o}", "class", name_of(prediction, number, sizeof number), "label",
                   (json_int_t)prediction->label, "probability",
                   wk_json_number(prediction->probability));
}

static void print_object(const char *file, const wk_prediction *predictions, size_t count) {
  json_t *object = json_pack("{s:s}", "file", file), *best = to_json(&predictions[0]);
  json_object_update(object, best);
  json_decref(best);
  if (count > 1) {
    json_t *top = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(top, to_json(&predictions[i]));
    json_object_set_new(object, "top", top);
  }
  wk_print_json(object);
}

static bool predict(const settings *s, wk_module *network, const char *file,
                    wk_prediction *predictions) {
  size_t found = 0;
  predictions->struct_size = sizeof *predictions;
  if (wk_predict_image(network, file, predictions, (size_t)s->top, &found) < 0 || found == 0) {
    wk_end_with_error();
    return false;
  }
  if (s->json)
    print_object(file, predictions, found);
  else
    print_line(file, predictions, found);
  return true;
}

int wk_command_predict(int argc, char **argv) {
  settings s = {.top = 1};
  int count;
  const wk_parse_result parsed = parse(&s, argc, argv, &count);
  if (parsed != WK_PARSE_OK) return parsed == WK_PARSE_HELP ? WK_EXIT_OK : WK_EXIT_USAGE;
  if (s.threads > 0) wk_set_thread_count((int)s.threads);
  wk_set_determinism_by_name(s.determinism);
  wk_module *network = wk_module_load(argv[1]);
  wk_prediction *predictions =
      wk_failed() ? NULL : wk_allocate_zeroed((size_t)s.top, sizeof *predictions);
  bool all = true;
  for (int i = 2; predictions && i <= count; i++)
    all = predict(&s, network, argv[i], predictions) && all;
  wk_deallocate(predictions);
  wk_module_free(network);
  if (wk_failed()) return wk_end_with_error();
  return all ? WK_EXIT_OK : WK_EXIT_FAILURE;
}
