/* SPDX-License-Identifier: Apache-2.0 */
/* Every fallible call of examples/fashion.c fails in turn. The example is included here with its
 * calls led through functions that raise an error in front of the n-th one; from then on it must do
 * nothing more, change no parameter, write no file, free what it holds and report that very error.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wick/wick.h>

#include "support/temporary.h"
#include "tensor/tensor.h"

enum { EXAMPLES = 128, BOUND = 100000 };

/* sanitizer/lsan_interface.h; its address is NULL in other programs. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

static struct {
  int target, calls; /* which call is to fail, and how many there were */
  char error[128];   /* what was raised */
  const char *place;
  wk_module *network; /* built; NULL before and after */
  char *values;       /* its parameters when the error was raised */
  FILE *report, *output;
  int faults;
} run;

static void fault(const char *what) {
  printf("FAIL call %d (%s): %s\n", run.target, run.place ? run.place : "none", what);
  run.faults++;
}

/* ---- the parameters' bytes ---- */

static char *copy_values(void) {
  const wk_parameters *set = wk_module_parameters(run.network);
  char *bytes = malloc((size_t)wk_parameters_element_count(set) * sizeof(float)), *to = bytes;
  for (size_t i = 0; i < wk_parameters_count(set); i++) {
    const wk_tensor *tensor = wk_parameters_get(set, i);
    const size_t size = (size_t)wk_tensor_count(tensor) * sizeof(float);
    memcpy(to, wk_tensor_data(tensor),
           size); /* wk_tensor_read does nothing once there is an error */
    to += size;
  }
  return bytes;
}

/* The set is a getter's result, but the getter is fallible: it is asked with the error put aside.
 */
static void compare_values(void) {
  wk_error put_aside = {.struct_size = sizeof put_aside};
  const bool failed = wk_error_take(&put_aside);
  char *now = copy_values();
  const wk_parameters *set = wk_module_parameters(run.network);
  const size_t size = (size_t)wk_parameters_element_count(set) * sizeof(float);
  if (memcmp(run.values, now, size) != 0) fault("a parameter changed after the failure");
  free(now);
  if (failed) wk_error_set(put_aside.status, "%s", put_aside.message);
}

/* ---- failing calls ---- */

/* Raises the error in front of the target call. */
static bool fails_now(const char *name) {
  if (run.calls++ != run.target) return false;
  run.place = name;
  if (run.network) run.values = copy_values();
  snprintf(run.error, sizeof run.error, "injected into call %d, %s", run.target, name);
  wk_error_set(WK_ERROR_CANCELLED, "%s", run.error);
  return true;
}

#define FAILING(type, name, parameters, arguments, failed)                                         \
  static type failing_##name parameters {                                                          \
    const bool now = fails_now(#name);                                                             \
    type result = name arguments;                                                                  \
    if (now && !(failed)) fault("it did not return its failure value");                            \
    return result;                                                                                 \
  }
#define MAKES(type, name, of)                                                                      \
  FAILING(type *, name, (wk_place here, const of *arguments), (here, arguments), !result)

MAKES(wk_tensor, wk_cross_entropy_at, wk_cross_entropy_arguments)
FAILING(wk_tensor *, wk_forward_at, (wk_place here, wk_module *module, wk_tensor *x),
        (here, module, x), !result)
FAILING(wk_status, wk_backward_at, (wk_place here, const wk_backward_arguments *arguments),
        (here, arguments), result == WK_ERROR_CANCELLED)
FAILING(wk_status, wk_optimizer_step_at, (wk_place here, wk_optimizer *optimizer),
        (here, optimizer), result == WK_ERROR_CANCELLED)
MAKES(wk_loader, wk_loader_create_at, wk_loader_arguments)
FAILING(wk_module *, wk_sequential_at, (wk_place here, size_t count, wk_module *const *modules),
        (here, count, modules), !result)
MAKES(wk_module, wk_conv2d_layer_at, wk_conv2d_layer_arguments)
MAKES(wk_module, wk_relu_layer_at, wk_relu_layer_arguments)
MAKES(wk_module, wk_max_pool2d_layer_at, wk_max_pool2d_layer_arguments)
MAKES(wk_module, wk_flatten_layer_at, wk_flatten_layer_arguments)
MAKES(wk_module, wk_linear_layer_at, wk_linear_layer_arguments)
MAKES(wk_optimizer, wk_adam_create_at, wk_adam_arguments)
MAKES(wk_function, wk_compile_at, wk_compile_arguments)
FAILING(wk_tensor *, wk_call_at, (wk_place here, wk_function *function, wk_tensors inputs),
        (here, function, inputs), !result)
FAILING(wk_status, wk_loader_next_at, (wk_place here, wk_loader *loader, wk_tensors *batch),
        (here, loader, batch), result == WK_ERROR_CANCELLED && batch->count == 0)
