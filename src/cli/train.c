/* SPDX-License-Identifier: Apache-2.0 */

/* wick train: opens the data, makes or resumes a network, trains it, scores it, says what is where.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <wick/train.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/datasets.h"
#include "cli/interrupt.h"
#include "cli/train_display.h"
#include "cli/train_settings.h"
#include "models/models.h"
#include "nn/module.h"
#include "optim/optimizer.h"
#include "train/checkpoint.h"

typedef struct training {
  wk_train_settings s;
  char *folder, *checkpoint_path, *model_path;
  wk_module *network;
  wk_optimizer *optimizer;
  wk_dataset *train_set, *test_set;
  wk_loader *batches, *unseen;
  wk_train_display display;
} training;

/* ---- the run's folder ---- */

/* "runs/fashion-mnist-convnet"; of a folder of pictures, its last name. */
static char *default_folder(const wk_train_settings *s) {
  size_t length = strlen(s->data);
  while (length > 1 && s->data[length - 1] == '/') length--;
  size_t start = length;
  while (start > 0 && s->data[start - 1] != '/') start--;
  wk_text folder = {0};
  wk_text_append(&folder, "runs/%.*s-%s", (int)(length - start), s->data + start, s->model);
  return folder.data;
}

static wk_status name_files(training *t) {
  t->folder = t->s.resume ? wk_duplicate_string(t->s.resume)
              : t->s.out  ? wk_duplicate_string(t->s.out)
                          : default_folder(&t->s);
  if (!t->folder) return wk_error_status();
  t->checkpoint_path = wk_path_join(t->folder, "checkpoint.safetensors");
  t->model_path = wk_path_join(t->folder, "model.safetensors");
  return wk_error_status();
}

/* A finished run leaves its model; without one, somebody may want to go on with it. */
static wk_status check_folder(const training *t) {
  if (t->s.resume || !wk_file_exists(t->checkpoint_path) || wk_file_exists(t->model_path))
    return WK_OK;
  wk_fail(WK_ERROR_STATE, "%s holds a run that is not finished", t->folder);
  wk_error_add_hint("go on with it: wick train --resume %s; or choose another folder with --out",
                    t->folder);
  return wk_error_status();
}

/* ---- data ---- */

static wk_status open_data(training *t) {
  const wk_shape shape =
      wk_module_is_built(t->network) ? wk_module_input(t->network)->shape : WK_SCALAR;
  const bool image = shape.rank == 3;
  t->train_set =
      wk_dataset_open(t->s.data, .shuffle_labels = t->s.shuffle_labels, .count = t->s.limit,
                      .height = image ? shape.dims[0] : 0, .width = image ? shape.dims[1] : 0,
                      .channels = image ? shape.dims[2] : 0);
  if (t->train_set) t->test_set = wk_open_part(t->s.data, true, wk_dataset_shape(t->train_set));
  t->batches = wk_loader_create(t->train_set, .batch_size = t->s.batch_size, .shuffle = true,
                                .seed = (uint64_t)t->s.seed);
  t->unseen = wk_loader_create(t->test_set, .batch_size = 500);
  return wk_error_status();
}

static void print_data(const training *t) {
  char train_count[32], test_count[32], shape[64];
  wk_format_count(train_count, sizeof train_count, wk_dataset_count(t->train_set));
  wk_format_count(test_count, sizeof test_count, wk_dataset_count(t->test_set));
  wk_shape_text(wk_dataset_shape(t->train_set), shape, sizeof shape);
  wk_print_sources(t->train_set);
  wk_print_sources(t->test_set);
  printf("%s training and %s test images, %s, %zu classes%s\n", train_count, test_count, shape,
         wk_dataset_class_count(t->train_set),
         t->s.shuffle_labels ? ", training labels shuffled" : "");
}

static void print_network(const training *t) {
  const size_t length = wk_module_summary(t->network, NULL, 0);
  char *text = wk_allocate(length + 1);
  if (!text) return;
  wk_module_summary(t->network, text, length + 1);
  printf("\n%s\n", text);
  wk_deallocate(text);
}

