#include "posture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

extern char** environ;

namespace checker {
namespace {

struct RlimitName {
  const char* name;
  int resource;
};
constexpr RlimitName kRlimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_STACK", RLIMIT_STACK},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
};

void write_ids(JsonOut& out) {
  uid_t ruid = 0, euid = 0, suid = 0;
  gid_t rgid = 0, egid = 0, sgid = 0;
  getresuid(&ruid, &euid, &suid);
  getresgid(&rgid, &egid, &sgid);
  out.key("uids").open_array().number(ruid).number(euid).number(suid).close_array();
  out.key("gids").open_array().number(rgid).number(egid).number(sgid).close_array();
  static gid_t groups[65536];
  const int count = getgroups(65536, groups);
  out.key("groups").open_array();
  for (int i = 0; i < count; ++i) out.number(groups[i]);
  out.close_array();
  out.key("pid").number(getpid()).key("ppid").number(getppid());
  out.key("pgid").number(getpgid(0)).key("sid").number(getsid(0));
}

// The sets are asked for by system call, so that they are known without /proc as well.
void write_capabilities(JsonOut& out) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  syscall(SYS_capget, &header, data);
  const auto wide = [](uint32_t low, uint32_t high) { return (uint64_t{high} << 32U) | low; };
  uint64_t bounding = 0;
  uint64_t ambient = 0;
  for (unsigned long cap = 0; cap < 64; ++cap) {
    if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1) bounding |= uint64_t{1} << cap;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1) ambient |= uint64_t{1} << cap;
  }
  out.key("capabilities").open_object();
  out.key("effective").unsigned_number(wide(data[0].effective, data[1].effective));
  out.key("permitted").unsigned_number(wide(data[0].permitted, data[1].permitted));
  out.key("inheritable").unsigned_number(wide(data[0].inheritable, data[1].inheritable));
  out.key("bounding").unsigned_number(bounding);
  out.key("ambient").unsigned_number(ambient);
  out.close_object();
  out.key("noNewPrivileges").boolean(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
  out.key("seccomp").number(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
}

void write_rlimits(JsonOut& out) {
  out.key("rlimits").open_object();
  for (const RlimitName& entry : kRlimits) {
    rlimit limit{};
    if (syscall(SYS_prlimit64, 0, entry.resource, nullptr, &limit) != 0) continue;
    out.key(entry.name).open_object();
    out.key("soft").unsigned_number(limit.rlim_cur).key("hard").unsigned_number(limit.rlim_max);
    out.close_object();
  }
  out.close_object();
}

// The kernel's struct sched_attr (linux/sched/types.h clashes with glibc's headers).
struct SchedAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime;
  uint64_t deadline;
  uint64_t period;
  uint32_t util_min;
  uint32_t util_max;
};

void write_scheduling(JsonOut& out) {
  SchedAttributes attributes{};
  attributes.size = sizeof attributes;
  syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0);
  out.key("scheduler").open_object();
  out.key("policy").number(attributes.policy).key("flags").unsigned_number(attributes.flags);
  out.key("nice").number(attributes.nice).key("priority").number(attributes.priority);
  out.key("runtime").unsigned_number(attributes.runtime);
  out.key("deadline").unsigned_number(attributes.deadline);
  out.key("period").unsigned_number(attributes.period).close_object();
  out.key("ioPriority").number(syscall(SYS_ioprio_get, 1 /* IOPRIO_WHO_PROCESS */, 0));
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  out.key("affinity").open_array();
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) out.number(cpu);
  }
  out.close_array();
  int mode = -1;
  unsigned long nodes[16]{};
  syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, nullptr, 0UL);
  out.key("memoryPolicy").open_object();
  out.key("mode").number(mode).key("nodes").unsigned_number(nodes[0]).close_object();
}

void write_lines(JsonOut& out, const char* name, const char* path) {
  std::string content;
  out.key(name);
  if (!read_file(path, content)) {
    out.null();
    return;
  }
  out.open_array();
  size_t begin = 0;
  while (begin < content.size()) {
    size_t end = content.find('\n', begin);
    if (end == std::string::npos) end = content.size();
    out.string(std::string_view(content).substr(begin, end - begin));
    begin = end + 1;
  }
  out.close_array();
}

