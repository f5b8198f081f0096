/* SPDX-License-Identifier: Apache-2.0 */
#include <wick/train.h>

#include "base/error.h"
#include "data/dataset.h"
#include "nn/module.h"

wk_status wk_module_build(wk_module *module, const wk_dataset *dataset) {
  if (wk_failed()) return wk_error_pending;
  if (!dataset) return wk_fail(WK_ERROR_ARGUMENT, "there is no data set to build the network for");
  return wk_module_build_input(module, wk_dataset_input(dataset), NULL, NULL, NULL);
}
