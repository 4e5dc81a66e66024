// linux.namespaces, uidMappings, gidMappings and timeOffsets -> Namespaces.
// Spec: config-linux.md "Namespaces", "User namespace mappings", "Offset for Time Namespace".
#include <linux/sched.h>

#include <algorithm>

#include "builders.h"
#include <corten/base/strings.h>
#include <corten/spec/names.h>

namespace corten::plan {
namespace {

// user first, so that the rights over the others are those of the container's root; mount last,
// because the paths of the others are the host's.
constexpr uint64_t kJoinOrder[] = {CLONE_NEWUSER,
                                   CLONE_NEWIPC,
                                   CLONE_NEWUTS,
                                   CLONE_NEWNET,
                                   CLONE_NEWPID,
                                   CLONE_NEWCGROUP,
                                   CLONE_NEWTIME,
                                   CLONE_NEWNS};

struct Requested {
  uint64_t flag = 0;
  std::string path;
  std::size_t index = 0;
};

Result<std::vector<Requested>> read_namespaces(const std::vector<spec::Namespace>& configured) {
  std::vector<Requested> all;
  uint64_t seen = 0;
  for (std::size_t i = 0; i < configured.size(); ++i) {
    const auto pointer = pointer_at("/linux/namespaces", i);
    const auto flag = spec::kNamespaceTypes.find(configured[i].type);
    if (!flag) {
      return Error::spec(pointer + "/type",
                         "unknown namespace " + quote(configured[i].type) + "; known are " +
                             spec::kNamespaceTypes.names());
    }
    if ((seen & *flag) != 0) {
      return Error::spec(pointer, "namespace " + quote(configured[i].type) + " is given twice");
    }
    seen |= *flag;
    all.push_back({.flag = *flag, .path = configured[i].path.value_or(""), .index = i});
  }
  return all;
}

std::string time_offsets_text(const std::vector<spec::TimeOffset>& offsets) {
  std::string text;
  for (const auto& offset : offsets) {
    text += offset.clock + " " + std::to_string(offset.secs) + " " +
            std::to_string(offset.nanosecs) + "\n";
  }
  return text;
}

Result<> add_id_maps(const spec::Linux& linux_, Namespaces& namespaces) {
  // Mappings beside a user namespace that is joined are legal and used by engines; the kernel's own
  // maps of that namespace are what counts, so they are not needed here.
  if (!namespaces.is_new(CLONE_NEWUSER)) return {};
  if (linux_.uid_mappings.empty()) {
    return Error::spec("/linux/uidMappings", "a new user namespace needs a mapping");
  }
  if (linux_.gid_mappings.empty()) {
    return Error::spec("/linux/gidMappings", "a new user namespace needs a mapping");
  }
  namespaces.uid_map = build_id_map(linux_.uid_mappings);
  namespaces.gid_map = build_id_map(linux_.gid_mappings);
  return {};
}

}  // namespace

Result<Namespaces> build_namespaces(const spec::Linux& linux_) {
  const auto requested = TRY(read_namespaces(linux_.namespaces));
  Namespaces namespaces;
  for (const auto flag : kJoinOrder) {
    const auto found = std::find_if(
        requested.begin(), requested.end(), [&](const Requested& one) { return one.flag == flag; });
    if (found == requested.end()) continue;
    if (found->path.empty()) {
      namespaces.unshare |= found->flag;
    } else {
      namespaces.join.push_back(
          {.flag = static_cast<int>(found->flag), .path = found->path, .index = found->index});
    }
  }
  TRY(add_id_maps(linux_, namespaces));
  if (!linux_.time_offsets.empty()) {
    if (!namespaces.is_new(CLONE_NEWTIME)) {
      return Error::spec("/linux/timeOffsets", "needs a new time namespace");
    }
    namespaces.time_offsets = time_offsets_text(linux_.time_offsets);
  }
  return namespaces;
}

}  // namespace corten::plan
