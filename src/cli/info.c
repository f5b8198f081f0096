/* SPDX-License-Identifier: Apache-2.0 */

/* wick info: what this build and this machine have, for bug reports and for whoever wonders. */

#include <stdio.h>
#include <string.h>

#include <wick/data.h>
#include <wick/device.h>

#include "base/environment.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/datasets.h"
#include "cli/options.h"
#include "device/benchmark.h"

static const char *const datasets[] = {"fashion-mnist", "mnist", "glyphs", NULL};

/* The processor's name as Linux tells it; "" elsewhere. */
static void find_processor(char *name, size_t size) {
  char line[512];
  FILE *file = fopen("/proc/cpuinfo", "re");
  wk_print_into(name, size, 0, "%s", "");
  while (file && fgets(line, sizeof line, file)) {
    const char *colon = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
    if (!colon) continue;
    line[strcspn(line, "\n")] = '\0';
    wk_print_into(name, size, 0, "%s", colon + 1 + strspn(colon + 1, " "));
    break;
  }
  if (file) fclose(file);
}

/* Where the test part of a data set lies: its first file, "made by Wick", or NULL with why not in
 * `text`. */
static const char *find_dataset(const char *name, char *text, size_t size) {
  wk_dataset *dataset = wk_dataset_open(name, .test = true, .count = 1);
  wk_error error = {.struct_size = sizeof error};
  if (!dataset) {
    wk_error_take(&error);
    wk_print_into(text, size, 0, "%s%s%s", error.message, error.hint[0] ? "; " : "", error.hint);
    return NULL;
  }
  wk_dataset_sources(dataset, text, size);
  text[strcspn(text, "\n")] = '\0';
  wk_dataset_free(dataset);
  return text[0] ? text : "made by Wick";
}

/* ---- as lines ---- */

static void print_lines(const char *processor) {
  printf("wick             %s\n", wk_version());
  printf("processor        %s\n", processor[0] ? processor : "unknown");
  printf("instruction set  %s\n", wk_cpu_benchmark.instruction_set());
  char onednn[1200];
  wk_cpu_benchmark.onednn(onednn, sizeof onednn);
  printf("oneDNN           %s\n", onednn);
  printf("threads          %d\n", wk_thread_count());
  printf("devices         ");
  for (int i = 0; i < wk_device_count(); i++) printf(" %s", wk_device_name_at(i));
  printf("\n\ndata sets\n");
  for (int i = 0; datasets[i]; i++) {
    char text[2048];
    const char *place = find_dataset(datasets[i], text, sizeof text);
    printf("  %-14s %s\n", datasets[i], place ? place : text);
  }
  printf("\nenvironment\n");
  for (int i = 0; i < WK_VARIABLE_COUNT; i++) {
    const char *value = wk_variable_get((wk_variable)i);
    printf("  %-14s %s\n  %-14s   %s\n", wk_variable_table[i].name, value[0] ? value : "(not set)",
           "", wk_variable_table[i].doc);
  }
}

/* ---- as JSON ---- */

static json_t *datasets_to_json(void) {
  json_t *all = json_object();
  for (int i = 0; datasets[i]; i++) {
    char text[2048];
    const char *place = find_dataset(datasets[i], text, sizeof text);
    json_object_set_new(all, datasets[i],
                        json_pack("{s:b, s:s}", "found", place != NULL, "where",
                                  place ? place : text));
  }
  return all;
}

static void print_object(const char *processor) {
  json_t *devices = json_array(), *variables = json_object();
  char onednn[1200];
  wk_cpu_benchmark.onednn(onednn, sizeof onednn);
  for (int i = 0; i < wk_device_count(); i++)
    json_array_append_new(devices, json_string(wk_device_name_at(i)));
  for (int i = 0; i < WK_VARIABLE_COUNT; i++)
    json_object_set_new(variables, wk_variable_table[i].name,
                        json_string(wk_variable_get((wk_variable)i)));
  wk_print_json(json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:o, s:o}", "version", wk_version(),
                          "processor", processor, "instruction_set",
                          wk_cpu_benchmark.instruction_set(), "onednn", onednn, "threads",
                          wk_thread_count(), "devices", devices, "datasets", datasets_to_json(),
                          "environment", variables));
}

int wk_command_info(int argc, char **argv) {
  bool json = false;
  const wk_option options[] = {
      {.name = "json", .type = WK_OPTION_FLAG, .to = &json, .doc = "print a JSON object"}};
  const wk_usage usage = {.command = "info",
                          .arguments = "",
                          .summary = "Prints version, processor, devices, data sets and the "
                                     "environment variables that Wick looks at.",
                          .options = options,
                          .option_count = 1};
  int count;
  const wk_parse_result parsed = wk_options_parse(&usage, argc, argv, &count);
  if (parsed != WK_PARSE_OK) return parsed == WK_PARSE_HELP ? WK_EXIT_OK : WK_EXIT_USAGE;
  char processor[256];
  find_processor(processor, sizeof processor);
  if (json)
    print_object(processor);
  else
    print_lines(processor);
  return wk_end_with_error();
}
