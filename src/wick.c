/* SPDX-License-Identifier: Apache-2.0 */
/* What is plugged in: the one file that sees every room. Lower rooms declare these tables, and find
 * here what higher ones put into them. */
#include <wick/wick.h>

#include "autograd/anomaly.h"
#include "autograd/tape.h"
#include "backend/cpu/cpu.h"
#include "backend/cpu/kernels.h"
#include "backend/null/null.h"
#include "backend/onednn/onednn.h"
#include "backend/reference/reference.h"
#include "device/benchmark.h"
#include "device/device.h"
#include "ops/autocast.h"
#include "ops/kernel.h"

/* ---- devices; the first is the default ---- */

static wk_device cpu = {.name = "cpu",
                        .index = 0,
                        .host_memory = true,
                        .functions = &wk_host_device_functions,
                        .stream = {&cpu}};
static wk_device reference = {.name = "reference",
                              .index = 1,
                              .host_memory = true,
                              .functions = &wk_host_device_functions,
                              .stream = {&reference}};
static wk_device null = {.name = "null",
                         .index = 2,
                         .null = true,
                         .functions = &wk_null_device_functions,
                         .stream = {&null}};

wk_device *const wk_device_table[] = {&cpu, &reference, &null};
const int wk_device_table_count = sizeof wk_device_table / sizeof *wk_device_table;

/* ---- kernels, best first; the reference's are every host device's last resort; the null device
 * plans with the cpu's and runs none ---- */

static const wk_kernel_list cpu_lists[] = {
    {wk_onednn_kernels, &wk_onednn_kernel_count, WK_DETERMINISM_DEFAULT},
    {wk_cpu_kernels, &wk_cpu_kernel_count, WK_DETERMINISM_MACHINE},
    {wk_reference_kernels, &wk_reference_kernel_count, WK_DETERMINISM_MACHINE},
};
static const wk_kernel_list reference_lists[] = {
    {wk_reference_kernels, &wk_reference_kernel_count, WK_DETERMINISM_MACHINE},
};

const wk_backend wk_backend_table[] = {
    {&cpu, cpu_lists, sizeof cpu_lists / sizeof *cpu_lists},
    {&reference, reference_lists, sizeof reference_lists / sizeof *reference_lists},
    {&null, cpu_lists, sizeof cpu_lists / sizeof *cpu_lists},
};
const int wk_backend_table_count = sizeof wk_backend_table / sizeof *wk_backend_table;

/* ---- layers of dispatch, outermost first ---- */

const wk_dispatch_layer *const wk_default_layers[] = {&wk_autograd_layer, &wk_anomaly_layer, NULL};
const wk_dispatch_layer *const wk_autocast_layers[] = {&wk_autograd_layer, &wk_anomaly_layer,
                                                       &wk_autocast_layer, NULL};

/* ---- what `wick bench` compares kernels with ---- */

static double fma_peak(int dtype, int threads, double seconds) {
  const wk_cpu_peak peak = wk_cpu_peak_measure((wk_dtype)dtype, seconds);
  return threads == 1 ? peak.one_thread : peak.all_threads;
}

const wk_machine_benchmark wk_cpu_benchmark = {fma_peak, wk_cpu_isa_name, wk_onednn_describe};
