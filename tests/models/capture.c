/* SPDX-License-Identifier: Apache-2.0 */
/* capture_models [--steps N] NAME...: trains each network of models/ eagerly and compiled, from the
 * same start on the same batches, and compares the bits of every loss and, at the end, of all
 * parameters, running statistics and optimizer slots, and the numbers drawn. With --memory also
 * within a budget of 60% of the arena, and the device's peaks: the plan's must be as announced, and
 * at most 0.6 times the eager one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wick/wick.h>

#include "base/file.h"
#include "models/models.h"
#include "optim/optimizer.h"
#include "support/trainer.h"

enum { CLASSES = 10, MOST_STEPS = 1000 };

/* Sizes that keep a step short. */
typedef struct sizes {
  const char *name, *optimizer;
  wk_shape example;
  int64_t batch;
} sizes;

static const sizes table[] = {
    {"lenet", "sgd", {3, {28, 28, 1}}, 16},    {"cifar", "rmsprop", {3, {32, 32, 3}}, 8},
    {"resnet50", "sgd", {3, {64, 64, 3}}, 4},  {"mobilenet", "sgd", {3, {64, 64, 3}}, 4},
    {"transformer", "adam", {1, {32}}, 8},     {"mlp", "adam", {3, {28, 28, 1}}, 16},
    {"convnet", "adam", {3, {28, 28, 1}}, 16}, {"alexnet", "sgd", {3, {96, 96, 3}}, 2},
    {"vgg19", "sgd", {3, {32, 32, 3}}, 2},
};
enum { TABLE = sizeof table / sizeof *table };

static wk_optimizer *create_optimizer(const sizes *s, wk_module *network) {
  if (strcmp(s->optimizer, "adam") == 0) return wk_adam_create(network, .learning_rate = 1e-3);
  if (strcmp(s->optimizer, "rmsprop") == 0)
    return wk_rmsprop_create(network, .learning_rate = 1e-4);
  return wk_sgd_create(network, .learning_rate = 0.01, .momentum = 0.9);
}

static trainer create_trainer(const sizes *s) {
  const wk_model *model = wk_model_find(s->name);
  wk_generator_set(wk_generator_default(), 11, 0);
  trainer t = {.network = model->create(CLASSES)};
  wk_module_build_for(t.network, s->example, model->dtype, NULL);
  t.optimizer = create_optimizer(s, t.network);
  return t;
}

static void make_batch(const sizes *s, int step, wk_tensor **batch) {
  wk_shape shape = {.rank = s->example.rank + 1, .dims = {s->batch}};
  memcpy(shape.dims + 1, s->example.dims, (size_t)s->example.rank * sizeof *shape.dims);
  const uint64_t offset = (uint64_t)step << 32;
  batch[0] = wk_model_find(s->name)->dtype == WK_I64
                 ? wk_random_integers(shape, 8192, .keyed = true, .seed = 3, .offset = offset)
                 : wk_uniform(shape, -1, 1, .keyed = true, .seed = 3, .offset = offset);
  batch[1] =
      wk_random_integers(WK_SHAPE(s->batch), CLASSES, .keyed = true, .seed = 4, .offset = offset);
}

/* All that a run leaves, byte by byte. */
typedef struct outcome {
  float losses[MOST_STEPS];
  char *state;
  size_t size;
  uint64_t offset; /* of the default generator */
  double seconds;
  size_t peak; /* bytes on the device in a step, the first ones left out */
  wk_plan_memory plan;
} outcome;

static size_t append(outcome *o, size_t used, const wk_tensor *tensor) {
  const size_t bytes = (size_t)wk_tensor_count(tensor) * sizeof(float);
  if (o->state) wk_tensor_read(tensor, o->state + used, bytes);
  return used + bytes;
}

static size_t collect(const trainer *t, outcome *o) {
  wk_parameters *set = wk_module_parameters(t->network);
  size_t used = 0;
  for (size_t i = 0; i < wk_parameters_count(set); i++)
    used = append(o, used, wk_parameters_get(set, i));
  for (int slot = 0; slot < wk_optimizer_type_of(t->optimizer)->slot_count; slot++) {
    if (!wk_optimizer_slot_exists(t->optimizer, slot)) continue;
    for (size_t i = 0; i < wk_parameters_count(set); i++) {
      wk_tensor *values = wk_optimizer_slot(t->optimizer, slot, i);
      used = append(o, used, values);
      wk_tensor_release(values);
    }
  }
  return used;
}

/* What the plan says beforehand that the device will hold. */
static size_t announced(const wk_plan_memory *m) {
  return m->arena + m->results + m->cells + m->inputs + m->scratch;
}

