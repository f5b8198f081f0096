/* SPDX-License-Identifier: Apache-2.0 */
#include "data/dataset.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/shuffle.h"
#include "data/source.h"
#include "tensor/attribute.h"
#include "tensor/tensor.h"

/* ---- making ---- */

/* Fills in what the functions say, except names. */
static wk_status describe(wk_dataset *dataset) {
  const wk_dataset_functions *functions = &dataset->functions;
  wk_layout layout;
  if (!functions->get || functions->count < 0)
    return wk_fail(WK_ERROR_ARGUMENT, "a data set needs a get function and a count of 0 or more");
  if (functions->shape.rank >= WK_MAX_RANK)
    return wk_fail(WK_ERROR_SHAPE, "examples of %d dimensions; a batch has room for %d",
                   functions->shape.rank, WK_MAX_RANK - 1);
  wk_dtype dtype = functions->dtype == WK_DTYPE_DEFAULT ? WK_F32 : functions->dtype;
  if (wk_dtype_size(dtype) == 0)
    return wk_fail(WK_ERROR_DTYPE, "a data set's dtype is %d, which is none", (int)dtype);
  if (!wk_layout_contiguous(&layout, dtype, &functions->shape)) return wk_error_status();
  dataset->count = functions->count;
  dataset->example_size = (size_t)wk_layout_count(&layout) * wk_dtype_size(dtype);
  dataset->input.dtype = dtype;
  dataset->input.shape = functions->shape;
  dataset->input.scale = 1;
  for (int i = 0; i < 4; i++) dataset->input.deviation[i] = 1;
  return WK_OK;
}

static wk_status copy_names(wk_dataset *dataset) {
  const wk_dataset_functions *functions = &dataset->functions;
  wk_model_input *input = &dataset->input;
  if (functions->class_count == 0) return WK_OK;
  input->class_names = wk_allocate_zeroed(functions->class_count, sizeof(char *));
  if (!input->class_names) return wk_error_status();
  input->class_count = functions->class_count;
  for (size_t i = 0; i < functions->class_count; i++) {
    char number[32];
    wk_print_into(number, sizeof(number), 0, "%zu", i);
    const char *name = functions->class_names ? functions->class_names[i] : number;
    input->class_names[i] = wk_duplicate_string(name);
    if (!input->class_names[i]) return wk_error_status();
  }
  return WK_OK;
}

static wk_dataset *create(const wk_dataset_functions *functions, void *context) {
  wk_dataset *dataset = wk_allocate_zeroed(1, sizeof(*dataset));
  if (!dataset) return NULL;
  wk_object_mutex_create(&dataset->lock);
  dataset->functions = *functions;
  dataset->functions.destroy = NULL; /* not ours to call before all is well */
  if (describe(dataset) < 0 || copy_names(dataset) < 0) {
    wk_dataset_free(dataset);
    return NULL;
  }
  dataset->functions.destroy = functions->destroy;
  dataset->functions.class_names = NULL;
  dataset->context = context;
  return dataset;
}

wk_dataset *wk_dataset_create_at(wk_place here, const wk_dataset_functions *functions,
                                 void *context) {
  const bool failed_before = wk_failed();
  wk_dataset_functions known;
  wk_dataset *dataset = NULL;
  const wk_status status =
      wk_settings_copy("dataset_create", functions, offsetof(wk_dataset_functions, class_count),
                       sizeof(known), &known);
  if (!failed_before && status == WK_OK) dataset = create(&known, context);
  if (dataset) return dataset;
  if (known.destroy) known.destroy(context);
  if (!failed_before) wk_error_add_call("dataset_create", here);
  return NULL;
}

void wk_dataset_free(wk_dataset *dataset) {
  if (!dataset) return;
  if (dataset->functions.destroy) dataset->functions.destroy(dataset->context);
  wk_model_input_clear(&dataset->input);
  wk_object_mutex_destroy(&dataset->lock);
  wk_deallocate(dataset->sources);
  wk_deallocate(dataset);
}

/* ---- sets of images ---- */

typedef struct image_source {
  wk_images images;
  const wk_model_input *input;
} image_source;

static wk_status get_image(void *context, int64_t index, void *input, int64_t *label) {
  const image_source *source = context;
  const wk_images *images = &source->images;
  wk_model_input_apply(source->input, images->bytes + index * wk_images_pixel_count(images),
                       images->height * images->width, input);
  *label = images->labels[index];
  return WK_OK;
}