FAILING(double, wk_accuracy_at, (wk_place here, wk_module *module, wk_loader *loader),
        (here, module, loader), result != result)
FAILING(wk_status, wk_module_save_at, (wk_place here, wk_module *module, const char *path),
        (here, module, path), result == WK_ERROR_CANCELLED)

/* Few examples, and none that a package must bring. */
static wk_dataset *failing_wk_dataset_open_at(wk_place here,
                                              const wk_dataset_arguments *arguments) {
  const bool now = fails_now("wk_dataset_open_at");
  wk_dataset_arguments few = *arguments;
  few.name = "glyphs";
  few.count = EXAMPLES;
  wk_dataset *result = wk_dataset_open_at(here, &few);
  if (now && result) fault("it did not return its failure value");
  return result;
}

static wk_status failing_wk_module_build_at(wk_place here, wk_module *module,
                                            const wk_dataset *dataset) {
  const bool now = fails_now("wk_module_build_at");
  const wk_status status = wk_module_build_at(here, module, dataset);
  if (now && status != WK_ERROR_CANCELLED) fault("it did not return its failure value");
  run.network = status == WK_OK ? module : NULL;
  return status;
}

static void watched_module_free(wk_module *module) {
  if (run.network && run.values) compare_values();
  free(run.values);
  run.values = NULL;
  run.network = NULL;
  wk_module_free(module);
}

/* ---- the example ---- */

#define wk_cross_entropy_at failing_wk_cross_entropy_at
#define wk_forward_at failing_wk_forward_at
#define wk_backward_at failing_wk_backward_at
#define wk_optimizer_step_at failing_wk_optimizer_step_at
#define wk_dataset_open_at failing_wk_dataset_open_at
#define wk_loader_create_at failing_wk_loader_create_at
#define wk_sequential_at failing_wk_sequential_at
#define wk_conv2d_layer_at failing_wk_conv2d_layer_at
#define wk_relu_layer_at failing_wk_relu_layer_at
#define wk_max_pool2d_layer_at failing_wk_max_pool2d_layer_at
#define wk_flatten_layer_at failing_wk_flatten_layer_at
#define wk_linear_layer_at failing_wk_linear_layer_at
#define wk_adam_create_at failing_wk_adam_create_at
#define wk_compile_at failing_wk_compile_at
#define wk_call_at failing_wk_call_at
#define wk_loader_next_at failing_wk_loader_next_at
#define wk_accuracy_at failing_wk_accuracy_at
#define wk_module_save_at failing_wk_module_save_at
#define wk_module_build_at failing_wk_module_build_at
#define wk_module_free watched_module_free
#define printf(...) fprintf(run.output, __VA_ARGS__)
#define main fashion
#undef stderr
#define stderr run.report
#include "../../examples/fashion.c"
#undef main
#undef printf

/* ---- running it ---- */

static void check_report(void) {
  char text[4096] = "";
  rewind(run.report);
  text[fread(text, 1, sizeof text - 1, run.report)] = '\0';
  if (!strstr(text, run.error)) fault("another error was reported");
}

/* True: the target lies behind the last call, and the program went well. */
static bool run_with_failure(int target, bool compiled) {
  const int faults = run.faults;
  unlink("fashion.safetensors");
  memset(&run, 0, sizeof run);
  run.faults = faults;
  run.target = target;
  run.report = tmpfile();
  run.output = tmpfile();
  char name[] = "fashion", option[] = "--compiled";
  const int status = fashion(compiled ? 2 : 1, (char *[]){name, option, NULL});
  const bool failed = run.place != NULL;
  if (status != failed) fault("the program's exit status is wrong");
  if (failed) check_report();
  if ((access("fashion.safetensors", F_OK) == 0) == failed)
    fault("the model file is there, or not");
  if (wk_error_status() != WK_OK) fault("an error is still pending");
  fclose(run.report);
  fclose(run.output);
  if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
    fault("memory leaked");
  return !failed;
}

/* Returns how many calls the program makes. */
static int fail_each_call(bool compiled) {
  int target = 0;
  while (target < BOUND && !run_with_failure(target, compiled)) target++;
  return target;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0); /* a leak found at the end loses what is buffered */
  setenv("WICK_ALLOCATOR", "system", 1);
  if (chdir(temporary_folder()) != 0) return 1;
  const int eager = fail_each_call(false), compiled = fail_each_call(true);
  printf("fashion: %d calls failed in turn, compiled %d, %d faults, leaks %s\n", eager, compiled,
         run.faults,
         __lsan_do_recoverable_leak_check ? "looked for after each"
                                          : "not looked for in this build");
  return run.faults > 0 || eager < 40 || compiled < 40;
}
