/* SPDX-License-Identifier: Apache-2.0 */
#include "base/environment.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/library.h"
#include "base/memory.h"

const wk_variable_record wk_variable_table[WK_VARIABLE_COUNT] = {
    [WK_VARIABLE_THREADS] = {"WICK_THREADS", "", "wk_set_thread_count",
                             "threads that kernels use, 1 to 256; else what affinity mask and "
                             "cgroup quota allow"},
    [WK_VARIABLE_ALLOCATOR] = {"WICK_ALLOCATOR", "pool", "wk_host_allocator_set",
                               "pool keeps freed tensor memory, system does not, guard also checks "
                               "for writes beside it"},
    [WK_VARIABLE_DATA] = {"WICK_DATA", "", "wk_dataset_open",
                          "folder that named data sets are looked for in first"},
    [WK_VARIABLE_DEBUG] = {"WICK_DEBUG", "", "wk_set_anomaly_detection, wk_scope_report",
                           "comma-separated: anomaly stops at the first op whose result holds NaN "
                           "or infinity, scope has wk_error_report add what scopes held most of, "
                           "graph verifies graphs after each pass, graph-dump prints them"},
    [WK_VARIABLE_ISA] = {"WICK_ISA", "", "",
                         "instruction set of the cpu's kernels; else the best "
                         "the processor has"},
    [WK_VARIABLE_ONEDNN] = {"WICK_ONEDNN", "", "",
                            "path of oneDNN's library, or off; else the one beside Wick or the "
                            "system's, if it is version 3"},
    [WK_VARIABLE_VERBOSE] = {"WICK_VERBOSE", "", "",
                             "dispatch prints for each kind of call which kernel runs it and why "
                             "others do not"},
    [WK_VARIABLE_DETERMINISM] = {"WICK_DETERMINISM", "default", "wk_determinism_set",
                                 "which runs give the same bits: default those with as many "
                                 "threads, threads those with any number, machine those with any "
                                 "instruction set too"},
    [WK_VARIABLE_PEERS] = {"WICK_PEERS", "build/peers", "",
                           "folder of what bench/peers/setup made, for wick bench --peers"},
    [WK_VARIABLE_PASSES] = {"WICK_PASSES", "", "",
                            "comma-separated: the passes over graphs to run instead of all, in "
                            "this order; none runs none"},
    [WK_VARIABLE_RECOMPUTE] = {"WICK_RECOMPUTE", "12", "wk_compile",
                               "percent of a compiled call's work that may be done again to hold "
                               "less memory; 0 does nothing again"},
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_read;
static char *values[WK_VARIABLE_COUNT]; /* copies: setenv may free what getenv returned */

static void forget(void) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < WK_VARIABLE_COUNT; i++) {
    wk_deallocate(values[i]);
    values[i] = NULL;
  }
  is_read = false;
  pthread_mutex_unlock(&lock);
}

static void read_all(void) {
  for (int i = 0; i < WK_VARIABLE_COUNT; i++) {
    const char *value = getenv(wk_variable_table[i].name);
    values[i] = value && *value ? wk_duplicate_string(value) : NULL;
  }
  is_read = true;
  wk_at_shutdown(forget);
}

const char *wk_variable_get(wk_variable variable) {
  wk_at_fork_lock(&lock);
  pthread_mutex_lock(&lock);
  if (!is_read) read_all();
  const char *value = values[variable];
  pthread_mutex_unlock(&lock);
  return value ? value : wk_variable_table[variable].initial;
}

bool wk_debug_topic(const char *topic) {
  const size_t length = strlen(topic);
  for (const char *at = wk_variable_get(WK_VARIABLE_DEBUG); *at;) {
    const size_t part = strcspn(at, ",");
    if (part == length && !strncmp(at, topic, length)) return true;
    at += part + (at[part] == ',');
  }
  return false;
}
