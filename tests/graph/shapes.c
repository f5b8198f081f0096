/* SPDX-License-Identifier: Apache-2.0 */
/* graph_shapes [PAIRS]: a training step of an LSTM over batches of random sizes and lengths,
 * compiled. A shape that is new is traced and planned; what that takes beyond running is printed
 * per 100 steps of the plan, and how much the process has grown from the first fifth of the calls
 * to the last, with plans limited to 4 MiB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wick/wick.h>

#include "base/file.h"
#include "support/trainer.h"

enum { WORDS = 50, FEATURES = 16, HIDDEN = 24, CLASSES = 5, MOST_BATCH = 16, MOST_LENGTH = 24 };

static long resident_kilobytes(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long pages = 0;
  if (!file || fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
  if (file) fclose(file);
  return pages * 4;
}

typedef struct figures {
  double worst, sum; /* milliseconds per 100 steps */
  long planned, first, last;
} figures;

static double call(wk_function *step, wk_tensors batch) {
  WK_SCOPE;
  const double start = wk_seconds();
  const double loss = wk_item(wk_call(step, batch));
  const double seconds = wk_seconds() - start;
  return loss > 0 && loss < 100 ? seconds : -1;
}

/* Calls it with a shape twice: what the first call took longer is the plan. */
static double plan_time(wk_function *step, wk_tensors batch) {
  const double first = call(step, batch), again = call(step, batch);
  return first < 0 || again < 0 ? -1 : first - again > 0 ? first - again : 0;
}

/* The same with a function of its own, which is traced twice: for whom the system kept waiting. */
static double plan_time_again(trainer *t, wk_tensors batch) {
  wk_function *step = wk_compile(train_step, t);
  const double seconds = plan_time(step, batch);
  wk_function_free(step);
  return seconds;
}

static bool try_shape(trainer *t, wk_function *step, int64_t batch, int64_t length, uint64_t seed,
                      figures *f) {
  WK_SCOPE;
  wk_tensor *items[] = {wk_random_integers(WK_SHAPE(batch, length), WORDS, .keyed = true,
                                           .seed = seed),
                        wk_random_integers(WK_SHAPE(batch), CLASSES, .keyed = true,
                                           .seed = seed + 1)};
  const int64_t traces = wk_function_trace_count(step);
  double seconds = plan_time(step, (wk_tensors){2, items});
  if (seconds < 0) return false;
  if (wk_function_trace_count(step) == traces) return true;
  char text[4096];
  wk_function_describe(step, text, sizeof text);
  const double steps = strtod(text, NULL);
  for (int i = 0; i < 3 && seconds * 1e5 / steps > 2; i++) {
    const double other = plan_time_again(t, (wk_tensors){2, items});
    if (other >= 0 && other < seconds) seconds = other;
  }
  const double milliseconds = seconds * 1e5 / steps;
  f->planned++;
  f->sum += milliseconds;
  if (milliseconds > f->worst) f->worst = milliseconds;
  return steps > 0;
}

int main(int argc, char **argv) {
  const long pairs = argc > 1 ? atol(argv[1]) : 1000;
  trainer t = {.network = wk_sequential(wk_embedding_layer(WORDS, FEATURES),
                                        wk_lstm_layer(HIDDEN, .layers = 2, .only_last = true),
                                        wk_dropout_layer(0.2), wk_linear_layer(CLASSES))};
  wk_module_build_for(t.network, WK_SHAPE(MOST_LENGTH), WK_I64, NULL);
  t.optimizer = wk_adam_create(t.network, .learning_rate = 1e-3);
  wk_function *step = wk_compile(train_step, &t, .plan_limit = 4 << 20);
  figures f = {.worst = 0};
  uint64_t random = 88172645463325252u; /* Marsaglia 2003, xorshift */
  long done = 0;
  for (; done < pairs && wk_error_status() >= 0; done++) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    if (!try_shape(&t, step, 1 + (int64_t)(random >> 8) % MOST_BATCH,
                   1 + (int64_t)(random >> 32) % MOST_LENGTH, random, &f))
      break;
    if (done == pairs / 5) f.first = resident_kilobytes();
  }
  f.last = resident_kilobytes();
  wk_error_report(stderr);
  char text[4096];
  wk_function_describe(step, text, sizeof text);
  printf("%.*s\n", (int)strcspn(text, "\n"), text);
  printf("ran %ld of %ld\n", done, pairs);
  printf("planned %ld, of them kept %lld\n", f.planned, (long long)wk_function_plan_count(step));
  printf("plan-mean %.3f ms per 100 steps\n", f.planned ? f.sum / (double)f.planned : 0);
  printf("plan-worst %.3f ms per 100 steps\n", f.worst);
  printf("grown %ld kB\n", f.last - f.first);
  wk_function_free(step);
  wk_optimizer_free(t.optimizer);
  wk_module_free(t.network);
  return done == pairs && pairs > 0 ? 0 : 1;
}