static void destroy_images(void *context) {
  image_source *source = context;
  wk_images_clear(&source->images);
  wk_deallocate(source);
}

wk_dataset *wk_dataset_from_images(wk_images *images) {
  image_source *source = wk_allocate_zeroed(1, sizeof(*source));
  if (!source) {
    wk_images_clear(images);
    return NULL;
  }
  source->images = *images;
  memset(images, 0, sizeof(*images));
  const wk_images *own = &source->images;
  wk_dataset *dataset = wk_dataset_create(
      &(wk_dataset_functions){.struct_size = sizeof(wk_dataset_functions),
                              .get = get_image,
                              .destroy = destroy_images,
                              .count = own->count,
                              .shape = {3, {own->height, own->width, own->channels}},
                              .dtype = WK_F32,
                              .class_count = own->class_count,
                              .class_names = (const char *const *)own->class_names},
      source);
  if (!dataset) return NULL;
  dataset->input.scale = 1.0 / 255;
  source->input = &dataset->input;
  dataset->sources = source->images.sources.data; /* handed on */
  source->images.sources = (wk_text){0};
  return dataset;
}

/* ---- opening by name ---- */

typedef wk_status reader(const wk_dataset_arguments *arguments, wk_images *images);

static const struct {
  const char *name;
  reader *read;
} named_sets[] = {
    {"fashion-mnist", wk_images_read_idx},
    {"mnist", wk_images_read_idx},
    {"glyphs", wk_images_make_glyphs},
};

static wk_status check(const wk_dataset_arguments *a) {
  if (!a->name || a->name[0] == '\0')
    return wk_fail(WK_ERROR_ARGUMENT, "a data set needs a name or a folder");
  if (a->height < 0 || a->height > 65535 || a->width < 0 || a->width > 65535)
    return wk_fail(WK_ERROR_ARGUMENT, "height %lld and width %lld must be from 0 to 65535",
                   (long long)a->height, (long long)a->width);
  if (a->channels != 0 && a->channels != 1 && a->channels != 3)
    return wk_fail(WK_ERROR_ARGUMENT,
                   "channels is %lld, but must be 1 or 3, or 0 for the files' own",
                   (long long)a->channels);
  if (!(a->test_fraction >= 0 && a->test_fraction < 1))
    return wk_fail(WK_ERROR_ARGUMENT, "test_fraction is %g, but must be from 0 to below 1",
                   a->test_fraction);
  if (a->count < 0)
    return wk_fail(WK_ERROR_ARGUMENT, "count is %lld, but must not be negative",
                   (long long)a->count);
  return WK_OK;
}

static reader *find_reader(const char *name) {
  for (size_t i = 0; i < sizeof(named_sets) / sizeof(named_sets[0]); i++)
    if (strcmp(named_sets[i].name, name) == 0) return named_sets[i].read;
  if (wk_folder_exists(name)) return wk_images_read_folder;
  wk_text known = {0};
  for (size_t i = 0; i < sizeof(named_sets) / sizeof(named_sets[0]); i++)
    wk_text_append(&known, "%s%s", i > 0 ? ", " : "", named_sets[i].name);
  wk_fail(WK_ERROR_NOT_FOUND, "'%s' is neither a known data set nor a folder", name);
  wk_error_add_hint("known are %s; a folder holds one folder of PNG files for each class",
                    known.data ? known.data : "");
  wk_text_free(&known);
  return NULL;
}

/* Gives every image another one's label. */
static wk_status shuffle_labels(wk_images *images, uint64_t seed) {
  int64_t *order = wk_allocate_zeroed((size_t)images->count, sizeof(*order));
  if (!order) return wk_error_status();
  wk_permutation(seed, WK_STREAM_LABELS, images->count, order);
  for (int64_t i = 0; i < images->count; i++) order[i] = images->labels[order[i]];
  memcpy(images->labels, order, (size_t)images->count * sizeof(*order));
  wk_deallocate(order);
  return WK_OK;
}

