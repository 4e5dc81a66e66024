// Writes below /proc, all through the descriptor of a verified procfs root and never across a
// mount: a container, or a careless host, cannot put a file of its own in the way (CVE-2019-16884,
// CVE-2025-52881).
#include <fcntl.h>

#include <cerrno>

#include <fmt/format.h>

#include "steps.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::stage {

namespace {

constexpr uint64_t kInProc = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;

Result<sys::UniqueFd> open_in_proc(int proc_fd, const std::string& path, int flags) {
  return sys::openat2(proc_fd, path, flags, kInProc);
}

Result<> write_in_proc(int proc_fd, const std::string& path, std::string_view value) {
  const sys::UniqueFd fd = TRY(open_in_proc(proc_fd, path, O_WRONLY));
  return sys::write_once(fd.get(), value);
}

// "/proc/self" is a symlink that the kernel resolves by the caller: BENEATH allows it, it is no
// magic link.
Result<sys::UniqueFd> open_attr(int proc_fd, const std::string& name) {
  return open_in_proc(proc_fd, "thread-self/attr/" + name, O_WRONLY);
}

Result<> raise_hard_limit(const plan::Rlimit& limit) {
  const auto [soft, hard] = TRY(sys::get_rlimit(limit.resource));
  if (limit.hard <= hard) return {};
  return sys::prlimit(0, limit.resource, soft, limit.hard);
}

}  // namespace

Result<> apply_sysctls(InitContext& init) {
  for (const auto& sysctl : init.plan.sysctls) {
    Result<> written = write_in_proc(init.input.proc.get(), "sys/" + sysctl.path, sysctl.value);
    if (written) continue;
    const bool missing = written.error().errno_value() == ENOENT;
    return std::move(written)
        .error()
        .with_context(fmt::format("{}: setting it to {}{}",
                                  sysctl.pointer,
                                  quote(sysctl.value),
                                  missing ? ": this kernel has no such parameter" : ""))
        .with_pointer(sysctl.pointer);
  }
  return {};
}

bool needs_label_files(const plan::Process& process) {
  return !process.apparmor_profile.empty() || !process.selinux_label.empty();
}

Result<LabelSet> open_labels(const plan::Process& process, int proc_fd) {
  LabelSet labels;
  if (!process.apparmor_profile.empty()) {
    Result<sys::UniqueFd> fd = open_attr(proc_fd, "apparmor/exec");
    if (!fd) fd = open_attr(proc_fd, "exec");  // before Linux 5.8
    labels.apparmor_exec =
        TRY(std::move(fd).context("/process/apparmorProfile: opening the AppArmor attribute"));
  }
  if (!process.selinux_label.empty()) {
    labels.selinux_exec = TRY(
        open_attr(proc_fd, "exec").context("/process/selinuxLabel: opening the SELinux attribute"));
    labels.selinux_keycreate =
        TRY(open_attr(proc_fd, "keycreate")
                .context("/process/selinuxLabel: opening the SELinux attribute"));
  }
  return labels;
}

Result<> apply_privileged_limits(const plan::Process& process, int proc_fd) {
  for (const auto& limit : process.rlimits) {
    TRY(raise_hard_limit(limit).context([&] {
      return fmt::format(
          "/process/rlimits: raising the hard limit of {} to {}", limit.name, limit.hard);
    }));
  }
  if (process.oom_score_adj) {
    TRY(write_in_proc(proc_fd, "self/oom_score_adj", std::to_string(*process.oom_score_adj))
            .context([&] {
              return fmt::format("/process/oomScoreAdj: setting it to {}", *process.oom_score_adj);
            }));
  }
  return {};
}

}  // namespace corten::stage
