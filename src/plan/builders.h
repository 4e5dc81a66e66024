// The topic builders behind plan::build, one file each. Only the plan layer includes this.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <corten/base/result.h>
#include <corten/plan/build.h>
#include <corten/plan/host_facts.h>
#include <corten/plan/plan.h>
#include <corten/spec/config.h>

namespace corten::plan {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// One reference token of a JSON pointer: "~" and "/" escaped (RFC 6901, section 3).
std::string pointer_token(std::string_view name);
// "/mounts" and 3 give "/mounts/3".
std::string pointer_at(std::string_view base, std::size_t index);

// A valid configuration that this host or build cannot do.
Error unsupported(std::string pointer, std::string_view message);

// namespaces.cc
Result<Namespaces> build_namespaces(const spec::Linux& linux_);

// idmap.cc
std::vector<IdMapping> build_id_map(const std::vector<spec::IdMapping>& mappings);

// mounts.cc
struct MountContext {
  std::string_view bundle;       // absolute
  std::string_view mount_label;  // SELinux, "" = none
  bool user_namespace = false;   // the container has its own
};
Result<std::vector<Mount>> build_mounts(const std::vector<spec::Mount>& mounts,
                                        const MountContext& context);
// An absolute path stays, a relative one is below the bundle; clean.
std::string path_in_bundle(std::string_view bundle, std::string_view path);
Result<uint64_t> build_rootfs_propagation(const std::optional<std::string>& value);

// devices.cc
Result<std::vector<Device>> build_devices(const std::vector<spec::Device>& configured,
                                          bool terminal);

// capabilities.cc
// Every set empty when `wanted` is null: a config without capabilities gets none.
// enters: the process gets full sets first, because it enters a user namespace of its own.
enum class EntersUserNamespace : uint8_t { No, Yes };
Capabilities build_capabilities(const spec::Capabilities* wanted,
                                const HostFacts& facts,
                                EntersUserNamespace enters,
                                std::vector<std::string>& warnings);

// hooks.cc
Hooks build_hooks(const spec::Hooks& hooks);

// sysctl.cc
Result<std::vector<Sysctl>> build_sysctls(const Pairs& configured);

// cgroup.cc
Result<Cgroup> build_cgroup(const spec::Spec& spec,
                            const BuildOptions& options,
                            const HostFacts& facts,
                            const Namespaces& namespaces,
                            const std::vector<Device>& devices);

// intel_rdt.cc
Result<IntelRdt> build_intel_rdt(const spec::IntelRdt& configured, std::string_view id);

// net_devices.cc
std::vector<NetDevice> build_net_devices(const std::vector<spec::NetDevice>& configured);

}  // namespace corten::plan