static outcome run(const sizes *s, int steps, bool compiled, int64_t budget) {
  WK_SCOPE;
  outcome o = {0};
  trainer t = create_trainer(s);
  wk_function *step = wk_compile(train_step, &t, .memory_budget = budget);
  for (int i = 0; i < steps && wk_error_status() == WK_OK; i++) {
    WK_SCOPE;
    wk_tensor *batch[2];
    make_batch(s, i, batch);
    const wk_tensors in = {2, batch};
    wk_device *device = wk_device_get("cpu");
    if (i > 1) wk_memory_peak_reset(device);
    const double start = wk_seconds();
    const wk_tensor *loss = compiled ? wk_call(step, in) : train_step(&t, in);
    if (i > 0) o.seconds += wk_seconds() - start;
    wk_memory_statistics memory = {.struct_size = sizeof memory};
    wk_memory_statistics_get(device, &memory);
    if (i > 1 && memory.peak > o.peak) o.peak = memory.peak;
    wk_tensor_read(loss, &o.losses[i], sizeof o.losses[i]);
  }
  o.size = collect(&t, &o);
  o.state = malloc(o.size);
  if (o.state) collect(&t, &o);
  wk_generator_get(wk_generator_default(), NULL, &o.offset);
  if (compiled) {
    char text[512];
    wk_function_describe(step, text, sizeof text);
    printf("  %.*s\n", (int)strcspn(text, "\n"), text);
    o.plan.struct_size = sizeof o.plan;
    wk_function_memory(step, &o.plan);
  }
  wk_function_free(step);
  wk_optimizer_free(t.optimizer);
  wk_module_free(t.network);
  return o;
}

static bool same(const outcome *a, const outcome *b, int steps) {
  for (int i = 0; i < steps; i++)
    if (memcmp(&a->losses[i], &b->losses[i], sizeof *a->losses) != 0) {
      printf("  loss %d is %.9g, but eagerly %.9g\n", i, (double)b->losses[i],
             (double)a->losses[i]);
      return false;
    }
  if (a->offset != b->offset) printf("  other numbers were drawn\n");
  return a->offset == b->offset && a->size == b->size && a->state && b->state &&
         memcmp(a->state, b->state, a->size) == 0;
}

/* The same in 60% of the arena, and how the peaks compare. */
static bool compare_memory(const sizes *s, int steps, const outcome *eager, const outcome *plan) {
  outcome less = run(s, steps, true, (int64_t)(plan->plan.arena * 6 / 10));
  const bool kept = wk_error_report(stdout) == 0 && same(eager, &less, steps);
  const double ratio = (double)plan->peak / (double)eager->peak;
  const bool as_said = plan->peak <= announced(&plan->plan);
  printf("%s: peak %.2f MB, announced %.2f, eagerly %.2f: %.3f times; in 60%% of the arena %.2f "
         "MB, %s\n",
         s->name, 1e-6 * (double)plan->peak, 1e-6 * (double)announced(&plan->plan),
         1e-6 * (double)eager->peak, ratio, 1e-6 * (double)less.peak,
         kept ? "the same bits" : "NOT SO");
  free(less.state);
  return kept && as_said && ratio <= 0.6;
}

static bool compare(const char *name, int steps, int64_t batch, bool memory) {
  for (int i = 0; i < TABLE; i++) {
    if (strcmp(table[i].name, name) != 0) continue;
    sizes s = table[i];
    if (batch > 0) s.batch = batch;
    outcome eager = run(&s, steps, false, 0), compiled = run(&s, steps, true, 0);
    bool equal = wk_error_report(stdout) == 0 && same(&eager, &compiled, steps);
    printf(
        "%s: %d steps, loss %.6g to %.6g, %zu bytes of state, %s; %.1f ms a step, eagerly %.1f\n",
        name, steps, (double)eager.losses[0], (double)eager.losses[steps - 1], eager.size,
        equal ? "the same bits" : "OTHER BITS", 1e3 * compiled.seconds / (steps - 1),
        1e3 * eager.seconds / (steps - 1));
    if (memory && equal) equal = compare_memory(&s, steps, &eager, &compiled);
    free(eager.state);
    free(compiled.state);
    return equal;
  }
  printf("%s: there is no such network\n", name);
  return false;
}

int main(int argc, char **argv) {
  int steps = 20, failures = 0;
  int64_t batch = 0;
  bool memory = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--steps") == 0 && i + 1 < argc) {
      steps = atoi(argv[++i]);
      if (steps < 2 || steps > MOST_STEPS) return 2;
    } else if (strcmp(argv[i], "--batch") == 0 && i + 1 < argc) {
      batch = atoi(argv[++i]);
    } else if (strcmp(argv[i], "--memory") == 0) {
      memory = true;
    } else {
      failures += !compare(argv[i], steps, batch, memory);
    }
    fflush(stdout);
  }
  return failures > 0;
}
