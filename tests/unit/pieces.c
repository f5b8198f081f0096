/* SPDX-License-Identifier: Apache-2.0 */
/* Plans whose nodes run on some of the batch at a time: the bits of eager mode, in less memory. */
#include "support/unit.h"

#include <string.h>

#include <wick/wick.h>

#include "graph/function.h"
#include "graph/plan_text.h"
#include "support/temporary.h"

/* A gradient is cut where its sums are: by images, by rows, by lines of taps. */
typedef struct sizes {
  int64_t batch, height, width, channels, first, second;
  wk_dtype dtype;
  int images, words; /* percent of the memory in which each runs, if all of it can be cut */
} sizes;

static const sizes list[] = {
    {64, 16, 16, 1, 6, 16, WK_F32, 60,
     60}, /* thin, then narrow: whole batches of a step at a time */
    {48, 12, 20, 3, 16, 32, WK_F32, 60, 100},  /* narrow, then whole */
    {50, 10, 12, 16, 16, 8, WK_F32, 100, 100}, /* images that no power of two divides */
    {32, 16, 16, 2, 4, 6, WK_F64, 60, 80},     /* by products, whose terms are added in blocks */
    {31, 12, 12, 16, 16, 8, WK_F32, 100,
     100}, /* a prime: parts end where steps do, or not at all */
};
enum { COUNT = sizeof list / sizeof *list, MOST = 1 << 20 };

static wk_tensor *numbers(const sizes *s, wk_shape shape, uint64_t seed) {
  wk_tensor *x = wk_uniform(shape, -1, 1, .keyed = true, .seed = seed, .dtype = s->dtype);
  wk_tensor_set_requires_gradient(x, true);
  return x;
}

static wk_tensor *flat(wk_tensor *x) { return wk_reshape(x, WK_SHAPE(-1)); }

static wk_tensor *images(void *context, wk_tensors in) {
  const sizes *s = context;
  wk_tensor *w = numbers(s, WK_SHAPE(s->first, 3, 3, s->channels), 1);
  wk_tensor *b = numbers(s, WK_SHAPE(s->first), 2);
  wk_tensor *v = numbers(s, WK_SHAPE(s->second, 3, 3, s->first), 3);
  wk_tensor *y = wk_conv2d(in.item[0], w, .bias = b, .padding = {1, 1});
  y = wk_dropout(wk_max_pool2d(wk_relu(y), {2, 2}), 0.2);
  y = wk_max_pool2d(wk_relu(wk_conv2d(y, v, .padding = {1, 1})), {2, 2});
  y = wk_reshape(y, WK_SHAPE(s->batch, -1));
  wk_tensor *u = numbers(s, WK_SHAPE(7, wk_tensor_dim(y, 1)), 4), *gradients[4];
  wk_tensor *loss = wk_sum(wk_square(wk_linear(y, u)));
  wk_grad(gradients, loss, WK_TENSORS(w, b, v, u));
  for (int i = 0; i < 4; i++) gradients[i] = flat(gradients[i]);
  return wk_concatenate(((wk_tensors){4, gradients}), .axis = 0);
}

/* A layer of attention and one of products, over rows and heads. */
static wk_tensor *words(void *context, wk_tensors in) {
  const sizes *s = context;
  const int64_t length = s->height, width = s->second * 2;
  wk_tensor *x = wk_reshape(in.item[0], WK_SHAPE(s->batch, length, -1)), *heads[3], *made[5];
  const int64_t features = wk_tensor_dim(x, 2);
  for (int i = 0; i < 3; i++) {
    made[i] = numbers(s, WK_SHAPE(width, features), 10 + (uint64_t)i);
    heads[i] = wk_reshape(wk_linear(x, made[i]), WK_SHAPE(s->batch, length, 2, s->second));
    heads[i] = wk_permute(heads[i], WK_AXES(0, 2, 1, 3));
  }
  wk_tensor *y = wk_scaled_dot_product_attention(heads[0], heads[1], heads[2], .dropout = 0.1);
  y = wk_reshape(wk_permute(y, WK_AXES(0, 2, 1, 3)), WK_SHAPE(s->batch, length, width));
  made[3] = numbers(s, WK_SHAPE(4 * width, width), 14);
  made[4] = numbers(s, WK_SHAPE(width, 4 * width), 15);
  y = wk_linear(wk_relu(wk_linear(wk_layer_norm(y), made[3])), made[4]);
  wk_tensor *gradients[5], *loss = wk_sum(wk_square(y));
  wk_grad(gradients, loss, (wk_tensors){5, made});
  for (int i = 0; i < 5; i++) gradients[i] = flat(gradients[i]);
  return wk_concatenate(((wk_tensors){5, gradients}), .axis = 0);
}

static wk_tensor *input(const sizes *s) {
  wk_generator_set(wk_generator_default(), 3, 0);
  return wk_uniform(WK_SHAPE(s->batch, s->height, s->width, s->channels), -1, 1, .keyed = true,
                    .seed = 9, .dtype = s->dtype);
}

