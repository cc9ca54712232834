/* What this CPU, and its operating system, can run, asked of the baseline variant before another one is loaded; and what
 * threads say to one another. */
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
  static int omp_get_num_threads(void) { return 1; }
  static int omp_get_thread_num(void) { return 0; }
#endif

/* How the threads of a parallel region share work: none waits for another one as such, only for work that has been
 * begun. One that the system has not woken yet, or keeps waiting behind another program, leaves its work to the rest. */

#if defined(_WIN32)
  #define WIN32_LEAN_AND_MEAN
  #include <windows.h>
  #define GIVE_WAY() SwitchToThread()
#else
  #include <sched.h>
  #define GIVE_WAY() sched_yield()
#endif
#if defined(__x86_64__)
  #define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
  #define PAUSE() __asm__ volatile("yield")
#else
  #define PAUSE() ((void) 0)
#endif
#define SPINS 256 /* some 5 microseconds; afterwards the thread waited for may be queueing for this very CPU */

/* the next number, for one thread alone */
static inline int take_number(int *next) { return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED); }

/* a number that nobody has begun, the thread's own first, whose data are in its cache; -1 if there is none */
static inline int take_share(int *begun, int shares, int thread) {
  for (int i = 0; i < shares; i++) {
    int share = (thread + i) % shares;
    if (!__atomic_exchange_n(&begun[share], 1, __ATOMIC_RELAXED)) return share;
  }
  return -1;
}

/* what this thread has written may be read by those who wait for the count */
static inline void count_up(int *count) { __atomic_fetch_add(count, 1, __ATOMIC_RELEASE); }

static inline void wait_until(const int *count, int expected) {
  for (int spins = 0; __atomic_load_n(count, __ATOMIC_ACQUIRE) < expected; spins++) {
    if (spins < SPINS) PAUSE(); else GIVE_WAY();
  }
}

/* before a region ends: its own barrier would keep the CPU from those who have not come yet */
static inline void wait_for_all(int *here, int threads) {
  count_up(here);
  wait_until(here, threads);
}
