/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <math.h>
#include <stdio.h>

#include <wick/wick.h>

#include "base/file.h"
#include "support/temporary.h"

/* Digits that Wick draws, a network for them, and what trains it. */
typedef struct trainer {
  wk_dataset *train_set, *test_set;
  wk_loader *batches, *unseen;
  wk_module *network;
  wk_optimizer *optimizer;
} trainer;

static trainer make_trainer(int64_t examples) {
  trainer t = {.train_set = wk_dataset_open("glyphs", .count = examples),
               .test_set = wk_dataset_open("glyphs", .test = true, .count = 100)};
  t.batches = wk_loader_create(t.train_set, .batch_size = 16, .shuffle = true, .seed = 3);
  t.unseen = wk_loader_create(t.test_set, .batch_size = 32);
  t.network = wk_sequential(wk_flatten_layer(), wk_linear_layer(32), wk_relu_layer(),
                            wk_dropout_layer(0.2), wk_linear_layer(10));
  wk_generator_set(wk_generator_default(), 11, 0);
  wk_module_build(t.network, t.train_set);
  t.optimizer = wk_adam_create(t.network, .learning_rate = 3e-3);
  assert_no_error();
  return t;
}

static void free_trainer(trainer *t) {
  wk_optimizer_free(t->optimizer);
  wk_module_free(t->network);
  wk_loader_free(t->batches);
  wk_loader_free(t->unseen);
  wk_dataset_free(t->train_set);
  wk_dataset_free(t->test_set);
}

/* ---- a record of what a run told ---- */

typedef struct record {
  int begins, steps, epochs, ends, destroyed;
  int64_t stop_at; /* step; 0: never */
  wk_progress last_epoch;
} record;

static wk_status note(void *context, void *event) {
  record *r = context;
  const wk_progress *p = event;
  r->begins += p->kind == WK_PROGRESS_BEGIN;
  r->steps += p->kind == WK_PROGRESS_STEP;
  r->epochs += p->kind == WK_PROGRESS_EPOCH;
  r->ends += p->kind == WK_PROGRESS_END;
  if (p->kind == WK_PROGRESS_EPOCH) r->last_epoch = *p;
  return p->kind == WK_PROGRESS_STEP && p->step == r->stop_at ? WK_END : WK_OK;
}

static void count_destroy(void *context) { ((record *)context)->destroyed++; }

static wk_callback callback_of(record *r) {
  return (wk_callback){.struct_size = sizeof(wk_callback),
                       .run = note,
                       .context = r,
                       .destroy = count_destroy};
}

/* ---- learning ---- */

static void test_fit_learns(void **state) {
  (void)state;
  trainer t = make_trainer(600);
  record r = {0};
  const wk_callback callback = callback_of(&r);
  assert_int_equal(wk_fit(t.network, t.optimizer, t.batches, .validation = t.unseen, .epochs = 4,
                          .callbacks = &callback, .callback_count = 1),
                   WK_OK);
  assert_no_error();
  assert_int_equal(r.begins, 1);
  assert_int_equal(r.steps, 4 * 38);
  assert_int_equal(r.epochs, 4);
  assert_int_equal(r.ends, 1);
  assert_int_equal(r.destroyed, 1);
  assert_int_equal(r.last_epoch.examples, 600);
  assert_int_equal(r.last_epoch.step, 4 * 38);
  assert_true(r.last_epoch.validation_accuracy > 0.7);
  assert_true(wk_accuracy(t.network, t.unseen) == r.last_epoch.validation_accuracy);
  assert_true(wk_module_is_training(t.network));
  free_trainer(&t);
}

