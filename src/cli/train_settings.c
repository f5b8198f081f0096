/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/train_settings.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "cli/command.h"
#include "models/models.h"
#include "nn/module.h"

static const char *const optimizer_names[] = {"adam",    "sgd",  "adamw", "rmsprop",
                                              "adagrad", "lion", NULL};
static const char *const precision_names[] = {"f32", "bf16", "f16", NULL};
static const char *const schedule_names[] = {"cosine", "constant", NULL};

/* What a run's checkpoint and model keep, so that resuming needs nothing else. What changes no
 * result is not among it: equal runs leave equal files. */
static const char *const kept[] = {"model",     "epochs",    "batch-size",  "learning-rate",
                                   "optimizer", "seed",      "limit",       "shuffle-labels",
                                   "schedule",  "precision", "determinism", NULL};

/* Which of them resuming may change. */
static const char *const changeable[] = {"epochs", NULL};

static bool contains(const char *const *names, const char *name) {
  for (int i = 0; names[i]; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

/* Of those for pictures. */
static const char *const *model_names(void) {
  static const char *names[32];
  for (int i = 0, count = 0; i < wk_model_count && count < 31; i++)
    if (wk_models[i].dtype == WK_F32) names[count++] = wk_models[i].name;
  return names;
}

static void list_options(wk_train_settings *s, wk_option *options) {
  const wk_option all[WK_TRAIN_OPTIONS] = {
      {.name = "model",
       .type = WK_OPTION_TEXT,
       .to = &s->model,
       .value = "NAME",
       .doc = "the network: convnet, lenet, cifar, mlp, alexnet, vgg19, resnet50 or mobilenet",
       .choices = model_names()},
      {.name = "epochs",
       .type = WK_OPTION_INTEGER,
       .to = &s->epochs,
       .value = "N",
       .doc = "times to go through the data",
       .minimum = 1,
       .maximum = 1e6},
      wk_batch_size_option(&s->batch_size, "examples in a step"),
      {.name = "learning-rate",
       .type = WK_OPTION_NUMBER,
       .to = &s->learning_rate,
       .value = "X",
       .doc = "step size [adam, adamw: 0.003, sgd: 0.01]",
       .maximum = 1e6},
      {.name = "optimizer",
       .type = WK_OPTION_TEXT,
       .to = &s->optimizer,
       .value = "NAME",
       .doc = "adam, sgd with momentum 0.9, adamw, rmsprop, adagrad or lion",
       .choices = optimizer_names},
      {.name = "precision",
       .type = WK_OPTION_TEXT,
       .to = &s->precision,
       .value = "TYPE",
       .doc = "f32, or bf16 or f16: products and their like in that type",
       .choices = precision_names},
      {.name = "schedule",
       .type = WK_OPTION_TEXT,
       .to = &s->schedule,
       .value = "NAME",
       .doc = "of the step size: cosine, which ends at 0, or constant",
       .choices = schedule_names},
      {.name = "seed",
       .type = WK_OPTION_INTEGER,
       .to = &s->seed,
       .value = "N",
       .doc = "of first values, order and dropout",
       .maximum = 9e15},
      {.name = "out",
       .type = WK_OPTION_TEXT,
       .to = &s->out,
       .value = "FOLDER",
       .doc = "where the run's files go [runs/DATA-MODEL]"},
      {.name = "resume",
       .type = WK_OPTION_TEXT,
       .to = &s->resume,
       .value = "FOLDER",
       .doc = "go on with the run in FOLDER; needs nothing else"},
      {.name = "shuffle-labels",
       .type = WK_OPTION_FLAG,
       .to = &s->shuffle_labels,
       .doc = "a control: train on labels in random order"},
      {.name = "limit",
       .type = WK_OPTION_INTEGER,
       .to = &s->limit,
       .value = "N",
       .doc = "train on the first N examples only; 0: on all",
       .maximum = 9e15},
      {.name = "eager",
       .type = WK_OPTION_FLAG,
       .to = &s->eager,
       .doc = "run ops one by one; the same bits in more memory"},
      wk_threads_option(&s->threads),
      wk_determinism_option(&s->determinism),
      {.name = "checkpoint-seconds",
       .type = WK_OPTION_NUMBER,
       .to = &s->checkpoint_seconds,
       .value = "X",
       .doc = "also save within epochs, this often; 0: no",
       .maximum = 1e9},
      wk_json_option(&s->json, "print JSON, an object a line"),
  };
  memcpy(options, all, sizeof all);
  for (int i = 0; i < WK_TRAIN_OPTIONS; i++) options[i].given = &s->given[i];
}

static const char details[] =
    "DATA is fashion-mnist, mnist, glyphs (digits that Wick draws itself), or a folder that holds "
    "a\n"
    "folder of PNG files for each class, or train/ and test/ folders of those.\n"
    "\n"
    "The run's folder gets model.safetensors, for wick eval and wick predict, at the end;\n"
    "checkpoint.safetensors, from which --resume goes on, after each epoch and when stopped by\n"
    "Ctrl-C; and event files for TensorBoard. A finished run in it is replaced; an unfinished one\n"
    "is not: resume it, or choose another folder with --out. Resuming may raise --epochs.";

wk_parse_result wk_train_settings_parse(wk_train_settings *s, int argc, char **argv) {
  *s = (wk_train_settings){.model = wk_models[0].name,
                           .optimizer = optimizer_names[0],
                           .precision = precision_names[0],
                           .schedule = schedule_names[0],
                           .epochs = 5,
                           .batch_size = 64,
                           .seed = 1,
                           .checkpoint_seconds = 60,
                           .learning_rate = (double)NAN,
                           .determinism = wk_determinism_name(wk_determinism_get())};
  wk_option options[WK_TRAIN_OPTIONS];
  list_options(s, options);
  const wk_usage usage = {.command = "train",
                          .arguments = "DATA",
                          .summary =
                              "Trains a network on a data set, scores it on images that it has "
                              "not seen, and saves it.",
                          .details = details,
                          .options = options,
                          .option_count = WK_TRAIN_OPTIONS,
                          .most = 1};
  int count;
  const wk_parse_result result = wk_options_parse(&usage, argc, argv, &count);
  if (result != WK_PARSE_OK) return result;
  s->data = count > 0 ? argv[1] : NULL;
  if (s->data || s->resume) {
    if (!s->resume || !s->out) return WK_PARSE_OK;
    wk_usage_error("train", "--resume goes on in its own folder, so --out says nothing");
  } else {
    wk_usage_error("train", "it needs DATA, such as fashion-mnist, or --resume FOLDER");
  }
  return WK_PARSE_WRONG;
}

wk_status wk_train_settings_keep(wk_train_settings *s, wk_module *network) {
  wk_option options[WK_TRAIN_OPTIONS];
  list_options(s, options);
  wk_status status = wk_module_set_note(network, "data", s->data);
  for (int i = 0; status == WK_OK && i < WK_TRAIN_OPTIONS; i++) {
    if (!contains(kept, options[i].name)) continue;
    wk_text value = {0};
    status = wk_option_print(&options[i], &value);
    if (status == WK_OK) status = wk_module_set_note(network, options[i].name, value.data);
    wk_text_free(&value);
  }
  return status;
}

/* Whether the value given now is the one that the run began with. */
static bool agrees(const wk_option *option, const char *note) {
  wk_text value = {0};
  const bool same = wk_option_print(option, &value) == WK_OK && strcmp(value.data, note) == 0;
  wk_text_free(&value);
  return same;
}

bool wk_train_settings_recall(wk_train_settings *s, const wk_module *network) {
  wk_option options[WK_TRAIN_OPTIONS];
  list_options(s, options);
  const char *data = wk_module_note(network, "data");
  if (s->data && data && strcmp(s->data, data) != 0) {
    wk_usage_error("train", "the run in %s is on %s, not on %s", s->resume, data, s->data);
    return false;
  }
  if (data) s->data = data;
  for (int i = 0; i < WK_TRAIN_OPTIONS; i++) {
    const char *note = wk_module_note(network, options[i].name);
    if (!note || !contains(kept, options[i].name)) continue;
    const bool given = *options[i].given;
    if (!given && !wk_option_read(&options[i], note)) {
      wk_usage_error("train", "the run in %s was begun with --%s %s, which means nothing here",
                     s->resume, options[i].name, note);
      return false;
    }
    if (given && !contains(changeable, options[i].name) && !agrees(&options[i], note)) {
      wk_usage_error("train", "the run in %s was begun with --%s %s; resuming cannot change that",
                     s->resume, options[i].name, note);
      return false;
    }
  }
  if (s->data) return true;
  wk_usage_error("train", "the run in %s was not begun by wick train", s->resume);
  return false;
}
