#include "processes.h"

#include <fcntl.h>
#include <sched.h>

#include <algorithm>

#include <fmt/format.h>

#include <corten/base/strings.h>
#include <corten/sys/file.h>

namespace corten::runtime {

namespace {

Result<struct stat> pid_namespace(int proc_fd, pid_t pid) {
  return sys::fstatat(proc_fd, fmt::format("{}/ns/pid", pid), 0);
}

Result<std::vector<pid_t>> members_of_namespace(pid_t init) {
  const sys::UniqueFd proc = TRY(sys::open("/proc", O_RDONLY | O_DIRECTORY));
  const struct stat wanted = TRY(pid_namespace(proc.get(), init));
  const std::vector<std::string> names = TRY(sys::list_directory(proc.get()));
  std::vector<pid_t> pids;
  for (const auto& name : names) {
    const auto pid = parse_integer<pid_t>(name);
    if (!pid) continue;
    const Result<struct stat> one = pid_namespace(proc.get(), *pid);  // it may have ended
    if (one && one->st_ino == wanted.st_ino && one->st_dev == wanted.st_dev) pids.push_back(*pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace

bool is_without_cgroup(const Record& record) {
  return record.cgroup.driver == plan::CgroupDriver::Disabled || record.cgroup.locations.empty();
}

Result<std::vector<pid_t>> processes_of(const Record& record, const cgroup::Manager& manager) {
  if (!is_without_cgroup(record)) return manager.pids();
  if (!is_alive(record.init)) return std::vector<pid_t>();
  if ((record.namespaces & CLONE_NEWPID) == 0) return std::vector<pid_t>{record.init.pid};
  return members_of_namespace(record.init.pid);
}

}  // namespace corten::runtime