static void test_scores_do_not_depend_on_batches(void **state) {
  (void)state;
  trainer t = make_trainer(64);
  static const int64_t sizes[] = {1, 7, 100};
  double accuracy[3];
  for (int i = 0; i < 3; i++) {
    wk_loader *loader = wk_loader_create(t.test_set, .batch_size = sizes[i]);
    wk_evaluation e = {.struct_size = sizeof e};
    assert_int_equal(wk_evaluate(t.network, loader, &e), WK_OK);
    assert_int_equal(e.count, 100);
    assert_true(isfinite(e.loss));
    accuracy[i] = e.accuracy;
    wk_loader_free(loader);
  }
  assert_true(accuracy[0] == accuracy[1] && accuracy[1] == accuracy[2]);
  free_trainer(&t);
}

static void test_evaluation_leaves_the_loader(void **state) {
  (void)state;
  trainer t = make_trainer(64);
  wk_tensors batch;
  assert_int_equal(wk_loader_next(t.batches, &batch), WK_OK);
  wk_accuracy(t.network, t.batches);
  int64_t epoch, at;
  wk_loader_position(t.batches, &epoch, &at);
  assert_int_equal(epoch, 0);
  assert_int_equal(at, 1);
  free_trainer(&t);
}

static wk_tensor *squared_error(void *context, wk_tensor *output, wk_tensor *labels) {
  (void)labels;
  ++*(int *)context;
  return wk_mean(wk_multiply(output, output));
}

static void test_a_loss_of_ones_own(void **state) {
  (void)state;
  trainer t = make_trainer(64);
  int calls = 0;
  wk_fit(t.network, t.optimizer, t.batches, .validation = t.unseen, .loss = squared_error,
         .loss_context = &calls);
  assert_no_error();
  assert_int_equal(calls, 4 + 4);
  free_trainer(&t);
}

/* ---- runs ---- */

static char *read_file(const char *folder, const char *name, size_t *size) {
  char *path = wk_path_join(folder, name);
  void *bytes = NULL;
  wk_file_read(path, 0, &bytes, size);
  assert_no_error();
  wk_deallocate(path);
  return bytes;
}

static void run_to_end(const char *folder, int64_t epochs) {
  trainer t = make_trainer(200);
  assert_int_equal(wk_fit(t.network, t.optimizer, t.batches, .validation = t.unseen,
                          .epochs = epochs, .run_folder = folder),
                   WK_OK);
  free_trainer(&t);
}

/* Stops at `step`; everything is made anew, as another process would; goes on. Both runs end with
 * the same bytes. */
static void check_resume(int64_t step) {
  const char *whole = temporary_path("whole"), *parted = temporary_path("parted");
  run_to_end(whole, 3);
  trainer t = make_trainer(200);
  record r = {.stop_at = step};
  wk_callback callback = callback_of(&r);
  assert_int_equal(wk_fit(t.network, t.optimizer, t.batches, .validation = t.unseen, .epochs = 3,
                          .run_folder = parted, .callbacks = &callback, .callback_count = 1),
                   WK_END);
  assert_no_error();
  free_trainer(&t);
  t = make_trainer(200);
  wk_generator_set(wk_generator_default(), 99, 7); /* the checkpoint's numbers count */
  record after = {0};
  callback = callback_of(&after);
  assert_int_equal(wk_fit(t.network, t.optimizer, t.batches, .validation = t.unseen, .epochs = 3,
                          .run_folder = parted, .resume = true, .callbacks = &callback,
                          .callback_count = 1),
                   WK_OK);
  assert_no_error();
  assert_int_equal(after.steps, 3 * 13 - step);
  free_trainer(&t);
  size_t size[2];
  char *bytes[2] = {read_file(whole, "checkpoint.safetensors", &size[0]),
                    read_file(parted, "checkpoint.safetensors", &size[1])};
  assert_int_equal(size[0], size[1]);
  assert_memory_equal(bytes[0], bytes[1], size[0]);
  wk_deallocate(bytes[0]);
  wk_deallocate(bytes[1]);
}

static void test_resume_within_an_epoch(void **state) {
  (void)state;
  check_resume(18);
}

static void test_resume_at_the_end_of_an_epoch(void **state) {
  (void)state;
  check_resume(13);
  check_resume(14);
}

