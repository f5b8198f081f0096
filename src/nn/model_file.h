/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_NN_MODEL_FILE_H
#define WICK_NN_MODEL_FILE_H

/* The parts of a model file, for checkpoints, which hold a model file's content and more. */

#include <wick/format.h>

#include "nn/module.h"

/* Adds the network's parameters and its description, the metadata "format" and "wick". */
wk_status wk_model_file_write(wk_safetensors_writer *writer, wk_module *module);

/* A network from an open file. Tensors whose names start with `other` (NULL: none) belong to
 * somebody else. */
wk_module *wk_model_file_read(const wk_safetensors *file, const char *other);

/* The tensor called `name`, in the innermost scope; an error naming it when it is not there or is
 * not exactly of this shape and dtype. */
wk_tensor *wk_model_file_tensor(const wk_safetensors *file, const char *name, wk_shape shape,
                                wk_dtype dtype);

/* Parses metadata, which may be anything; a new reference. NULL with an error pending. */
json_t *wk_model_file_metadata(const wk_safetensors *file, const char *key);

/* A struct of settings as a JSON object {name: value} and back, both checked. */
json_t *wk_settings_to_json(const wk_settings *settings, const void *values);
wk_status wk_settings_from_json(const wk_settings *settings, const char *what, const json_t *json,
                                void *values);

#define WK_CHECKPOINT_PREFIX "optimizer."

#endif
