/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/label.h"

#include <string.h>

#include "base/error.h"

wk_status wk_labels_check(const wk_operand *labels, int64_t classes) {
  const int64_t stride = labels->layout.strides[0] * (int64_t)sizeof(int64_t);
  for (int64_t i = 0; i < labels->layout.dims[0]; i++) {
    int64_t label;
    memcpy(&label, labels->data + i * stride, sizeof label);
    if (label >= 0 && label < classes) continue;
    wk_fail(WK_ERROR_INDEX, "label %lld at position %lld is not one of 0 .. %lld", (long long)label,
            (long long)i, (long long)classes - 1);
    wk_error_add_hint("labels are class numbers counted from 0, and the logits have %lld columns",
                      (long long)classes);
    return WK_ERROR_INDEX;
  }
  return WK_OK;
}