void write_text(JsonOut& out, const char* name, const char* path) {
  std::string content;
  out.key(name);
  if (!read_file(path, content)) {
    out.null();
    return;
  }
  while (!content.empty() && (content.back() == '\n' || content.back() == '\0')) content.pop_back();
  out.string(content);
}

void write_open_files(JsonOut& out) {
  out.key("fds").open_object();
  for (int fd = 0; fd < 4096; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) continue;
    char link[64];
    char target[512];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, target, sizeof target);
    out.key(std::to_string(fd)).string({target, length > 0 ? static_cast<size_t>(length) : 0});
  }
  out.close_object();
  winsize size{};
  const bool terminal = ioctl(0, TIOCGWINSZ, &size) == 0;
  out.key("terminal").open_object();
  out.key("stdin").boolean(isatty(0) == 1).key("stdout").boolean(isatty(1) == 1);
  out.key("stderr").boolean(isatty(2) == 1).key("hasSize").boolean(terminal);
  out.key("height").number(size.ws_row).key("width").number(size.ws_col).close_object();
}

void write_interface_address(JsonOut& out, const ifaddrs& entry) {
  char address[INET6_ADDRSTRLEN]{};
  int prefix = 0;
  const auto count_bits = [&prefix](const unsigned char* bytes, size_t size) {
    for (size_t i = 0; i < size; ++i) prefix += __builtin_popcount(bytes[i]);
  };
  if (entry.ifa_addr->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, entry.ifa_addr, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, address, sizeof address);
    if (entry.ifa_netmask != nullptr) {
      sockaddr_in mask{};
      std::memcpy(&mask, entry.ifa_netmask, sizeof mask);
      count_bits(reinterpret_cast<const unsigned char*>(&mask.sin_addr), sizeof mask.sin_addr);
    }
  } else {
    sockaddr_in6 in{};
    std::memcpy(&in, entry.ifa_addr, sizeof in);
    inet_ntop(AF_INET6, &in.sin6_addr, address, sizeof address);
    if (entry.ifa_netmask != nullptr) {
      sockaddr_in6 mask{};
      std::memcpy(&mask, entry.ifa_netmask, sizeof mask);
      count_bits(reinterpret_cast<const unsigned char*>(&mask.sin6_addr), sizeof mask.sin6_addr);
    }
  }
  out.open_object().key("name").string(entry.ifa_name);
  out.key("address").string(std::string(address) + "/" + std::to_string(prefix)).close_object();
}

// Interfaces with flags, MTU, queue length and hardware address, then the addresses of both
// families.
void write_network(JsonOut& out) {
  const int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  out.key("interfaces").open_object();
  if (struct if_nameindex* names = if_nameindex(); names != nullptr) {
    for (const struct if_nameindex* entry = names; entry->if_index != 0; ++entry) {
      ifreq request{};
      std::strncpy(request.ifr_name, entry->if_name, IFNAMSIZ - 1);
      out.key(entry->if_name).open_object();
      if (ioctl(probe, SIOCGIFFLAGS, &request) == 0) {
        out.key("up").boolean((request.ifr_flags & IFF_UP) != 0);
      }
      if (ioctl(probe, SIOCGIFMTU, &request) == 0) out.key("mtu").number(request.ifr_mtu);
      if (ioctl(probe, SIOCGIFTXQLEN, &request) == 0) out.key("queue").number(request.ifr_qlen);
      if (ioctl(probe, SIOCGIFHWADDR, &request) == 0) {
        char mac[24];
        const auto* bytes = reinterpret_cast<const unsigned char*>(request.ifr_hwaddr.sa_data);
        std::snprintf(mac,
                      sizeof mac,
                      "%02x:%02x:%02x:%02x:%02x:%02x",
                      bytes[0],
                      bytes[1],
                      bytes[2],
                      bytes[3],
                      bytes[4],
                      bytes[5]);
        out.key("mac").string(mac);
      }
      out.close_object();
    }
    if_freenameindex(names);
  }
  out.close_object();
  if (probe >= 0) close(probe);
  out.key("addresses").open_array();
  ifaddrs* addresses = nullptr;
  if (getifaddrs(&addresses) == 0) {
    for (const ifaddrs* entry = addresses; entry != nullptr; entry = entry->ifa_next) {
      if (entry->ifa_addr == nullptr) continue;
      const int family = entry->ifa_addr->sa_family;
      if (family == AF_INET || family == AF_INET6) write_interface_address(out, *entry);
    }
    freeifaddrs(addresses);
  }
  out.close_array();
}

