#include "id_maps.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>

#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::runtime {

namespace {

std::string map_text(const std::vector<plan::IdMapping>& map) {
  std::string text;
  for (const auto& one : map)
    text += fmt::format("{} {} {}\n", one.container_id, one.host_id, one.size);
  return text;
}

// shadow's helpers: set-uid programs that check /etc/subuid and /etc/subgid.
constexpr std::array<const char*, 2> kHelperDirectories = {"/usr/bin/", "/bin/"};

Result<> run_helper(const char* name, pid_t pid, const std::vector<plan::IdMapping>& map) {
  std::vector<std::string> args = {name, std::to_string(pid)};
  for (const auto& one : map) {
    for (const uint32_t number : {one.container_id, one.host_id, one.size})
      args.push_back(std::to_string(number));
  }
  auto ends = TRY(sys::pipe());
  const pid_t child = TRY(sys::fork());
  if (child == 0) {
    (void)sys::duplicate_to(ends.second.get(), 2);  // what it says belongs into the one error line
    std::vector<char*> argv;
    for (auto& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    char* const envp[] = {nullptr};
    for (const char* directory : kHelperDirectories)
      (void)sys::execve(std::string(directory) + name, argv.data(), envp);
    _exit(127);
  }
  ends.second.reset();
  constexpr std::size_t kMaxWords = 4096;
  const std::string said =
      sys::read_all(ends.first.get(), kMaxWords).value_or("it said too much to be shown");
  const sys::Exit exit = TRY(sys::wait_child(child));
  if (!exit.signaled && exit.code == 0) return {};
  if (!exit.signaled && exit.code == 127) {
    return Error(ErrorKind::Unsupported,
                 fmt::format("{} is needed to map more than one's own id and is not installed "
                             "(Debian package uidmap)",
                             name));
  }
  return Error(
      ErrorKind::System,
      fmt::format("{} failed: check that /etc/sub{} grants the ids of the mapping to this user: {}",
                  name,
                  std::string_view(name) == "newuidmap" ? "uid" : "gid",
                  printable(trim(said))));
}

bool maps_only_self(const std::vector<plan::IdMapping>& map, uint32_t self) {
  return map.size() == 1 && map.front().size == 1 && map.front().host_id == self;
}

Result<> write_map(pid_t pid,
                   const char* file,
                   const char* helper,
                   const std::vector<plan::IdMapping>& map,
                   uint32_t self) {
  const Result<> direct = sys::write_file(fmt::format("/proc/{}/{}", pid, file), map_text(map));
  if (direct || direct.error().errno_value() != EPERM || maps_only_self(map, self)) return direct;
  return run_helper(helper, pid, map);
}

}  // namespace

Result<> write_id_maps(pid_t pid,
                       const std::vector<plan::IdMapping>& uid_map,
                       const std::vector<plan::IdMapping>& gid_map,
                       uid_t euid) {
  if (euid != 0 && maps_only_self(gid_map, ::getegid())) {
    // Otherwise an ordinary user could drop a group that denies access (CVE-2014-8989).
    TRY(sys::write_file(fmt::format("/proc/{}/setgroups", pid), "deny"));
  }
  TRY(write_map(pid, "uid_map", "newuidmap", uid_map, euid).context("/linux/uidMappings"));
  return write_map(pid, "gid_map", "newgidmap", gid_map, ::getegid()).context("/linux/gidMappings");
}

uint32_t host_id(const std::vector<plan::IdMapping>& map, uint32_t id) {
  if (map.empty()) return id;
  for (const auto& one : map) {
    if (id >= one.container_id && id - one.container_id < one.size)
      return one.host_id + (id - one.container_id);
  }
  return 0;
}

Result<sys::UniqueFd> make_user_namespace(const std::vector<plan::IdMapping>& uid_map,
                                          const std::vector<plan::IdMapping>& gid_map) {
  const pid_t child = TRY(sys::clone3({.flags = CLONE_NEWUSER}));
  if (child == 0) {
    for (;;) ::pause();
  }
  const auto fill = [&]() -> Result<sys::UniqueFd> {
    TRY(write_id_maps(child, uid_map, gid_map, ::geteuid()));
    return sys::open(fmt::format("/proc/{}/ns/user", child), O_RDONLY);
  };
  Result<sys::UniqueFd> made = fill();
  (void)sys::kill(child, SIGKILL);
  (void)sys::wait_child(child);
  return made;
}

}  // namespace corten::runtime