static void test_a_finished_run_resumes_to_itself(void **state) {
  (void)state;
  const char *folder = temporary_path("finished");
  run_to_end(folder, 1);
  size_t size[2];
  char *bytes[2] = {read_file(folder, "model.safetensors", &size[0]), NULL};
  trainer t = make_trainer(200);
  assert_int_equal(wk_fit(t.network, t.optimizer, t.batches, .run_folder = folder, .resume = true),
                   WK_OK);
  free_trainer(&t);
  bytes[1] = read_file(folder, "model.safetensors", &size[1]);
  assert_int_equal(size[0], size[1]);
  assert_memory_equal(bytes[0], bytes[1], size[0]);
  wk_deallocate(bytes[0]);
  wk_deallocate(bytes[1]);
}

static void test_fit_mistakes(void **state) {
  (void)state;
  trainer t = make_trainer(64);
  record r = {0};
  const wk_callback callback = callback_of(&r);
  assert_int_equal(wk_fit(t.network, NULL, t.batches, .callbacks = &callback, .callback_count = 1),
                   WK_ERROR_ARGUMENT);
  assert_error(WK_ERROR_ARGUMENT);
  assert_int_equal(r.destroyed, 1);
  assert_int_equal(wk_fit(t.network, t.optimizer, t.batches, .resume = true,
                          .run_folder = temporary_path("nothing")),
                   WK_ERROR_NOT_FOUND);
  assert_error_says(WK_ERROR_NOT_FOUND, "nothing/checkpoint.safetensors");
  wk_module *unbuilt = wk_sequential(wk_relu_layer());
  wk_fit(unbuilt, t.optimizer, t.batches);
  assert_error_says(WK_ERROR_STATE, "wk_module_build");
  wk_module_free(unbuilt);
  assert_true(isnan(wk_accuracy(t.network, NULL)));
  assert_error(WK_ERROR_ARGUMENT);
  free_trainer(&t);
}

/* ---- predictions ---- */

static void test_predictions(void **state) {
  (void)state;
  WK_SCOPE;
  trainer t = make_trainer(600);
  wk_fit(t.network, t.optimizer, t.batches, .epochs = 3);
  int64_t label;
  wk_tensor *image = wk_dataset_get(t.test_set, 0, &label);
  wk_tensor *bytes =
      wk_cast(wk_add(wk_multiply(image, wk_full(WK_SCALAR, 255)), wk_full(WK_SCALAR, 0.5)), WK_U8);
  const char *path = temporary_path("digit.png");
  wk_png_save(bytes, path);
  wk_prediction p[12] = {{.struct_size = sizeof p[0]}};
  size_t found;
  assert_int_equal(wk_predict_image(t.network, path, p, 12, &found), WK_OK);
  assert_no_error();
  assert_int_equal(found, 10);
  double sum = 0;
  for (size_t i = 0; i < found; i++) {
    sum += p[i].probability;
    assert_true(i == 0 || p[i].probability <= p[i - 1].probability);
    assert_string_equal(p[i].class_name, wk_dataset_class_name(t.test_set, (size_t)p[i].label));
  }
  assert_true(fabs(sum - 1) < 1e-5);
  assert_int_equal(p[0].label, label);
  assert_true(wk_predict_image(t.network, temporary_path("no.png"), p, 1, &found) < 0);
  assert_error(WK_ERROR_NOT_FOUND);
  assert_int_equal(found, 0);
  free_trainer(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fit_learns),
      cmocka_unit_test(test_scores_do_not_depend_on_batches),
      cmocka_unit_test(test_evaluation_leaves_the_loader),
      cmocka_unit_test(test_a_loss_of_ones_own),
      cmocka_unit_test(test_resume_within_an_epoch),
      cmocka_unit_test(test_resume_at_the_end_of_an_epoch),
      cmocka_unit_test(test_a_finished_run_resumes_to_itself),
      cmocka_unit_test(test_fit_mistakes),
      cmocka_unit_test(test_predictions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
