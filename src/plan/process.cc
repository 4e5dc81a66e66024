// `process`, and those parts of `linux` that are set on the process itself -> Process. Used by
// create and by exec, so that exec cannot miss anything that create does. Spec: config.md
// "Process"; config-linux.md "Memory policy", "Personality", "Seccomp".
#include <algorithm>

#include "builders.h"
#include <corten/base/strings.h>
#include <corten/plan/seccomp.h>
#include <corten/spec/names.h>
#include <corten/spec/validate.h>

namespace corten::plan {
namespace {

constexpr uint32_t kDefaultUmask = 0022;
// MAX_NUMNODES of the largest kernel configuration (CONFIG_NODES_SHIFT = 10).
constexpr uint32_t kMaxNodes = 1024;
constexpr int kIoPriorityClassShift = 13;  // linux/ioprio.h

template <typename Table>
Error unknown_name(std::string pointer,
                   std::string_view what,
                   std::string_view name,
                   const Table& table) {
  return Error::spec(
      std::move(pointer),
      "unknown " + std::string(what) + " " + quote(name) + "; known are " + table.names());
}

Result<std::vector<Rlimit>> build_rlimits(const std::vector<spec::Rlimit>& configured) {
  std::vector<Rlimit> limits;
  for (std::size_t i = 0; i < configured.size(); ++i) {
    const auto pointer = pointer_at("/process/rlimits", i);
    const auto& one = configured[i];
    const auto resource = spec::kRlimits.find(one.type);
    if (!resource) return unknown_name(pointer + "/type", "limit", one.type, spec::kRlimits);
    for (const auto& earlier : limits) {
      if (earlier.resource == *resource) {
        return Error::spec(pointer + "/type", quote(one.type) + " is given twice");
      }
    }
    limits.push_back({.resource = *resource, .name = one.type, .soft = one.soft, .hard = one.hard});
  }
  return limits;
}

Result<Scheduler> build_scheduler(const spec::Scheduler& configured) {
  const std::string base = "/process/scheduler";
  const auto policy = spec::kSchedulerPolicies.find(configured.policy);
  if (!policy) {
    return unknown_name(base + "/policy", "policy", configured.policy, spec::kSchedulerPolicies);
  }
  if (configured.policy == "SCHED_ISO") {
    return unsupported(base + "/policy", "Linux has no scheduling policy SCHED_ISO");
  }
  if (configured.priority < 0) return Error::spec(base + "/priority", "is negative");
  Scheduler scheduler{.policy = *policy,
                      .flags = 0,
                      .nice = configured.nice,
                      .priority = static_cast<uint32_t>(configured.priority),
                      .runtime = configured.runtime,
                      .deadline = configured.deadline,
                      .period = configured.period};
  for (std::size_t i = 0; i < configured.flags.size(); ++i) {
    const auto flag = spec::kSchedulerFlags.find(configured.flags[i]);
    if (!flag) {
      return unknown_name(
          pointer_at(base + "/flags", i), "flag", configured.flags[i], spec::kSchedulerFlags);
    }
    scheduler.flags |= *flag;
  }
  return scheduler;
}

Result<int> build_io_priority(const spec::IoPriority& configured) {
  const auto io_class = spec::kIoPriorityClasses.find(configured.io_class);
  if (!io_class) {
    return unknown_name(
        "/process/ioPriority/class", "class", configured.io_class, spec::kIoPriorityClasses);
  }
  if (configured.priority < 0 || configured.priority > 7) {
    return Error::spec("/process/ioPriority/priority", "is not in the range 0 to 7");
  }
  return (*io_class << kIoPriorityClassShift) | configured.priority;
}

Result<unsigned long> build_personality(const spec::Personality& configured) {
  const auto domain = spec::kPersonalityDomains.find(configured.domain);
  if (!domain) {
    return unknown_name(
        "/linux/personality/domain", "domain", configured.domain, spec::kPersonalityDomains);
  }
  if (!configured.flags.empty()) {
    return Error::spec("/linux/personality/flags", "the specification defines no flags");
  }
  return *domain;
}

// "0-3,7" -> a bit mask in words, as set_mempolicy(2) takes it.
Result<std::vector<uint64_t>> build_node_mask(const std::string& list) {
  const std::string pointer = "/linux/memoryPolicy/nodes";
  const auto nodes = spec::parse_id_list(list);
  if (!nodes) return Error::spec(pointer, nodes.error().message());
  std::vector<uint64_t> mask;
  for (const auto node : *nodes) {
    if (node >= kMaxNodes)
      return Error::spec(pointer, "no kernel has a node " + std::to_string(node));
    mask.resize(std::max<std::size_t>(mask.size(), node / 64 + 1));
    mask[node / 64] |= uint64_t{1} << (node % 64);
  }
  return mask;
}

// set_mempolicy(2) says which modes take nodes; a plain EINVAL from the kernel would not say why.
Result<> check_nodes(std::string_view mode, bool given) {
  const std::string pointer = "/linux/memoryPolicy/nodes";
  if (mode == "MPOL_DEFAULT" || mode == "MPOL_LOCAL") {
    if (given) return Error::spec(pointer, std::string(mode) + " takes no nodes");
    return {};
  }
  if (!given && mode != "MPOL_PREFERRED") {
    return Error::spec(pointer, std::string(mode) + " needs at least one node");
  }
  return {};
}

Result<MemoryPolicy> build_memory_policy(const spec::MemoryPolicy& configured) {
  const std::string base = "/linux/memoryPolicy";
  const auto mode = spec::kMemoryPolicyModes.find(configured.mode);
  if (!mode) {
    return unknown_name(base + "/mode", "mode", configured.mode, spec::kMemoryPolicyModes);
  }
  MemoryPolicy policy;
  policy.mode = *mode;
  policy.nodes = TRY(build_node_mask(configured.nodes));
  TRY(check_nodes(configured.mode, !policy.nodes.empty()));
  for (std::size_t i = 0; i < configured.flags.size(); ++i) {
    const auto flag = spec::kMemoryPolicyFlags.find(configured.flags[i]);
    if (!flag) {
      return unknown_name(
          pointer_at(base + "/flags", i), "flag", configured.flags[i], spec::kMemoryPolicyFlags);
    }
    policy.mode |= *flag;
  }
  return policy;
}

// The label of a module that is not there cannot be set: going on without it would leave the
// process unconfined.
Result<> check_labels(const Process& process, const HostFacts& facts) {
  if (!process.apparmor_profile.empty() && process.apparmor_profile != "unconfined" &&
      !facts.apparmor) {
    return unsupported("/process/apparmorProfile",
                       "AppArmor is not enabled on this host; remove the profile " +
                           quote(process.apparmor_profile));
  }
  if (!process.selinux_label.empty() && !facts.selinux) {
    return unsupported(
        "/process/selinuxLabel",
        "SELinux is not enabled on this host; remove the label " + quote(process.selinux_label));
  }
  return {};
}

bool enters_user_namespace(const spec::Linux* linux_) {
  return linux_ != nullptr &&
         std::any_of(linux_->namespaces.begin(),
                     linux_->namespaces.end(),
                     [](const spec::Namespace& one) { return one.type == "user"; });
}

// What is copied as it is.
Process copy_plain(const spec::Process& configured) {
  Process process;
  process.args = configured.args;
  process.env = configured.env;
  process.cwd = configured.cwd;
  process.uid = configured.user.uid;
  process.gid = configured.user.gid;
  process.groups = configured.user.additional_gids;
  process.umask = configured.user.umask.value_or(kDefaultUmask);
  process.no_new_privileges = configured.no_new_privileges;
  process.oom_score_adj = configured.oom_score_adj;
  process.apparmor_profile = configured.apparmor_profile.value_or("");
  process.selinux_label = configured.selinux_label.value_or("");
  process.terminal = configured.terminal;
  if (configured.terminal && configured.console_size) {
    process.console_size = ConsoleSize{.rows = configured.console_size->height,
                                       .columns = configured.console_size->width};
  }
  if (configured.exec_cpu_affinity) {
    process.initial_affinity = configured.exec_cpu_affinity->initial;
    process.final_affinity = configured.exec_cpu_affinity->final;
  }
  return process;
}

Result<> add_scheduling(const spec::Process& configured, Process& process) {
  if (configured.scheduler) process.scheduler = TRY(build_scheduler(*configured.scheduler));
  if (configured.io_priority) process.io_priority = TRY(build_io_priority(*configured.io_priority));
  return {};
}

Result<> add_linux(const spec::Linux& linux_, Process& process) {
  if (linux_.seccomp) process.seccomp = TRY(compile_seccomp(*linux_.seccomp));
  if (linux_.memory_policy) process.memory_policy = TRY(build_memory_policy(*linux_.memory_policy));
  if (linux_.personality) process.personality = TRY(build_personality(*linux_.personality));
  return {};
}

}  // namespace

Result<Process> build_process(const spec::Process& configured,
                              const spec::Linux* linux_,
                              const HostFacts& facts,
                              std::vector<std::string>& warnings) {
  Process process = copy_plain(configured);
  process.rlimits = TRY(build_rlimits(configured.rlimits));
  const auto enters =
      enters_user_namespace(linux_) ? EntersUserNamespace::Yes : EntersUserNamespace::No;
  process.capabilities = build_capabilities(
      configured.capabilities ? &*configured.capabilities : nullptr, facts, enters, warnings);
  TRY(add_scheduling(configured, process));
  if (linux_ != nullptr) TRY(add_linux(*linux_, process));
  TRY(check_labels(process, facts));
  return process;
}

}  // namespace corten::plan