static wk_dataset *open_checked(const wk_dataset_arguments *arguments) {
  reader *read = find_reader(arguments->name);
  wk_images images = {0};
  if (!read || read(arguments, &images) < 0) return NULL;
  wk_status status =
      wk_images_fit(&images, arguments->height, arguments->width, arguments->channels);
  if (status == WK_OK && arguments->shuffle_labels)
    status = shuffle_labels(&images, arguments->seed);
  if (status == WK_OK) return wk_dataset_from_images(&images);
  wk_images_clear(&images);
  return NULL;
}

wk_dataset *wk_dataset_open_at(wk_place here, const wk_dataset_arguments *arguments) {
  if (wk_failed()) return NULL;
  wk_dataset_arguments known;
  wk_dataset *dataset = NULL;
  if (wk_settings_copy("dataset_open", arguments, offsetof(wk_dataset_arguments, test),
                       sizeof(known), &known) == WK_OK &&
      check(&known) == WK_OK)
    dataset = open_checked(&known);
  wk_error_add_call("dataset_open", here);
  return dataset;
}

/* ---- asking ---- */

int64_t wk_dataset_count(const wk_dataset *dataset) { return dataset ? dataset->count : 0; }

wk_shape wk_dataset_shape(const wk_dataset *dataset) {
  return dataset ? dataset->input.shape : WK_SCALAR;
}

wk_dtype wk_dataset_dtype(const wk_dataset *dataset) {
  return dataset ? dataset->input.dtype : WK_DTYPE_DEFAULT;
}

size_t wk_dataset_class_count(const wk_dataset *dataset) {
  return dataset ? dataset->input.class_count : 0;
}

const char *wk_dataset_class_name(const wk_dataset *dataset, size_t index) {
  return index < wk_dataset_class_count(dataset) ? dataset->input.class_names[index] : NULL;
}

size_t wk_dataset_sources(const wk_dataset *dataset, char *buffer, size_t size) {
  return wk_print_into(buffer, size, 0, "%s", dataset && dataset->sources ? dataset->sources : "");
}

const wk_model_input *wk_dataset_input(const wk_dataset *dataset) { return &dataset->input; }

/* ---- examples ---- */

static wk_status check_example(const wk_dataset *dataset, int64_t index, wk_status status,
                               int64_t label) {
  if (wk_failed()) return wk_error_status();
  if (status != WK_OK)
    return wk_fail(WK_ERROR_CALLBACK,
                   "the data set's get returned %d for example %lld without saying why",
                   (int)status, (long long)index);
  const size_t classes = dataset->input.class_count;
  if (classes > 0 && (label < 0 || (uint64_t)label >= classes)) {
    wk_fail(WK_ERROR_INDEX, "the label of example %lld is %lld, but there are %zu classes",
            (long long)index, (long long)label, classes);
    wk_error_add_hint("labels are class numbers from 0 to %zu", classes - 1);
    return WK_ERROR_INDEX;
  }
  return WK_OK;
}

wk_status wk_dataset_fill(wk_dataset *dataset, int64_t index, void *input, int64_t *label) {
  *label = 0;
  pthread_mutex_lock(&dataset->lock.mutex);
  const wk_status status = dataset->functions.get(dataset->context, index, input, label);
  pthread_mutex_unlock(&dataset->lock.mutex);
  return check_example(dataset, index, status, *label);
}

static wk_tensor *get(wk_dataset *dataset, int64_t index, int64_t *label) {
  int64_t found = 0;
  if (!dataset || index < 0 || index >= dataset->count) {
    wk_fail(dataset ? WK_ERROR_INDEX : WK_ERROR_ARGUMENT,
            "wk_dataset_get: example %lld of a data set of %lld", (long long)index,
            (long long)wk_dataset_count(dataset));
    return NULL;
  }
  /* One byte more: examples may be empty. */
  void *input = wk_allocate(dataset->example_size + 1);
  wk_tensor *tensor = NULL;
  if (input && wk_dataset_fill(dataset, index, input, &found) == WK_OK)
    tensor = wk_tensor_from_data(dataset->input.shape, dataset->input.dtype, input, NULL);
  wk_deallocate(input);
  if (tensor && label) *label = found;
  return tensor;
}

wk_tensor *wk_dataset_get_at(wk_place here, wk_dataset *dataset, int64_t index, int64_t *label) {
  if (label) *label = 0;
  if (wk_failed()) return NULL;
  wk_tensor *input = get(dataset, index, label);
  wk_error_add_call("dataset_get", here);
  return input;
}
