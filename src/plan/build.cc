// Puts the Plan together: reads as the table of contents of what a container is.
#include <linux/sched.h>

#include "builders.h"
#include <corten/base/strings.h>
#include <corten/plan/build.h>

namespace corten::plan {
namespace {

constexpr std::string_view kKeepGroups = "run.oci.keep_original_groups";
constexpr std::string_view kSeccompReceiver = "run.oci.seccomp.receiver";

const spec::Linux& linux_of(const spec::Spec& spec) {
  static const spec::Linux kNothing;
  return spec.linux_ ? *spec.linux_ : kNothing;
}

// Without a mount namespace of its own the container's changes to mounts would be the host's.
Result<> check_mount_namespace(const spec::Spec& spec, const Namespaces& namespaces) {
  if (namespaces.own(CLONE_NEWNS)) return {};
  constexpr std::string_view kWhy = "needs a mount namespace of the container's own";
  if (spec.root && spec.root->readonly) return Error::spec("/root/readonly", kWhy);
  if (!linux_of(spec).masked_paths.empty()) return Error::spec("/linux/maskedPaths", kWhy);
  if (!linux_of(spec).readonly_paths.empty()) return Error::spec("/linux/readonlyPaths", kWhy);
  return {};
}

Result<> add_identity(const spec::Spec& spec, const BuildOptions& options, Plan& plan) {
  plan.id = options.id;
  plan.bundle = clean_path(options.bundle);
  if (spec.root) {
    plan.rootfs = path_in_bundle(plan.bundle, spec.root->path);
    plan.rootfs_readonly = spec.root->readonly;
  }
  plan.no_pivot = options.no_pivot;
  plan.hostname = spec.hostname.value_or("");
  plan.domainname = spec.domainname.value_or("");
  plan.annotations = spec.annotations;
  plan.hooks = build_hooks(spec.hooks);
  plan.hooks.stdout_path = find_annotation(spec.annotations, kHookStdout);
  plan.hooks.stderr_path = find_annotation(spec.annotations, kHookStderr);
  return {};
}

Result<> add_filesystem(const spec::Spec& spec, const HostFacts& facts, Plan& plan) {
  const auto& linux_ = linux_of(spec);
  plan.mount_label = linux_.mount_label.value_or("");
  if (!plan.mount_label.empty() && !facts.selinux) {
    return unsupported(
        "/linux/mountLabel",
        "SELinux is not enabled on this host; remove the label " + quote(plan.mount_label));
  }
  plan.rootfs_propagation = TRY(build_rootfs_propagation(linux_.rootfs_propagation));
  plan.mounts = TRY(build_mounts(spec.mounts,
                                 {.bundle = plan.bundle,
                                  .mount_label = plan.mount_label,
                                  .user_namespace = plan.namespaces.own(CLONE_NEWUSER)}));
  for (const auto& path : linux_.masked_paths) plan.masked_paths.push_back(clean_path(path));
  for (const auto& path : linux_.readonly_paths) plan.readonly_paths.push_back(clean_path(path));
  return {};
}

Result<> add_devices(const spec::Spec& spec, const HostFacts& facts, Plan& plan) {
  plan.devices = TRY(build_devices(linux_of(spec).devices, spec.process && spec.process->terminal));
  plan.unprivileged = !facts.privileged;
  // mknod(2) of devices is for the initial user namespace alone.
  plan.rootless_devices =
      plan.namespaces.own(CLONE_NEWUSER) || !facts.initial_user_namespace || !facts.privileged;
  return {};
}

Result<> add_linux(const spec::Spec& spec,
                   const BuildOptions& options,
                   const HostFacts& facts,
                   Plan& plan) {
  const auto& linux_ = linux_of(spec);
  plan.cgroup = TRY(build_cgroup(spec, options, facts, plan.namespaces, plan.devices));
  plan.sysctls = TRY(build_sysctls(linux_.sysctl));
  plan.net_devices = build_net_devices(linux_.net_devices);
  if (linux_.intel_rdt) plan.intel_rdt = TRY(build_intel_rdt(*linux_.intel_rdt, options.id));
  return {};
}

Result<> add_process(const spec::Spec& spec,
                     const BuildOptions& options,
                     const HostFacts& facts,
                     Plan& plan) {
  if (!spec.process) return {};
  const auto* linux_ = spec.linux_ ? &*spec.linux_ : nullptr;
  auto process = TRY(build_process(*spec.process, linux_, facts, plan.warnings));
  process.keep_groups = keeps_groups(spec.annotations);
  if (process.seccomp && process.seccomp->notify && process.seccomp->listener_path.empty())
    process.seccomp->listener_path = find_annotation(spec.annotations, kSeccompReceiver);
  process.new_session_keyring = !options.no_new_keyring;
  process.preserve_fds = options.preserve_fds;
  // execCPUAffinity is not for the container's first process (config.md "Linux Process").
  process.initial_affinity.clear();
  process.final_affinity.clear();
  plan.process = std::move(process);
  return {};
}

}  // namespace

std::string find_annotation(const std::vector<std::pair<std::string, std::string>>& annotations,
                            std::string_view name) {
  for (const auto& [key, value] : annotations) {
    if (key == name) return value;
  }
  return {};
}

bool keeps_groups(const std::vector<std::pair<std::string, std::string>>& annotations) {
  const std::string value = find_annotation(annotations, kKeepGroups);
  return !value.empty() && value != "0" && value != "false";
}

Result<Plan> build(const spec::Spec& spec, const BuildOptions& options, const HostFacts& facts) {
  Plan plan;
  plan.namespaces = TRY(build_namespaces(linux_of(spec)));
  TRY(check_mount_namespace(spec, plan.namespaces));
  TRY(add_identity(spec, options, plan));
  TRY(add_filesystem(spec, facts, plan));
  TRY(add_devices(spec, facts, plan));
  TRY(add_linux(spec, options, facts, plan));
  TRY(add_process(spec, options, facts, plan));
  return plan;
}

}  // namespace corten::plan
