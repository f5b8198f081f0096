/* SPDX-License-Identifier: Apache-2.0 */
#include <wick/train.h>

#include "base/error.h"
#include "data/dataset.h"
#include "nn/module.h"

wk_status wk_module_build_at(wk_place here, wk_module *module, const wk_dataset *dataset) {
  if (wk_failed()) return wk_error_pending;
  const wk_status status =
      dataset ? wk_module_build_input(module, wk_dataset_input(dataset), NULL, NULL, NULL)
              : wk_fail(WK_ERROR_ARGUMENT, "there is no data set to build the network for");
  wk_error_add_call("module_build", here);
  return status;
}
