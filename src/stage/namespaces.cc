#include "namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include <fmt/format.h>

#include <corten/base/flags.h>
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>
#include <corten/sys/socket.h>

namespace corten::stage {

namespace {

constexpr Named<int> kEntries[] = {Named<int>{"user", CLONE_NEWUSER},
                                   Named<int>{"pid", CLONE_NEWPID},
                                   Named<int>{"network", CLONE_NEWNET},
                                   Named<int>{"ipc", CLONE_NEWIPC},
                                   Named<int>{"uts", CLONE_NEWUTS},
                                   Named<int>{"cgroup", CLONE_NEWCGROUP},
                                   Named<int>{"time", CLONE_NEWTIME},
                                   Named<int>{"mount", CLONE_NEWNS}};
constexpr NameTable kNames(kEntries);

struct OpenJoin {
  const plan::NamespaceJoin* join = nullptr;
  sys::UniqueFd fd;
};

std::string describe(const plan::NamespaceJoin& join, std::string_view what) {
  return fmt::format("/linux/namespaces/{}/path: {} the {} namespace {}",
                     join.index,
                     what,
                     kNames.name_of(join.flag),
                     quote(join.path));
}

// All are opened before any is entered: a mount or PID namespace changes what the paths mean.
Result<std::vector<OpenJoin>> open_all(const plan::Namespaces& namespaces) {
  std::vector<OpenJoin> opened;
  for (const auto& join : namespaces.join) {
    Result<sys::UniqueFd> fd = sys::open(join.path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    if (!fd) {
      return sys::explain_path(std::move(fd).error(), join.path)
          .with_context(describe(join, "opening"));
    }
    opened.push_back({&join, *std::move(fd)});
  }
  return opened;
}

Result<> join_one(const OpenJoin& one) {
  // setns checks the type: EINVAL when the file is another kind of namespace, or none.
  Result<> joined = sys::setns(one.fd.get(), one.join->flag);
  if (joined) return joined;
  const std::string_view type = kNames.name_of(one.join->flag);
  const bool wrong = joined.error().errno_value() == EINVAL;
  return std::move(joined).error().with_context(
      describe(*one.join, "joining") +
      (wrong ? fmt::format(": the file is no {} namespace", type) : std::string()));
}

// Before the user namespace is entered, the runtime's own privileges may be what a join needs (a
// network namespace that the engine made); afterwards the container's may be (namespaces that
// belong to it). What the first try is denied is left for the second.
Result<> join_others(std::vector<OpenJoin>& opened, bool user_namespace_follows) {
  for (auto& one : opened) {
    if (!one.fd.valid() || one.join->flag == CLONE_NEWUSER) continue;
    const Result<> joined = join_one(one);
    if (!joined) {
      if (user_namespace_follows && joined.error().errno_value() == EPERM) continue;
      return joined;
    }
    one.fd.reset();
  }
  return {};
}

bool maps_root(const std::vector<plan::IdMapping>& map) {
  return std::any_of(map.begin(), map.end(), [](const plan::IdMapping& one) {
    return one.container_id == 0 && one.size > 0;
  });
}

Result<> become_root(const plan::Namespaces& namespaces) {
  // Groups cannot be dropped where an ordinary user wrote the map; the program's list is set later
  // anyway.
  if (namespaces.joins(CLONE_NEWUSER) || maps_root(namespaces.gid_map)) TRY(sys::setresgid(0));
  if (namespaces.joins(CLONE_NEWUSER) || maps_root(namespaces.uid_map)) TRY(sys::setresuid(0));
  return {};
}

Result<> enter_user_namespace(const plan::Namespaces& namespaces,
                              const std::vector<OpenJoin>& opened,
                              const proto::Channel& channel) {
  if (namespaces.is_new(CLONE_NEWUSER)) {
    TRY(sys::unshare(CLONE_NEWUSER).context("making the user namespace"));
    // The parent writes /proc/PID/uid_map, which belongs to a dumpable process' owner.
    TRY(sys::prctl("PR_SET_DUMPABLE", PR_SET_DUMPABLE, 1));
    TRY(channel.send(proto::MapIdsRequest{}));
    TRY(channel.expect<proto::Proceed>());
    TRY(sys::prctl("PR_SET_DUMPABLE", PR_SET_DUMPABLE, 0));
    return become_root(namespaces);
  }
  for (const auto& one : opened) {
    if (one.join->flag != CLONE_NEWUSER) continue;
    TRY(join_one(one));
    return become_root(namespaces);
  }
  return {};
}

}  // namespace

Result<> enter_namespaces(const plan::Namespaces& namespaces,
                          const proto::Channel& channel,
                          uint64_t later) {
  // From here on a process of a joined namespace could otherwise trace this one (CVE-2016-9962).
  TRY(sys::prctl("PR_SET_DUMPABLE", PR_SET_DUMPABLE, 0));
  std::vector<OpenJoin> opened = TRY(open_all(namespaces));
  TRY(join_others(opened, namespaces.own(CLONE_NEWUSER)));
  TRY(enter_user_namespace(namespaces, opened, channel));
  TRY(join_others(opened, false));
  const uint64_t rest = namespaces.unshare & ~(uint64_t{CLONE_NEWUSER} | later);
  if (rest != 0) TRY(sys::unshare(rest).context("making the namespaces"));
  if (!namespaces.time_offsets.empty()) {
    TRY(channel.send(proto::TimeOffsetsRequest{}));
    TRY(channel.expect<proto::Proceed>());
  }
  return {};
}

Result<> bring_up_loopback(const plan::Namespaces& namespaces) {
  if (!namespaces.is_new(CLONE_NEWNET)) return {};
  return sys::set_interface_up("lo").context("bringing up the loopback interface");
}

}  // namespace corten::stage
