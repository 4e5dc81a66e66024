// `mounts` and the root's propagation -> Mount list. Which kernel object each entry becomes is
// decided here; the stage only carries it out. Spec: config.md "Mounts".
#include <algorithm>
#include <array>

#include "builders.h"
#include "mount_options.h"
#include <corten/base/strings.h>
#include <corten/spec/names.h>

namespace corten::plan {
namespace {

// Filesystems without a device, whose superblock is shared with the host or is filled after
// mounting (mount points, device nodes, copy-up): `ro` is a property of the mount there. A
// read-only superblock could not be filled, and for the shared ones the host would see it.
constexpr std::array<std::string_view, 19> kVirtualFilesystems{"binfmt_misc",
                                                               "bpf",
                                                               "cgroup",
                                                               "cgroup2",
                                                               "configfs",
                                                               "debugfs",
                                                               "devpts",
                                                               "devtmpfs",
                                                               "fusectl",
                                                               "hugetlbfs",
                                                               "mqueue",
                                                               "proc",
                                                               "pstore",
                                                               "ramfs",
                                                               "rpc_pipefs",
                                                               "securityfs",
                                                               "sysfs",
                                                               "tmpfs",
                                                               "tracefs"};

// They do not take context=: their labels come from the policy or from the objects themselves.
constexpr std::array<std::string_view, 5> kUnlabelled{
    "cgroup", "cgroup2", "mqueue", "proc", "sysfs"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool has_context(const std::vector<FsOption>& data) {
  return std::any_of(data.begin(), data.end(), [](const FsOption& option) {
    return option.key == "context" || option.key == "fscontext" || option.key == "defcontext" ||
           option.key == "rootcontext";
  });
}

struct Entry {
  const spec::Mount& configured;
  const MountContext& context;
  std::string pointer;  // "/mounts/3"
  MountOptions options;
  std::string type;
};

bool only_propagation(const Entry& entry) {
  const auto& options = entry.options;
  return (entry.type.empty() || entry.type == "none") && !options.propagation.empty() &&
         !options.bind && !options.remount && !options.idmap && options.unknown.empty() &&
         options.superblock.empty() && options.attributes.empty() &&
         options.recursive_attributes.empty();
}

Result<MountKind> decide_kind(const Entry& entry) {
  const auto& options = entry.options;
  if (options.remount) return MountKind::Remount;
  if (options.bind) return MountKind::Bind;
  if (only_propagation(entry)) return MountKind::Propagation;
  if (entry.type.empty()) {
    return Error::spec(entry.pointer + "/type",
                       "a mount without the option 'bind' or 'rbind' needs a type");
  }
  // The specification takes bind mounts from the options alone; the kernel has no such filesystem.
  if (entry.type == "bind" || entry.type == "rbind") {
    return Error::spec(entry.pointer + "/options",
                       "type " + quote(entry.type) + " without the option 'bind' or 'rbind'");
  }
  return entry.type == "cgroup" ? MountKind::Cgroup : MountKind::Filesystem;
}

Result<> refuse_unknown(const Entry& entry) {
  if (entry.options.unknown.empty()) return {};
  const auto& first = entry.options.unknown.front();
  return Error::spec(pointer_at(entry.pointer + "/options", first.index),
                     "unknown option " + quote(first.option.key) +
                         "; a bind mount has no filesystem-specific options");
}

Result<> fill_source(const Entry& entry, Mount& mount) {
  const auto& source = entry.configured.source;
  switch (mount.kind) {
    case MountKind::Bind:
      // An empty source would silently become the bundle itself.
      if (!source || source->empty()) {
        return Error::spec(entry.pointer + "/source", "a bind mount needs a source");
      }
      mount.source = path_in_bundle(entry.context.bundle, *source);
      return {};
    case MountKind::Filesystem:
    case MountKind::Cgroup:
      mount.source = source && !source->empty() ? *source : entry.type;
      return {};
    case MountKind::Remount:
    case MountKind::Propagation:
      return {};
  }
  return {};
}

void fill_data(const Entry& entry, Mount& mount) {
  mount.data = entry.options.superblock;
  if (mount.kind == MountKind::Filesystem && entry.options.read_only &&
      !contains(kVirtualFilesystems, entry.type)) {
    mount.data.push_back({.key = "ro", .value = std::nullopt});
  }
  for (const auto& unknown : entry.options.unknown) mount.data.push_back(unknown.option);
  if (mount.kind == MountKind::Filesystem && !entry.context.mount_label.empty() &&
      !contains(kUnlabelled, entry.type) && !has_context(mount.data)) {
    mount.data.push_back({.key = "context", .value = std::string(entry.context.mount_label)});
  }
}

// Which superblock options there are depends on the kind; a bind mount has none, and generic flags
// have no effect on it (mount(8), "bind").
Result<> fill_options(const Entry& entry, Mount& mount) {
  const bool whole_filesystem = mount.kind == MountKind::Filesystem ||
                                mount.kind == MountKind::Cgroup ||
                                (mount.kind == MountKind::Remount && !entry.options.bind);
  if (whole_filesystem) {
    fill_data(entry, mount);
  } else {
    TRY(refuse_unknown(entry));
  }
  mount.attributes = entry.options.attributes;
  mount.recursive_attributes = entry.options.recursive_attributes;
  if (mount.kind == MountKind::Filesystem || mount.kind == MountKind::Cgroup) {
    mount.attributes.clear = 0;  // a new mount has none set
  }
  mount.propagation = entry.options.propagation;
  mount.copy_up =
      entry.options.copy_up && mount.kind == MountKind::Filesystem && entry.type == "tmpfs";
  return {};
}

Result<> fill_idmap(const Entry& entry, Mount& mount) {
  const auto& configured = entry.configured;
  const bool mapped = !configured.uid_mappings.empty() || !configured.gid_mappings.empty();
  if (!mapped && !entry.options.idmap) return {};
  if (mount.kind != MountKind::Bind && mount.kind != MountKind::Filesystem) {
    return Error::spec(entry.pointer, "only a bind or filesystem mount can be id-mapped");
  }
  if (configured.uid_mappings.empty() != configured.gid_mappings.empty()) {
    return Error::spec(entry.pointer, "uidMappings and gidMappings come together");
  }
  if (!mapped && !entry.context.user_namespace) {
    return Error::spec(entry.pointer,
                       "the option 'idmap' needs uidMappings and gidMappings, here or by a user "
                       "namespace");
  }
  mount.idmap = MountIdmap{.recursive = entry.options.recursive_idmap,
                           .uid_map = build_id_map(configured.uid_mappings),
                           .gid_map = build_id_map(configured.gid_mappings)};
  return {};
}

Result<Mount> build_mount(const spec::Mount& configured,
                          std::size_t index,
                          const MountContext& context) {
  const Entry entry{.configured = configured,
                    .context = context,
                    .pointer = pointer_at("/mounts", index),
                    .options = parse_mount_options(configured.options),
                    .type = configured.type.value_or("")};
  Mount mount;
  mount.index = index;
  mount.kind = TRY(decide_kind(entry));
  mount.destination = clean_path(configured.destination);  // a relative one is below "/"
  if (mount.kind == MountKind::Filesystem || mount.kind == MountKind::Cgroup) {
    mount.type = entry.type;
  }
  mount.recursive = entry.options.recursive_bind;
  TRY(fill_source(entry, mount));
  TRY(fill_options(entry, mount));
  TRY(fill_idmap(entry, mount));
  return mount;
}

}  // namespace

std::string path_in_bundle(std::string_view bundle, std::string_view path) {
  if (path.starts_with('/')) return clean_path(path);
  std::string joined(bundle);
  joined += '/';
  joined += path;
  return clean_path(joined);
}

Result<std::vector<Mount>> build_mounts(const std::vector<spec::Mount>& mounts,
                                        const MountContext& context) {
  std::vector<Mount> built;
  built.reserve(mounts.size());
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    auto mount = TRY(build_mount(mounts[i], i, context));
    built.push_back(std::move(mount));
  }
  return built;
}

Result<std::vector<Mount>> build_extra_mounts(const std::vector<spec::Mount>& mounts,
                                              std::string_view bundle,
                                              bool user_namespace) {
  return build_mounts(mounts,
                      {.bundle = bundle, .mount_label = {}, .user_namespace = user_namespace});
}

Result<uint64_t> default_rootfs_propagation() { return build_rootfs_propagation(std::nullopt); }

Result<uint64_t> build_rootfs_propagation(const std::optional<std::string>& value) {
  // What is mounted on the host later shall appear in shared volumes, and nothing of the container
  // on the host.
  if (!value || value->empty()) return uint64_t{MS_SLAVE | MS_REC};
  const auto propagation = spec::kRootfsPropagations.find(*value);
  if (!propagation) {
    return Error::spec("/linux/rootfsPropagation",
                       "unknown propagation " + quote(*value) + "; known are " +
                           spec::kRootfsPropagations.names());
  }
  return *propagation;
}

}  // namespace corten::plan
