/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <wick/autograd.h>
#include <wick/ops.h>
#include <wick/train.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "nn/module.h"

/* Whether the network's last layer makes probabilities of its scores already. */
static bool ends_in_softmax(const wk_module *module) {
  while (module->child_count > 0) module = module->children[module->child_count - 1].module;
  return strcmp(module->type_name, "softmax") == 0;
}

static wk_tensor *probabilities_of(wk_module *module, const char *path) {
  const bool training = wk_module_is_training(module);
  if (training) wk_module_set_training(module, false);
  wk_tensor *image = wk_model_input_load_image(wk_module_input(module), path);
  wk_tensor *output = image ? wk_forward(module, image) : NULL;
  if (training) wk_module_set_training(module, true);
  if (output && wk_tensor_rank(output) != 2) {
    wk_fail(WK_ERROR_SHAPE,
            "the network's output has %d dimensions, so it is no list of class "
            "scores",
            wk_tensor_rank(output));
    return NULL;
  }
  return output && !ends_in_softmax(module) ? wk_softmax(output) : output;
}

/* The place of the largest value not used so far; used ones are marked by a negative value. */
static size_t take_largest(double *values, size_t count, double *value) {
  size_t best = 0;
  for (size_t i = 1; i < count; i++)
    if (values[i] > values[best]) best = i;
  *value = values[best];
  values[best] = -1;
  return best;
}

static wk_status choose(const wk_module *module, wk_tensor *probabilities,
                        wk_prediction *predictions, size_t count, size_t *found) {
  const wk_tensor *wide = wk_cast(probabilities, WK_F64);
  const size_t classes = (size_t)wk_tensor_count(wide);
  double *values = wk_failed() ? NULL : wk_allocate_zeroed(classes + 1, sizeof *values);
  if (!values) return wk_error_status();
  const wk_status status = wk_tensor_read(wide, values, classes * sizeof *values);
  const size_t stride = predictions->struct_size;
  const size_t known = stride < sizeof(wk_prediction) ? stride : sizeof(wk_prediction);
  for (size_t i = 0; status == WK_OK && i < count && i < classes; i++) {
    wk_prediction one = {.struct_size = stride};
    const size_t label = take_largest(values, classes, &one.probability);
    one.label = (int64_t)label;
    one.class_name = wk_module_class_name(module, label);
    memcpy((char *)predictions + i * stride, &one, known);
    *found = i + 1;
  }
  wk_deallocate(values);
  return status;
}

static wk_status predict(wk_module *module, const char *path, wk_prediction *predictions,
                         size_t count, size_t *found) {
  if (!module || !path || !predictions || count == 0)
    return wk_fail(WK_ERROR_ARGUMENT, "a prediction needs a network, a path and room for a result");
  if (module->parent || module->state != WK_MODULE_BUILT)
    return wk_fail(WK_ERROR_STATE, "%s is no built network", module->label);
  WK_SCOPE;
  WK_NO_GRADIENT;
  wk_tensor *probabilities = probabilities_of(module, path);
  if (probabilities) choose(module, probabilities, predictions, count, found);
  return wk_error_status();
}

wk_status wk_predict_image_at(wk_place here, wk_module *module, const char *path,
                              wk_prediction *predictions, size_t count, size_t *found) {
  size_t unwanted;
  if (!found) found = &unwanted;
  *found = 0;
  if (wk_failed()) return wk_error_pending;
  const wk_status status = predict(module, path, predictions, count, found);
  wk_error_add_call("predict_image", here);
  return status;
}