static void print_begin(const training *t) {
  if (!t->s.json) {
    print_data(t);
    print_network(t);
    if (t->s.resume) printf("going on with %s\n", t->folder);
    fflush(stdout);
    return;
  }
  wk_print_json(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o}", "event", "begin", "data",
                          t->s.data, "model", t->s.model, "folder", t->folder, "training_examples",
                          (json_int_t)wk_dataset_count(t->train_set), "test_examples",
                          (json_int_t)wk_dataset_count(t->test_set), "parameters",
                          (json_int_t)wk_parameters_element_count(wk_module_parameters(t->network)),
                          "training_files", wk_sources_to_json(t->train_set), "test_files",
                          wk_sources_to_json(t->test_set)));
}

/* ---- the network ---- */

static wk_module *create_network(const training *t) {
  const int64_t classes = (int64_t)wk_dataset_class_count(t->train_set);
  if (classes == 0) {
    wk_fail(WK_ERROR_ARGUMENT, "%s has no classes to tell apart", t->s.data);
    return NULL;
  }
  return wk_model_find(t->s.model)->create(classes); /* options allow only names in the table */
}

static wk_status begin_network(training *t) {
  if (open_data(t) < 0) return wk_error_status();
  wk_generator_set(wk_generator_default(), (uint64_t)t->s.seed, 0);
  t->network = create_network(t);
  return wk_module_build(t->network, t->train_set);
}

static wk_status resume_network(training *t) {
  t->network = wk_module_load(t->checkpoint_path);
  if (!t->network) {
    wk_error_add_hint("a run that --resume can go on with has a checkpoint.safetensors");
    return wk_error_status();
  }
  return WK_OK;
}

static void create_optimizer(training *t) {
  const char *name = t->s.optimizer;
  for (int i = 0; i < wk_optimizer_table_count && !t->optimizer; i++)
    if (strcmp(wk_optimizer_table[i].name, name) == 0)
      t->optimizer =
          wk_optimizer_create_type(&wk_optimizer_table[i], wk_module_parameters(t->network),
                                   (wk_place){0}, NULL);
  const bool adam = strncmp(name, "adam", 4) == 0;
  if (isnan(t->s.learning_rate))
    t->s.learning_rate = adam ? 0.003 : wk_optimizer_get(t->optimizer, "learning_rate");
  wk_optimizer_set(t->optimizer, "learning_rate", t->s.learning_rate);
  if (strcmp(name, "sgd") == 0) wk_optimizer_set(t->optimizer, "momentum", 0.9);
}

static wk_dtype precision(const training *t) {
  return strcmp(t->s.precision, "bf16") == 0  ? WK_BF16
         : strcmp(t->s.precision, "f16") == 0 ? WK_F16
                                              : WK_F32;
}

/* ---- training ---- */

/* The step size for the next step: half a cosine from the full one down to 0 (Loshchilov and Hutter
 * 2017, arXiv:1608.03983, without restarts). A function of the step alone, so resuming changes
 * nothing. */
static void schedule(const training *t, const wk_progress *progress) {
  const double steps = (double)(progress->epochs * progress->batches);
  const double part = steps > 0 ? (double)progress->step / steps : 0;
  const double rate = t->s.learning_rate * 0.5 * (1 + cos(3.14159265358979323846 * part));
  wk_optimizer_set(t->optimizer, "learning_rate", rate);
}

static wk_status on_progress(void *context, void *event) {
  training *t = context;
  const wk_progress *progress = event;
  const bool before_step =
      progress->kind == WK_PROGRESS_BEGIN || progress->kind == WK_PROGRESS_STEP;
  if (before_step && strcmp(t->s.schedule, "cosine") == 0) schedule(t, progress);
  wk_train_display_show(&t->display, event);
  return wk_interrupted() ? WK_END : WK_OK;
}

