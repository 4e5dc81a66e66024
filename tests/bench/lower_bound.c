/* What the kernel itself costs for a container: the namespaces, cgroups, device rules, mounts, pivot_root, devices
 * and links, capabilities and execve of `corten spec`'s bundle, with all data known beforehand, no state on disk and
 * no checks that a real runtime owes.
 * Usage: lower_bound ROOTFS NAME PROGRAM [ARGUMENT...] */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static const char* const kHierarchies[] = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"};
enum { kCount = sizeof kHierarchies / sizeof *kHierarchies };

static void die(const char* what) {
  perror(what);
  _exit(125);
}

static void must(int result, const char* what) {
  if (result < 0) die(what);
}

static void put(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) die(path);
  close(fd);
}

static void copy_setting(const char* name, const char* file) {
  char path[512], value[256];
  snprintf(path, sizeof path, "/sys/fs/cgroup/cpuset/%s", file);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t length = read(fd, value, sizeof value - 1);
  close(fd);
  if (length <= 0) return;
  value[length] = 0;
  snprintf(path, sizeof path, "/sys/fs/cgroup/cpuset/%s/%s", name, file);
  put(path, value);
}

static void enter_cgroups(const char* name) {
  char path[512];
  for (int i = 0; i < kCount; ++i) {
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", kHierarchies[i], name);
    if (mkdir(path, 0755) != 0) continue;
    if (strcmp(kHierarchies[i], "cpuset") == 0) {
      copy_setting(name, "cpuset.cpus");
      copy_setting(name, "cpuset.mems");
    }
    strcat(path, "/tasks");
    put(path, "0");
  }
}

/* Everything denied but the default devices: one write a rule, as the kernel wants it. */
static void limit_devices(const char* name) {
  static const char* const kRules[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm"};
  char path[512];
  snprintf(path, sizeof path, "/sys/fs/cgroup/devices/%s/devices.deny", name);
  put(path, "a");
  snprintf(path, sizeof path, "/sys/fs/cgroup/devices/%s/devices.allow", name);
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  must(fd, path);
  for (size_t i = 0; i < sizeof kRules / sizeof *kRules; ++i) must((int)write(fd, kRules[i], strlen(kRules[i])), kRules[i]);
  close(fd);
}

static void leave_cgroups(const char* name) {
  char path[512];
  for (int i = 0; i < kCount; ++i) {
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", kHierarchies[i], name);
    for (int tries = 0; rmdir(path) != 0 && errno == EBUSY && tries < 1000; ++tries) usleep(100);
  }
}

static void mount_at(const char* root, const char* source, const char* path, const char* type, unsigned long flags, const char* data) {
  char target[512];
  snprintf(target, sizeof target, "%s%s", root, path);
  if (mkdir(target, 0755) != 0 && errno != EEXIST) die(target);
  must(mount(source, target, type, flags, data), target);
}

static void bring_lo_up(void) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  must(fd, "socket");
  must(ioctl(fd, SIOCSIFFLAGS, &request), "lo");
  close(fd);
}

/* The masked and read-only paths of the bundle; a kernel may lack some of them. */
static void protect_paths(void) {
  static const char* const kMaskedDirectories[] = {"/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"};
  static const char* const kMaskedFiles[] = {"/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/timer_list", "/proc/timer_stats"};
  static const char* const kReadonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  for (size_t i = 0; i < sizeof kMaskedDirectories / sizeof *kMaskedDirectories; ++i) {
    if (mount("tmpfs", kMaskedDirectories[i], "tmpfs", MS_RDONLY, "size=0k") != 0 && errno != ENOENT) die(kMaskedDirectories[i]);
  }
  for (size_t i = 0; i < sizeof kMaskedFiles / sizeof *kMaskedFiles; ++i) {
    if (mount("/dev/null", kMaskedFiles[i], NULL, MS_BIND, NULL) != 0 && errno != ENOENT) die(kMaskedFiles[i]);
  }
  for (size_t i = 0; i < sizeof kReadonly / sizeof *kReadonly; ++i) {
    if (mount(kReadonly[i], kReadonly[i], NULL, MS_BIND | MS_REC, NULL) == 0) {
      must(mount(NULL, kReadonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), kReadonly[i]);
    } else if (errno != ENOENT) {
      die(kReadonly[i]);
    }
  }
  must(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), "read-only root");
}

/* All but three capabilities dropped for good, and a keyring of its own. */
static void give_up_privileges(void) {
  static const unsigned kKept[] = {CAP_KILL, CAP_NET_BIND_SERVICE, CAP_AUDIT_WRITE};
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
  unsigned long long kept = 0;
  for (size_t i = 0; i < sizeof kKept / sizeof *kKept; ++i) kept |= 1ULL << kKept[i];
  must((int)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_ses.bench"), "keyctl");
  for (unsigned i = 0; i <= CAP_LAST_CAP; ++i) {
    if ((kept >> i & 1) == 0) must(prctl(PR_CAPBSET_DROP, i, 0, 0, 0), "PR_CAPBSET_DROP");
  }
  for (unsigned half = 0; half < 2; ++half) data[half].effective = data[half].permitted = (unsigned)(kept >> (32 * half));
  must((int)syscall(SYS_capset, &header, data), "capset");
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

static int init(const char* root, char** argv) {
  static const char* const kLinks[][2] = {{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"}, {"ptmx", "pts/ptmx"}};
  static const struct { const char* path; int major, minor; } kDevices[] = {
      {"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
  char path[512];
  must(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL), "slave");
  must(mount(root, root, NULL, MS_BIND | MS_REC, NULL), "bind");
  mount_at(root, "proc", "/proc", "proc", 0, NULL);
  mount_at(root, "tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
  mount_at(root, "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  mount_at(root, "shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k");
  mount_at(root, "mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
  mount_at(root, "sysfs", "/sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL);
  for (size_t i = 0; i < sizeof kDevices / sizeof *kDevices; ++i) {
    snprintf(path, sizeof path, "%s%s", root, kDevices[i].path);
    must(mknod(path, S_IFCHR | 0666, makedev((unsigned)kDevices[i].major, (unsigned)kDevices[i].minor)), path);
  }
  for (size_t i = 0; i < sizeof kLinks / sizeof *kLinks; ++i) {
    snprintf(path, sizeof path, "%s/dev/%s", root, kLinks[i][0]);
    must(symlink(kLinks[i][1], path), path);
  }
  must(chdir(root), "chdir");
  must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
  must(umount2(".", MNT_DETACH), "umount");
  must(chdir("/"), "chdir");
  bring_lo_up();
  protect_paths();
  must(sethostname("bench", 5), "sethostname");
  must(setsid(), "setsid");
  give_up_privileges();
  char* const environment[] = {"PATH=/bin", NULL};
  execve(argv[0], argv, environment);
  die(argv[0]);
  return 125;
}

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const pid_t stage = fork();
  if (stage == 0) {
    enter_cgroups(argv[2]);
    limit_devices(argv[2]);
    must(unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET), "unshare");
    const pid_t child = fork();
    if (child == 0) return init(argv[1], argv + 3);
    int status = 0;
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  int status = 0;
  must(waitpid(stage, &status, 0), "wait");
  leave_cgroups(argv[2]);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
