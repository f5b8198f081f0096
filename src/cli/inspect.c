/* SPDX-License-Identifier: Apache-2.0 */

/* wick inspect: a network's plan, step by step, with the memory that each step needs. Nothing is
 * run. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <wick/autograd.h>
#include <wick/ops.h>
#include <wick/train.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/inspect_plan.h"
#include "cli/options.h"
#include "graph/cost.h"
#include "models/models.h"
#include "nn/module.h"
#include "tensor/parameters.h"

typedef struct inspection {
  const char *name, *svg, *determinism;
  int64_t batch_size, threads;
  bool train;
  wk_module *network;
  wk_optimizer *optimizer;
} inspection;

static wk_parse_result parse(inspection *s, int argc, char **argv) {
  const wk_option options[] = {
      {.name = "train",
       .type = WK_OPTION_FLAG,
       .to = &s->train,
       .doc = "of a training step (sgd with momentum), not of a prediction"},
      wk_batch_size_option(&s->batch_size, "examples in it"),
      {.name = "svg",
       .type = WK_OPTION_TEXT,
       .to = &s->svg,
       .value = "FILE",
       .doc = "also draw the graph and the memory as a picture"},
      wk_threads_option(&s->threads),
      wk_determinism_option(&s->determinism),
  };
  const wk_usage usage = {
      .command = "inspect",
      .arguments = "MODEL",
      .summary = "Shows what the plan of a network does, step by step, and what memory it takes.",
      .details =
          "MODEL is the name of a built-in network, or the file of a saved one. There are "
          "convnet,\n"
          "lenet, cifar, mlp, alexnet, vgg19, resnet50, mobilenet and transformer. Nothing is "
          "run.\n"
          "\n"
          "A line is a step: how much of the arena is in use during it, what it makes of what, "
          "and\n"
          "in which module. @ is an input, $ memory that stays (parameters and the like), % what\n"
          "the function makes.",
      .options = options,
      .option_count = sizeof options / sizeof *options,
      .least = 1,
      .most = 1};
  int count;
  const wk_parse_result result = wk_options_parse(&usage, argc, argv, &count);
  if (result == WK_PARSE_OK) s->name = argv[1];
  return result;
}

/* ---- the network ---- */

static wk_status open_network(inspection *s) {
  const wk_model *model = wk_model_find(s->name);
  if (model) {
    s->network = model->create(model->classes);
    wk_module_build_for(s->network, model->example, model->dtype, NULL);
  } else {
    s->network = wk_module_load(s->name);
    if (!s->network) wk_error_add_hint_first("wick help inspect lists the built-in networks");
  }
  if (wk_failed()) return wk_error_status();
  wk_module_set_training(s->network, s->train);
  if (s->train) s->optimizer = wk_sgd_create(s->network, .learning_rate = 0.01, .momentum = 0.9);
  return wk_error_status();
}

static wk_tensor *predict(void *context, wk_tensors in) {
  WK_NO_GRADIENT;
  return wk_forward(((const inspection *)context)->network, in.item[0]);
}

static wk_tensor *train_step(void *context, wk_tensors in) {
  const inspection *s = context;
  wk_tensor *loss = wk_cross_entropy(wk_forward(s->network, in.item[0]), in.item[1]);
  wk_backward(loss);
  wk_optimizer_step(s->optimizer);
  return loss;
}

static const wk_plan *make_plan(const inspection *s, wk_function *function) {
  const wk_model_input *input = wk_module_input(s->network);
  wk_shape shape = {.rank = input->shape.rank + 1, .dims = {s->batch_size}};
  memcpy(shape.dims + 1, input->shape.dims, (size_t)input->shape.rank * sizeof *shape.dims);
  wk_tensor *in[] = {wk_full(shape, 0, .dtype = input->dtype),
                     wk_full(WK_SHAPE(s->batch_size), 0, .dtype = WK_I64)};
  if (wk_failed()) return NULL;
  return wk_function_plan(function, (wk_tensors){s->train ? 2 : 1, in});
}

/* ---- what is printed ---- */

static void print_steps(const wk_plan_view *view) {
  enum { BAR = 16 };
  const wk_plan *plan = view->plan;
  const size_t most = view->live[view->peak] ? view->live[view->peak] : 1;
  for (size_t i = 0; i < plan->step_count; i++) {
    char bytes[32], text[512], bar[BAR + 1] = "";
    const wk_graph_node *node = plan->steps[i].node;
    wk_format_bytes(bytes, sizeof bytes, view->live[i]);
    wk_plan_step_text(view, i, text, sizeof text);
    memset(bar, '#', (view->live[i] * BAR + most - 1) / most);
    printf("%5zu %11s %-*s %s", i + 1, bytes, BAR, bar, text);
    if (node->module_path) printf("   at %s", node->module_path);
    char why[160];
    const wk_cost cost = wk_node_cost(node);
    printf("   by %s", wk_step_kernel(&plan->steps[i]));
    if (cost.operations > 0) printf(", %.4g MFLOP", cost.operations * 1e-6);
    if (wk_step_explain(plan, i, why, sizeof why)) printf(" (%s)", why);
    printf("\n");
  }
}

