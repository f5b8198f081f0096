/* SPDX-License-Identifier: Apache-2.0 */

/* Preloaded for the "tuned" peer: MKL asks these whether the processor is Intel's, and elsewhere
 * takes AVX2 kernels even where there is AVX-512. For comparisons only. */
int mkl_serv_intel_cpu_true(void);
int mkl_serv_intel_cpu(void);

int mkl_serv_intel_cpu_true(void) { return 1; }
int mkl_serv_intel_cpu(void) { return 1; }
