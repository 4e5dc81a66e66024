// Rules of config-linux.md "Seccomp".
#include <algorithm>

#include "rules.h"
#include <corten/spec/names.h>

namespace corten::spec {

namespace {

constexpr uint32_t kMaxErrno = 4095;       // MAX_ERRNO: the kernel cuts larger values
constexpr uint32_t kMaxTraceData = 65535;  // SECCOMP_RET_DATA

void default_action(const Seccomp& seccomp, const Report& report) {
  check_name(kSeccompActions, seccomp.default_action, report.at / "defaultAction", report);
}

void check_errno(const std::optional<uint32_t>& value,
                 std::string_view action_name,
                 const Path& path,
                 const Report& report) {
  const auto action = kSeccompActions.find(action_name);
  if (!value || !action) return;
  const bool traces = *action == SeccompAction::Trace;
  if (!traces && *action != SeccompAction::Errno) {
    return report.broken(path,
                         "this property needs SCMP_ACT_ERRNO or SCMP_ACT_TRACE, the action is " +
                             quote(action_name));
  }
  const uint32_t max = traces ? kMaxTraceData : kMaxErrno;
  if (*value > max) report.expected(path, "an integer from 0 to " + std::to_string(max), *value);
}

// LX-074.
void default_errno(const Seccomp& seccomp, const Report& report) {
  check_errno(
      seccomp.default_errno_ret, seccomp.default_action, report.at / "defaultErrnoRet", report);
}

void architectures(const Seccomp& seccomp, const Report& report) {
  const Path list = report.at / "architectures";
  for (std::size_t i = 0; i < seccomp.architectures.size(); ++i) {
    check_name(kSeccompArches, seccomp.architectures[i], list / i, report);
  }
}

void flags(const Seccomp& seccomp, const Report& report) {
  if (!seccomp.flags) return;
  const Path list = report.at / "flags";
  for (std::size_t i = 0; i < seccomp.flags->size(); ++i) {
    check_name(kSeccompFlags, (*seccomp.flags)[i], list / i, report);
  }
}

// LX-080.
void listener_metadata(const Seccomp& seccomp, const Report& report) {
  const auto given = [](const std::optional<std::string>& text) { return text && !text->empty(); };
  if (given(seccomp.listener_metadata) && !given(seccomp.listener_path)) {
    report.broken(report.at / "listenerMetadata", "this property needs listenerPath");
  }
}

void listener_path(const Seccomp& seccomp, const Report& report) {
  const auto& path = seccomp.listener_path;
  if (!path || path->empty()) return;
  if (!is_absolute(*path)) report.expected(report.at / "listenerPath", "an absolute path", *path);
}

// LX-081.
void syscall_names(const Seccomp& seccomp, const Report& report) {
  const Path list = report.at / "syscalls";
  for (std::size_t i = 0; i < seccomp.syscalls.size(); ++i) {
    if (!seccomp.syscalls[i].names.empty()) continue;
    const Path entry = list / i;
    report.broken(entry / "names", "expected at least one name");
  }
}

void syscall_actions(const Seccomp& seccomp, const Report& report) {
  const Path list = report.at / "syscalls";
  for (std::size_t i = 0; i < seccomp.syscalls.size(); ++i) {
    const Path entry = list / i;
    check_name(kSeccompActions, seccomp.syscalls[i].action, entry / "action", report);
  }
}

// LX-082.
void syscall_errnos(const Seccomp& seccomp, const Report& report) {
  const Path list = report.at / "syscalls";
  for (std::size_t i = 0; i < seccomp.syscalls.size(); ++i) {
    const SeccompSyscall& rule = seccomp.syscalls[i];
    const Path entry = list / i;
    check_errno(rule.errno_ret, rule.action, entry / "errnoRet", report);
  }
}

void syscall_args(const Seccomp& seccomp, const Report& report) {
  const Path list = report.at / "syscalls";
  for (std::size_t i = 0; i < seccomp.syscalls.size(); ++i) {
    const Path entry = list / i;
    const Path args = entry / "args";
    for (std::size_t k = 0; k < seccomp.syscalls[i].args.size(); ++k) {
      const SeccompArg& arg = seccomp.syscalls[i].args[k];
      const Path one = args / k;
      if (arg.index > 5) report.expected(one / "index", "an integer from 0 to 5", arg.index);
      check_name(kSeccompOperators, arg.op, one / "op", report);
    }
  }
}

using SeccompRule = void (*)(const Seccomp&, const Report&);
constexpr SeccompRule kSeccompRules[] = {
    default_action,
    default_errno,
    architectures,
    flags,
    listener_metadata,
    listener_path,
    syscall_names,
    syscall_actions,
    syscall_errnos,
    syscall_args,
};

// The socket that gets the listener: listenerPath, or the annotation that engines set instead.
void notify_needs_listener(const Spec& spec, const Report& report) {
  constexpr std::string_view kReceiver = "run.oci.seccomp.receiver";
  const Seccomp& seccomp = *spec.linux_->seccomp;
  const auto notifies = [](std::string_view action) { return action == "SCMP_ACT_NOTIFY"; };
  const bool used = notifies(seccomp.default_action) ||
                    std::any_of(seccomp.syscalls.begin(),
                                seccomp.syscalls.end(),
                                [&](const auto& rule) { return notifies(rule.action); });
  if (!used || (seccomp.listener_path && !seccomp.listener_path->empty())) return;
  for (const auto& [name, value] : spec.annotations) {
    if (name == kReceiver && !value.empty()) return;
  }
  report.broken(report.at / "listenerPath", "SCMP_ACT_NOTIFY needs this property");
}

}  // namespace

void check_seccomp(const Spec& spec, Problems& problems) {
  if (!spec.linux_ || !spec.linux_->seccomp) return;
  const Report report{problems, Path("/linux/seccomp")};
  for (const auto rule : kSeccompRules) rule(*spec.linux_->seccomp, report);
  notify_needs_listener(spec, report);
}

}  // namespace corten::spec