static char expected[MOST], found[MOST];

static size_t read(wk_tensor *x, char *to) {
  const size_t size = (size_t)wk_tensor_count(x) * wk_dtype_size(wk_tensor_dtype(x));
  assert_true(size <= MOST);
  wk_tensor_read(x, to, size);
  assert_no_error();
  return size;
}

/* Runs it in up to `pieces` pieces, four times as many with a budget, and compares; groups of steps
 * that were cut are counted, -1: it does not go into the budget. */
static int run(wk_function_body body, const sizes *s, int64_t pieces, size_t budget, size_t size,
               size_t *arena) {
  WK_SCOPE;
  wk_function *f = wk_compile(body, (void *)(uintptr_t)s);
  f->limits = (wk_plan_limits){.budget = budget, .pieces = pieces};
  wk_tensor *y = wk_call(f, WK_TENSORS(input(s)));
  int groups = -1;
  if (budget && wk_error_status() == WK_ERROR_MEMORY) {
    wk_error_clear();
  } else {
    assert_int_equal(read(y, found), size);
    assert_memory_equal(found, expected, size);
    groups = (int)f->last->plan.pieces.count;
    *arena = f->last->plan.arena_size;
    assert_true(!budget || *arena <= budget);
  }
  wk_function_free(f);
  return groups;
}

/* Down to `percent` of the memory at least, with more than is found without pieces. */
static void compare(wk_function_body body, const sizes *s, int percent) {
  WK_SCOPE;
  const size_t size = read(body((void *)(uintptr_t)s, WK_TENSORS(input(s))), expected);
  size_t whole, arena;
  assert_int_equal(run(body, s, 0, 0, size, &whole), 0);
  int groups = 0;
  for (int64_t pieces = 1; pieces <= 16; pieces *= 4) {
    int lowest = 100;
    if (run(body, s, pieces, 0, size, &arena) > 0) assert_true(arena < whole);
    for (int tried = 90; tried > 10; tried -= 10) {
      const int cut = run(body, s, pieces, whole / 100 * (size_t)tried, size, &arena);
      if (cut < 0) break;
      lowest = tried, groups = cut > groups ? cut : groups;
    }
    if (lowest > percent) print_error("%d images: %d%%\n", (int)s->batch, lowest);
    assert_true(lowest <= percent);
  }
  assert_true(groups > 0 || percent == 100);
}

static void images_by_pieces(void **state) {
  (void)state;
  const int threads = wk_thread_count();
  for (int count = 1; count <= 2; count++) {
    wk_set_thread_count(count);
    for (int i = 0; i < COUNT; i++) compare(images, &list[i], list[i].images);
  }
  wk_set_thread_count(threads);
}

static void words_by_pieces(void **state) {
  (void)state;
  for (int i = 0; i < COUNT; i++) compare(words, &list[i], list[i].words);
}

/* Normalisation and pooling of other kinds, whose kernels go by images. */
static wk_tensor *others(void *context, wk_tensors in) {
  const sizes *s = context;
  wk_tensor *w = numbers(s, WK_SHAPE(16, 3, 3, s->channels), 1), *gradient = NULL;
  wk_tensor *y = wk_group_norm(wk_conv2d(in.item[0], w, .padding = {1, 1}), 4);
  y = wk_average_pool2d(wk_sigmoid(wk_multiply(y, wk_exp(y))), {3, 3}, .stride = {2, 2});
  y = wk_instance_norm(wk_max_pool2d(y, {2, 2}, .stride = {1, 1}, .padding = {1, 1}));
  wk_grad(&gradient, wk_sum(wk_square(wk_mean(y, .axes = WK_AXES(1, 2)))), WK_TENSORS(w));
  return gradient;
}

static void others_by_pieces(void **state) {
  (void)state;
  for (int i = 0; i < COUNT; i++) compare(others, &list[i], 100);
}

/* A step that cannot be cut between two that can parts them. */
static wk_tensor *parted(void *context, wk_tensors in) {
  wk_tensor *y = wk_relu(wk_multiply(in.item[0], in.item[0]));
  (void)context;
  y = wk_cumulative_sum(wk_exp(y), 0);
  return wk_sum(wk_exp(wk_add(wk_tanh(y), wk_tanh(wk_negative(y)))), .axes = WK_AXES(1, 2, 3));
}

static void what_cannot_be_cut_stays_whole(void **state) {
  (void)state;
  compare(parted, &list[0], 100);
}

/* ---- the order of steps ---- */

