/* Which instruction sets the CPU and the operating system can run. The baseline variant answers before another is
 * loaded. */
#pragma once
#if defined(__x86_64__)
static int cpu_has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
static int cpu_has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#else
static int cpu_has_avx512(void) { return 0; }
static int cpu_has_avx2(void) { return 0; }
#endif

#ifdef _OPENMP
  #include <omp.h>
  #define HAS_OPENMP 1
#else
  #define HAS_OPENMP 0
  static int omp_get_max_threads(void) { return 1; }
#endif
