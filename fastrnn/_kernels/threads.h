/* Threads that help with a call, and then stay and wait for the next call.
 *
 * Why not OpenMP: its parallel regions end only when every thread has arrived. If the system has not woken a thread
 * yet, or makes it wait behind another program, a call of 0.3 milliseconds stalls for 4 or 12. Here a thread that comes
 * late finds the gate closed and the work done:
 *
 *  1. A caller opens the gate, which is a number of free places, works itself, and closes the gate again. A thread
 *     enters by taking a place. Both change the same number, so the caller knows how many threads have entered, and
 *     waits only for those.
 *  2. Counters hand out the work piece by piece. Nobody waits for a thread, only for work that a thread has begun.
 *  3. After a call the threads watch the gate for a while, because in training the next call comes soon. Then they
 *     sleep.
 *  4. Calls at the same time each have their own team.
 */
#pragma once
#include <stdint.h>

typedef void (*work_t)(void *data, int thread);

#if defined(__x86_64__)
  #define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
  #define PAUSE() __asm__ volatile("yield")
#else
  #define PAUSE() ((void) 0)
#endif

/* ---- handing out work ------------------------------------------------------------------------------------------- */

#if defined(_WIN32)
  #define WIN32_LEAN_AND_MEAN
  #include <windows.h>
  #define GIVE_WAY() SwitchToThread()
  #ifdef _OPENMP
    #include <omp.h>
  #endif
#else
  #include <sched.h>
  #define GIVE_WAY() sched_yield()
#endif
#define SPINS 256 /* some 5 microseconds; after that the other thread may be waiting for this very CPU */

/* Return the next number; no other thread gets the same one. */
static inline int take_number(int *next) { return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED); }

/* Return a share that no thread has begun, or -1. A thread tries its own share first: its data are in its cache. */
static inline int take_share(int *begun, int shares, int thread) {
  for (int i = 0; i < shares; i++) {
    int share = (thread + i) % shares;
    if (!__atomic_exchange_n(&begun[share], 1, __ATOMIC_RELAXED)) return share;
  }
  return -1;
}

/* After this, threads that wait for the count may read what this thread has written. */
static inline void count_up(int *count) { __atomic_fetch_add(count, 1, __ATOMIC_RELEASE); }

static inline void wait_until(const int *count, int expected) {
  for (int spins = 0; __atomic_load_n(count, __ATOMIC_ACQUIRE) < expected; spins++) {
    if (spins < SPINS) PAUSE(); else GIVE_WAY();
  }
}

/* ---- the teams -------------------------------------------------------------------------------------------------- */

#if defined(_WIN32)
static void run_on_threads(int threads, work_t work, void *data) {
  #ifdef _OPENMP
    #pragma omp parallel num_threads(threads)
    work(data, omp_get_thread_num());
  #else
    work(data, 0);
  #endif
}
#else
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { TEAMS = 16 };
#define PATIENCE 2000000 /* nanoseconds, an optimizer step: so long a thread waits for the next call before it sleeps */

typedef struct {
  int busy;              /* has a caller taken this team? */
  int started, sleeping; /* threads */
  int left;              /* number of threads that entered and have finished */
  uint64_t gate;         /* high half: number of the call; low half: its free places */
  work_t work;
  void *data;
  int threads;
  pthread_mutex_t lock;
  pthread_cond_t wake;
} team_t;
static team_t teams[TEAMS] = {[0 ... TEAMS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER}};

static inline int is_open(team_t *team) { return (uint32_t)__atomic_load_n(&team->gate, __ATOMIC_SEQ_CST) != 0; }

static int64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

static void wait_for_gate(team_t *team) {
  int64_t end = nanoseconds() + PATIENCE;
  for (; nanoseconds() < end; GIVE_WAY())
    for (int spins = 0; spins < SPINS; spins++) {
      if (is_open(team)) return;
      PAUSE();
    }
  pthread_mutex_lock(&team->lock);
  __atomic_fetch_add(&team->sleeping, 1, __ATOMIC_SEQ_CST);
  while (!is_open(team)) pthread_cond_wait(&team->wake, &team->lock);
  __atomic_fetch_sub(&team->sleeping, 1, __ATOMIC_SEQ_CST);
  pthread_mutex_unlock(&team->lock);
}

static void *help(void *argument) {
  team_t *team = argument;
  for (;;) {
    wait_for_gate(team);
    uint64_t gate = __atomic_load_n(&team->gate, __ATOMIC_ACQUIRE);
    if ((uint32_t)gate == 0 ||
        !__atomic_compare_exchange_n(&team->gate, &gate, gate - 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      continue;
    team->work(team->data, team->threads - (int)(uint32_t)gate);
    count_up(&team->left);
  }
  return NULL;
}

/* Start helpers, as many as the system allows. They block all signals except for faults of their own. */
static void start_helpers(team_t *team, int wanted) {
  const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  sigset_t all, before;
  pthread_attr_t detached;
  pthread_t thread;
  if (team->started >= wanted) return;
  sigfillset(&all);
  for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&all, faults[i]);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  while (team->started < wanted && pthread_create(&thread, &detached, help, team) == 0) team->started++;
  pthread_attr_destroy(&detached);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Do `work` on this thread, which is number 0, and on as many others as arrive in time. */
static void run_on_threads(int threads, work_t work, void *data) {
  team_t *team = NULL;
  for (int i = 0; i < TEAMS && threads > 1 && !team; i++)
    if (!__atomic_exchange_n(&teams[i].busy, 1, __ATOMIC_ACQUIRE)) team = &teams[i];
  if (!team) {
    work(data, 0);
    return;
  }
  start_helpers(team, threads - 1);
  team->work = work; team->data = data; team->threads = threads; team->left = 0;
  uint64_t call = (__atomic_load_n(&team->gate, __ATOMIC_RELAXED) >> 32) + 1, places = threads - 1;
  __atomic_store_n(&team->gate, call << 32 | places, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&team->sleeping, __ATOMIC_SEQ_CST)) {
    pthread_mutex_lock(&team->lock);
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->lock);
  }
  work(data, 0);
  uint64_t closed = __atomic_exchange_n(&team->gate, call << 32, __ATOMIC_ACQUIRE);
  wait_until(&team->left, (int)(places - (uint32_t)closed));
  __atomic_store_n(&team->busy, 0, __ATOMIC_RELEASE);
}
#endif
