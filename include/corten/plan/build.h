// Spec + command line + host facts -> Plan. Pure: no system calls, so it is tested and fuzzed
// without privilege. One builder a topic in src/plan.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <corten/base/result.h>
#include <corten/plan/host_facts.h>
#include <corten/plan/plan.h>
#include <corten/spec/config.h>

namespace corten::plan {

// What the command line decides.
struct BuildOptions {
  std::string id;
  std::string bundle;  // absolute
  CgroupDriver cgroup_driver = CgroupDriver::Cgroupfs;
  bool no_pivot = false;
  bool no_new_keyring = false;
  unsigned preserve_fds = 0;
};

// Builds the whole Plan. Precondition: spec::validate passed.
// Errors: InvalidSpec with the pointer; Unsupported when the host lacks what the config needs.
Result<Plan> build(const spec::Spec& spec, const BuildOptions& options, const HostFacts& facts);

// The mounts that `mounts add` brings into a running container, as build() would make them.
// bundle: absolute; user_namespace: the container has its own.
// Errors: InvalidSpec with the pointer, "/mounts/0/...".
Result<std::vector<Mount>> build_extra_mounts(const std::vector<spec::Mount>& mounts,
                                              std::string_view bundle,
                                              bool user_namespace);
// MS_* of linux.rootfsPropagation when it is not configured.
Result<uint64_t> default_rootfs_propagation();

// Builds the process part alone (exec). `warnings` receives what could not be granted.
// linux_: the container's saved configuration (seccomp, personality come from there); may be null.
Result<Process> build_process(const spec::Process& process,
                              const spec::Linux* linux_,
                              const HostFacts& facts,
                              std::vector<std::string>& warnings);

// Annotations that peers define and engines set.
inline constexpr std::string_view kHookStdout = "run.oci.hooks.stdout";
inline constexpr std::string_view kHookStderr = "run.oci.hooks.stderr";
inline constexpr std::string_view kPidfdReceiver = "run.oci.pidfd_receiver";
inline constexpr std::string_view kSystemdSubgroup = "run.oci.systemd.subgroup";
inline constexpr std::string_view kDelegateCgroup = "run.oci.delegate-cgroup";

// The annotation's value, "" when there is none.
std::string find_annotation(const std::vector<std::pair<std::string, std::string>>& annotations,
                            std::string_view name);

// Whether run.oci.keep_original_groups asks for the caller's supplementary groups to be kept.
bool keeps_groups(const std::vector<std::pair<std::string, std::string>>& annotations);

// Whether it is the name of a capability, "CAP_CHOWN": a configuration may hold names of the
// future, a command line should not.
bool is_capability(std::string_view name);

// The control-file writes for linux.resources on this host (create and update), in order; build()
// moves a pids.limit of 0 to late_writes. Values of 0 and false that engines send for "unset" give
// nothing. An update that names only cpu.period lifts the quota in cgroup v2, where both are one
// file: merge it with the saved resources before. Pointers start with "/linux/resources". Errors:
// InvalidSpec, or Unsupported when a needed controller is mounted nowhere.
Result<std::vector<CgroupWrite>> build_cgroup_writes(const spec::Resources& resources,
                                                     const CgroupFacts& facts);

// The lines for the class's schemata file that l3CacheSchema, memBwSchema and schemata name, in the
// order of writing (create and update); what is empty gives none. Errors: InvalidSpec.
Result<std::vector<RdtSchema>> build_rdt_schemata(const spec::IntelRdt& configured);

// The device rules in the order of application: leading wildcard rules, the defaults, the remaining
// rules of the user (docs/decisions "Order of device rules").
std::vector<DeviceRule> build_device_rules(const std::vector<spec::DeviceRule>& rules,
                                           const std::vector<Device>& devices);

// The Plan as indented JSON: `--dry-run`, bug reports, golden tests.
std::string to_json(const Plan& plan);

}  // namespace corten::plan
