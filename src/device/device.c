/* SPDX-License-Identifier: Apache-2.0 */
#include "device/device.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

wk_device *wk_device_get_at(wk_place here, const char *name) {
  if (wk_failed()) return NULL;
  for (int i = 0; name && i < wk_device_table_count; i++)
    if (!strcmp(wk_device_table[i]->name, name)) return wk_device_table[i];
  if (name)
    wk_fail(WK_ERROR_NOT_FOUND, "there is no device \"%s\"", name);
  else
    wk_fail(WK_ERROR_ARGUMENT, "the device's name is NULL");
  char names[256] = "";
  size_t used = 0;
  for (int i = 0; i < wk_device_table_count; i++)
    used = wk_print_into(names, sizeof names, used, i ? ", %s" : "%s", wk_device_table[i]->name);
  wk_error_add_hint("the devices are: %s", names);
  wk_error_add_call("device_get", here);
  return NULL;
}

wk_device *wk_device_use(wk_device *device) {
  wk_device *const before = wk_device_or_default(NULL);
  wk_thread_here()->device = device;
  return before;
}

const char *wk_device_name(const wk_device *device) { return device ? device->name : ""; }

int wk_device_count(void) { return wk_device_table_count; }

const char *wk_device_name_at(int index) {
  return index >= 0 && index < wk_device_table_count ? wk_device_table[index]->name : NULL;
}

void wk_memory_statistics_get(const wk_device *device, wk_memory_statistics *result) {
  if (!result) return;
  wk_memory_statistics all = {.struct_size = result->struct_size};
  if (device) device->functions->statistics(device, &all);
  memcpy(result, &all, result->struct_size < sizeof all ? result->struct_size : sizeof all);
}

void wk_memory_peak_reset(wk_device *device) {
  if (device) device->functions->peak_reset(device);
}

void wk_memory_trim(wk_device *device) {
  if (device) device->functions->trim(device);
}