void write_clocks(JsonOut& out) {
  timespec monotonic{};
  timespec boottime{};
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  clock_gettime(CLOCK_BOOTTIME, &boottime);
  out.key("monotonic").number(monotonic.tv_sec).key("boottime").number(boottime.tv_sec);
  write_lines(out, "timensOffsets", "/proc/self/timens_offsets");
}

void write_system(JsonOut& out) {
  utsname names{};
  uname(&names);
  out.key("hostname").string(names.nodename).key("domainname").string(names.domainname);
  out.key("machine").string(names.machine);
  out.key("personality").number(personality(0xffffffff));
  char cwd[4096];
  out.key("cwd").string(getcwd(cwd, sizeof cwd) != nullptr ? cwd : "");
  const mode_t mask = umask(0);
  umask(mask);
  out.key("umask").number(mask);
  write_text(out, "oomScoreAdj", "/proc/self/oom_score_adj");
  write_text(out, "securityLabel", "/proc/self/attr/current");
}

const char* file_type(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFCHR:
      return "char";
    case S_IFBLK:
      return "block";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    default:
      return "unknown";
  }
}

// One level of /dev is enough to see every default device.
void write_devices(JsonOut& out) {
  out.key("dev").open_object();
  if (DIR* directory = opendir("/dev"); directory != nullptr) {
    while (const dirent* entry = readdir(directory)) {
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      const std::string path = std::string("/dev/") + entry->d_name;
      out.key(entry->d_name);
      write_stat(out, path.c_str());
    }
    closedir(directory);
  }
  out.close_object();
}

}  // namespace

void write_stat(JsonOut& out, const char* path) {
  struct stat status {};
  out.open_object();
  if (lstat(path, &status) != 0) {
    out.key("errno").number(errno).close_object();
    return;
  }
  out.key("type").string(file_type(status.st_mode)).key("mode").number(status.st_mode & 07777U);
  out.key("uid").number(status.st_uid).key("gid").number(status.st_gid);
  out.key("size").number(status.st_size).key("inode").unsigned_number(status.st_ino);
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    out.key("major").number(major(status.st_rdev)).key("minor").number(minor(status.st_rdev));
  }
  if (S_ISLNK(status.st_mode)) {
    char target[4096];
    const ssize_t length = readlink(path, target, sizeof target);
    if (length >= 0) out.key("target").string({target, static_cast<size_t>(length)});
    if (stat(path, &status) == 0) {
      out.key("leadsTo").string(file_type(status.st_mode));
      if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
        out.key("major").number(major(status.st_rdev)).key("minor").number(minor(status.st_rdev));
      }
    }
  }
  out.close_object();
}

void write_namespaces(JsonOut& out) {
  constexpr const char* kTypes[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
  out.key("namespaces").open_object();
  for (const char* type : kTypes) {
    struct stat status {};
    const std::string path = std::string("/proc/self/ns/") + type;
    if (stat(path.c_str(), &status) == 0) out.key(type).unsigned_number(status.st_ino);
  }
  out.close_object();
}

void write_environment(JsonOut& out) {
  out.key("env").open_array();
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) out.string(*entry);
  out.close_array();
}

void write_posture(JsonOut& out, int argc, char** argv) {
  out.open_object();
  out.key("args").open_array();
  for (int i = 0; i < argc; ++i) out.string(argv[i]);
  out.close_array();
  write_environment(out);
  write_ids(out);
  write_capabilities(out);
  write_rlimits(out);
  write_scheduling(out);
  write_system(out);
  write_clocks(out);
  write_namespaces(out);
  write_open_files(out);
  write_network(out);
  write_devices(out);
  write_lines(out, "mountinfo", "/proc/self/mountinfo");
  write_lines(out, "cgroup", "/proc/self/cgroup");
  write_lines(out, "uidMap", "/proc/self/uid_map");
  write_lines(out, "gidMap", "/proc/self/gid_map");
  out.close_object();
}

}  // namespace checker
