/* Runs commands and measures them. Each line of standard input is one command, its arguments separated by
 * tabs; the answer is a line "NANOSECONDS STATUS PEAK_RSS_KB MINOR_FAULTS". The program is small and starts its
 * children without copying its own memory, so that what it measures is the command and not the one who asks.
 * Usage: spawn [CPU]; with CPU, it and all that it starts stay on that processor. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static void stop(const char* what) {
  perror(what);
  exit(1);
}

static void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) stop("sched_setaffinity");
}

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* The standard streams of the command are /dev/null: a detached container may hold them for as long as it lives. */
static void run(char** command, posix_spawn_file_actions_t* actions) {
  pid_t pid = 0;
  int status = 0;
  struct rusage usage = {0};
  const long long begin = now();
  const int error = posix_spawn(&pid, command[0], actions, NULL, command, environ);
  if (error != 0) {
    fprintf(stderr, "%s: %s\n", command[0], strerror(error));
    exit(1);
  }
  if (wait4(pid, &status, 0, &usage) < 0) stop("wait4");
  const long long taken = now() - begin;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  printf("%lld %d %ld %ld\n", taken, code, usage.ru_maxrss, usage.ru_minflt);
  fflush(stdout);
}

int main(int argc, char** argv) {
  static char line[65536];
  char* command[256];
  if (argc > 1) pin(atoi(argv[1]));
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) stop("/dev/null");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd = 0; fd < 3; ++fd) posix_spawn_file_actions_adddup2(&actions, null, fd);
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = 0;
    size_t count = 0;
    for (char* word = strtok(line, "\t"); word != NULL && count < 255; word = strtok(NULL, "\t")) command[count++] = word;
    command[count] = NULL;
    if (count > 0) run(command, &actions);
  }
  return 0;
}