/* Values that are made long before they are read, and could come right then. */
static wk_tensor *wide(void *context, wk_tensors in) {
  wk_tensor *all[16], *sum = in.item[0];
  (void)context;
  for (int i = 0; i < 16; i++)
    all[i] = wk_cumulative_sum(wk_dropout(wk_multiply(in.item[0], wk_scalar(i)), 0.1), 1);
  for (int i = 0; i < 16; i++) sum = wk_add(sum, all[i]);
  wk_assign(in.item[1], wk_add(in.item[1], wk_sum(sum)));
  sum = wk_multiply(sum, wk_exp(wk_divide(sum, in.item[1])));
  wk_assign(in.item[1], wk_sum(sum));
  return wk_add(sum, in.item[1]);
}

static void steps_come_in_an_order_that_takes_less(void **state) {
  (void)state;
  WK_SCOPE;
  size_t arena[3];
  for (int way = 0; way < 3; way++) {
    wk_generator_set(wk_generator_default(), 3, 0);
    wk_tensor *in[] = {wk_uniform(WK_SHAPE(64, 100), .keyed = true), wk_full(WK_SHAPE(1), 7)};
    wk_function *f = way ? wk_compile(wide, NULL) : NULL;
    if (f) f->limits = (wk_plan_limits){.pieces = way - 1};
    wk_tensor *y = f ? wk_call(f, (wk_tensors){2, in}) : wide(NULL, (wk_tensors){2, in});
    const size_t size = read(y, way ? found : expected);
    read(in[1], (way ? found : expected) + size);
    if (f) assert_memory_equal(found, expected, size + sizeof(float));
    if (f) arena[way] = f->last->plan.arena_size;
    wk_function_free(f);
  }
  assert_true(arena[2] < arena[1] / 2);
}

/* ---- plans in files ---- */

static wk_tensor *predict(void *context, wk_tensors in) {
  WK_NO_GRADIENT;
  return wk_forward(context, in.item[0]);
}

static void pieces_are_saved_with_the_plan(void **state) {
  (void)state;
  WK_SCOPE;
  const char *path = temporary_path("pieces.safetensors");
  wk_module *network = wk_sequential(wk_conv2d_layer(8, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                                     wk_flatten_layer(), wk_linear_layer(5));
  wk_module_build_for(network, WK_SHAPE(18, 18, 2), WK_F32, NULL);
  wk_tensor *in[] = {wk_uniform(WK_SHAPE(128, 18, 18, 2), .keyed = true)};
  wk_function *f = wk_compile(predict, network);
  const size_t size = read(wk_call(f, (wk_tensors){1, in}), expected);
  assert_int_equal(f->last->plan.pieces.count, 1);
  const size_t arena = f->last->plan.arena_size;
  wk_plan_save(f, path, (wk_tensors){0});
  wk_function_free(f);
  wk_module_free(network);
  f = wk_plan_load(path, (wk_tensors){0});
  assert_int_equal(read(wk_call(f, (wk_tensors){1, in}), found), size);
  assert_memory_equal(found, expected, size);
  assert_int_equal(f->last->plan.pieces.count, 1);
  assert_int_equal(f->last->plan.arena_size, arena);
  wk_function_free(f);
}

static void pieces_that_do_not_fit_the_places_are_refused(void **state) {
  (void)state;
  WK_SCOPE;
  wk_module *network = wk_sequential(wk_conv2d_layer(8, 3), wk_relu_layer(), wk_max_pool2d_layer(2),
                                     wk_flatten_layer(), wk_linear_layer(5));
  wk_module_build_for(network, WK_SHAPE(18, 18, 2), WK_F32, NULL);
  wk_tensor *in[] = {wk_uniform(WK_SHAPE(128, 18, 18, 2), .keyed = true)};
  wk_function *f = wk_compile(predict, network);
  wk_call(f, (wk_tensors){1, in});
  assert_no_error();
  wk_text text = {0};
  wk_plan_to_text(&f->last->plan, 1, &in[0]->layout, &text);
  assert_no_error();
  char *line = strstr(text.data, "pieces 4 8 0");
  assert_non_null(line);
  const char *wrong[] = {"pieces 2 8 0", "pieces 4 0 0", "pieces 0 8 0",
                         "pieces 4 x 0", "pieces 9 1 0", "pieces 4 8 1"};
  for (int i = 0; i < 6; i++) {
    wk_plan plan;
    size_t count;
    wk_layout *inputs;
    memcpy(line, wrong[i], strlen(wrong[i]));
    assert_true(wk_plan_from_text(&plan, text.data, &count, &inputs) < 0);
    assert_error(WK_ERROR_FORMAT);
  }
  wk_text_free(&text);
  wk_function_free(f);
  wk_module_free(network);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(images_by_pieces),
      cmocka_unit_test(words_by_pieces),
      cmocka_unit_test(others_by_pieces),
      cmocka_unit_test(what_cannot_be_cut_stays_whole),
      cmocka_unit_test(steps_come_in_an_order_that_takes_less),
      cmocka_unit_test(pieces_are_saved_with_the_plan),
      cmocka_unit_test(pieces_that_do_not_fit_the_places_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