static void print_interrupted(const training *t) {
  wk_fit_state state = {0};
  wk_checkpoint_state(t->checkpoint_path, &state);
  if (t->s.json) {
    wk_print_json(json_pack("{s:s, s:I, s:s}", "event", "interrupted", "step",
                            (json_int_t)state.step, "folder", t->folder));
    return;
  }
  printf("stopped after %lld steps; to go on:\n  wick train --resume %s\n", (long long)state.step,
         t->folder);
}

static wk_status print_end(training *t, double seconds) {
  wk_evaluation e = {.struct_size = sizeof e};
  if (wk_evaluate(t->network, t->unseen, &e) < 0) return wk_error_status();
  const long long correct = llround(e.accuracy * (double)e.count);
  if (t->s.json) {
    wk_print_json(json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:s}", "event", "end", "seconds",
                            wk_json_number(seconds), "test_loss", wk_json_number(e.loss),
                            "test_accuracy", wk_json_number(e.accuracy), "correct",
                            (json_int_t)correct, "examples", (json_int_t)e.count, "model",
                            t->model_path));
    return WK_OK;
  }
  printf("trained %lld epochs in %.1f s\n", (long long)t->s.epochs, seconds);
  printf("test accuracy %.2f%% (%lld of %lld)\n\n", 100 * e.accuracy, correct, (long long)e.count);
  printf("saved %s; to use it:\n", t->model_path);
  printf("  wick eval %s\n", t->model_path);
  printf("  wick predict %s PICTURE.png\n", t->model_path);
  printf("  tensorboard --logdir %s\n", t->folder);
  return WK_OK;
}

static int train(training *t) {
  const wk_callback callback = {.struct_size = sizeof callback, .run = on_progress, .context = t};
  const double start = wk_seconds();
  wk_interrupt_watch();
  wk_train_display_begin(&t->display, t->s.json);
  const wk_status status =
      wk_fit(t->network, t->optimizer, t->batches, .validation = t->unseen, .epochs = t->s.epochs,
             .run_folder = t->folder, .resume = t->s.resume != NULL,
             .checkpoint_seconds = t->s.checkpoint_seconds, .callbacks = &callback,
             .callback_count = 1, .precision = precision(t), .compiled = !t->s.eager);
  if (status == WK_END) {
    print_interrupted(t);
    return wk_failed() ? wk_end_with_error() : WK_EXIT_INTERRUPTED;
  }
  if (status == WK_OK) print_end(t, wk_seconds() - start);
  return wk_end_with_error();
}

/* ---- the command ---- */

static int run(training *t) {
  if (t->s.threads > 0) wk_set_thread_count((int)t->s.threads);
  wk_set_determinism_by_name(t->s.determinism);
  wk_status status = name_files(t);
  if (status == WK_OK) status = check_folder(t);
  if (status == WK_OK) status = t->s.resume ? resume_network(t) : begin_network(t);
  if (status == WK_OK && t->s.resume) {
    if (!wk_train_settings_recall(&t->s, t->network)) return WK_EXIT_USAGE;
    wk_set_determinism_by_name(t->s.determinism);
    status = open_data(t);
  }
  if (status == WK_OK) create_optimizer(t);
  if (!wk_failed()) wk_train_settings_keep(&t->s, t->network);
  if (wk_failed()) return wk_end_with_error();
  print_begin(t);
  return train(t);
}

int wk_command_train(int argc, char **argv) {
  training t = {0};
  const wk_parse_result parsed = wk_train_settings_parse(&t.s, argc, argv);
  if (parsed != WK_PARSE_OK) return parsed == WK_PARSE_HELP ? WK_EXIT_OK : WK_EXIT_USAGE;
  const int status = run(&t);
  wk_optimizer_free(t.optimizer);
  wk_loader_free(t.batches);
  wk_loader_free(t.unseen);
  wk_dataset_free(t.train_set);
  wk_dataset_free(t.test_set);
  wk_module_free(t.network);
  wk_deallocate(t.folder);
  wk_deallocate(t.checkpoint_path);
  wk_deallocate(t.model_path);
  return status;
}