static void print_bytes(const char *what, size_t bytes, const char *more) {
  char text[32];
  wk_format_bytes(text, sizeof text, bytes);
  printf("%-24s %11s%s\n", what, text, more);
}

static void print_memory(const wk_plan_view *view) {
  const wk_graph *g = &view->plan->graph;
  size_t kinds[3] = {0}, results = 0;
  for (size_t i = 0; i < g->buffer_count; i++) kinds[g->buffers[i].kind] += g->buffers[i].size;
  for (size_t i = 0; i < g->result_count; i++) results += g->buffers[g->results[i].buffer].size;
  char most[64];
  wk_print_into(most, sizeof most, 0, ", during step %zu", view->peak + 1);
  printf("\n");
  print_bytes("inputs", kinds[WK_BUFFER_INPUT], "");
  print_bytes("memory that stays", kinds[WK_BUFFER_CELL], "");
  print_bytes("results", results, "");
  print_bytes("without reuse", view->plan->total_size, "");
  print_bytes("most in use at once", view->plan->step_count ? view->live[view->peak] : 0, most);
  print_bytes("arena", view->plan->arena_size, "");
  if (wk_plan_loop_bytes(view->plan)) print_bytes("loops", wk_plan_loop_bytes(view->plan), "");
}

static void print_kernels(wk_function *function) {
  char text[16384];
  wk_function_describe(function, text, sizeof text);
  const char *end = strstr(text, "\nstep ");
  printf("\n%.*s\n", end ? (int)(end - text) : (int)strlen(text), text);
}

static void print_head(const inspection *s, const wk_plan *plan, char *title, size_t size) {
  char count[32];
  wk_format_count(count, sizeof count,
                  wk_parameters_element_count(wk_module_parameters(s->network)));
  wk_print_into(title, size, 0, "%s, %s: %s parameters, %lld example%s, %zu steps", s->name,
                s->train ? "a training step" : "a prediction", count, (long long)s->batch_size,
                s->batch_size == 1 ? "" : "s", plan->step_count);
  printf("%s\n\n", title);
}

static wk_status write_svg(const char *path, const wk_plan_view *view, const char *title) {
  FILE *file = fopen(path, "w");
  if (!file) return wk_fail(WK_ERROR_IO, "cannot write %s: %s", path, strerror(errno));
  wk_status status = wk_plan_view_write_svg(view, title, file);
  const bool failed = ferror(file) != 0;
  if ((fclose(file) != 0 || failed) && status == WK_OK)
    status = wk_fail(WK_ERROR_IO, "cannot write %s: %s", path, strerror(errno));
  return status;
}

static void show(const inspection *s, wk_function *function, const wk_plan *plan) {
  wk_plan_view view;
  char title[256];
  if (wk_plan_view_create(&view, plan, wk_module_parameters(s->network)) == WK_OK) {
    print_head(s, plan, title, sizeof title);
    print_steps(&view);
    print_memory(&view);
    print_kernels(function);
    if (s->svg) write_svg(s->svg, &view, title);
  }
  wk_plan_view_free(&view);
}

int wk_command_inspect(int argc, char **argv) {
  WK_SCOPE;
  inspection s = {.batch_size = 1};
  const wk_parse_result parsed = parse(&s, argc, argv);
  if (parsed != WK_PARSE_OK) return parsed == WK_PARSE_HELP ? WK_EXIT_OK : WK_EXIT_USAGE;
  if (s.threads > 0) wk_set_thread_count((int)s.threads);
  wk_device_use(wk_device_get("null")); /* which plans as the cpu does, for batches of any size */
  wk_set_determinism_by_name(s.determinism);
  wk_function *function = NULL;
  if (!wk_failed() && open_network(&s) == WK_OK)
    function = wk_compile(s.train ? train_step : predict, &s);
  const wk_plan *plan = function ? make_plan(&s, function) : NULL;
  if (plan) show(&s, function, plan);
  wk_function_free(function);
  wk_optimizer_free(s.optimizer);
  wk_module_free(s.network);
  return wk_end_with_error();
}
