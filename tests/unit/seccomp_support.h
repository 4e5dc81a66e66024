// A classic BPF interpreter, and libseccomp's own compiler as the other side of comparisons.
#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <seccomp.h>

#include <corten/plan/seccomp.h>
#include <corten/spec/names.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

// The tests name only the properties that they are about.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace corten::testing {

using Program = std::vector<sock_filter>;

// What the kernel would do with `program`; nullopt where the kernel would not have loaded it.
inline std::optional<uint32_t> run_filter(const Program& program,
                                          const seccomp_data& data,
                                          std::size_t* steps = nullptr) {
  uint32_t a = 0;
  for (std::size_t pc = 0; pc < program.size(); ++pc) {
    if (steps != nullptr) ++*steps;
    const sock_filter& instruction = program[pc];
    const uint32_t k = instruction.k;
    const auto jump = [&](bool taken) { pc += taken ? instruction.jt : instruction.jf; };
    switch (instruction.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (k % sizeof a != 0 || k + sizeof a > sizeof data) return std::nullopt;
        std::memcpy(&a, reinterpret_cast<const char*>(&data) + k, sizeof a);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= k;
        break;
      case BPF_JMP | BPF_JA:
        pc += k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump(a == k);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        jump(a > k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        jump(a >= k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        jump((a & k) != 0);
        break;
      case BPF_RET | BPF_K:
        return k;
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

inline std::size_t count_steps(const Program& program, const seccomp_data& data) {
  std::size_t steps = 0;
  (void)run_filter(program, data, &steps);
  return steps;
}

inline uint32_t native_audit_arch() { return seccomp_arch_native(); }

struct CallSite {
  uint32_t arch = 0;
  uint32_t nr = 0;
  uint64_t args[6] = {};
};

inline seccomp_data to_data(const CallSite& site) {
  seccomp_data data{};
  data.arch = site.arch;
  data.nr = static_cast<int>(site.nr);
  std::memcpy(data.args, site.args, sizeof data.args);
  return data;
}

inline std::optional<uint32_t> run_filter(const Program& program, const CallSite& site) {
  return run_filter(program, to_data(site));
}

inline uint32_t number_of(const char* name, uint32_t token = SCMP_ARCH_NATIVE) {
  return static_cast<uint32_t>(seccomp_syscall_resolve_name_arch(token, name));
}

// --- profiles ------------------------------------------------------------------------------------

inline spec::Seccomp profile(std::string default_action) {
  spec::Seccomp built;
  built.default_action = std::move(default_action);
  return built;
}

inline void add_rule(spec::Seccomp& to,
                     std::vector<std::string> names,
                     std::string action,
                     std::vector<spec::SeccompArg> args = {},
                     std::optional<uint32_t> errno_ret = std::nullopt) {
  to.syscalls.push_back({std::move(names), std::move(action), errno_ret, std::move(args)});
}

// Profiles of the shape that engines send: one long list of calls, some with conditions.

inline std::vector<std::string> native_names_except(const std::vector<std::string>& refused) {
  std::vector<std::string> names;
  for (int number = 0; number < 1024; ++number) {
    char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
    if (name == nullptr) continue;
    if (std::find(refused.begin(), refused.end(), name) == refused.end()) names.emplace_back(name);
    free(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline std::vector<std::string> calls_that_engines_refuse() {
  return {"acct",
          "add_key",
          "bpf",
          "clock_settime",
          "clone",
          "clone3",
          "create_module",
          "delete_module",
          "finit_module",
          "fsconfig",
          "fsmount",
          "fsopen",
          "fspick",
          "get_mempolicy",
          "init_module",
          "ioperm",
          "iopl",
          "kcmp",
          "kexec_file_load",
          "kexec_load",
          "keyctl",
          "lookup_dcookie",
          "mbind",
          "mount",
          "mount_setattr",
          "move_mount",
          "move_pages",
          "nfsservctl",
          "open_by_handle_at",
          "open_tree",
          "perf_event_open",
          "personality",
          "pivot_root",
          "process_vm_readv",
          "quotactl",
          "reboot",
          "request_key",
          "set_mempolicy",
          "setns",
          "settimeofday",
          "socket",
          "swapoff",
          "swapon",
          "sysfs",
          "umount2",
          "unshare",
          "uselib",
          "userfaultfd",
          "ustat",
          "vhangup",
          "vm86",
          "vm86old"};
}

inline const std::vector<std::string> kX86Arches = {
    "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};

inline void add_personality(spec::Seccomp& to) {
  for (const uint64_t value : {0x0U, 0x8U, 0x20000U, 0x20008U, 0xffffffffU}) {
    add_rule(to, {"personality"}, "SCMP_ACT_ALLOW", {{0, value, 0, "SCMP_CMP_EQ"}});
  }
}

inline spec::Seccomp docker_like_profile() {
  spec::Seccomp built = profile("SCMP_ACT_ERRNO");
  built.default_errno_ret = EPERM;
  built.architectures = kX86Arches;
  add_rule(built, native_names_except(calls_that_engines_refuse()), "SCMP_ACT_ALLOW");
  add_rule(built,
           {"accept", "clock_gettime64", "fcntl64", "mmap2", "send", "socketcall", "ipc"},
           "SCMP_ACT_ALLOW");
  add_rule(built, {"socket"}, "SCMP_ACT_ALLOW", {{0, 40, 0, "SCMP_CMP_NE"}});
  add_personality(built);
  add_rule(built, {"clone"}, "SCMP_ACT_ALLOW", {{0, 0x7e020000, 0, "SCMP_CMP_MASKED_EQ"}});
  add_rule(built, {"clone3"}, "SCMP_ACT_ERRNO", {}, ENOSYS);
  return built;
}

inline spec::Seccomp podman_like_profile() {
  spec::Seccomp built = profile("SCMP_ACT_ERRNO");
  built.default_errno_ret = ENOSYS;
  built.architectures = kX86Arches;
  add_rule(built,
           {"acct", "bpf", "delete_module", "kexec_load", "swapon", "vm86"},
           "SCMP_ACT_ERRNO",
           {},
           EPERM);
  add_rule(built, native_names_except(calls_that_engines_refuse()), "SCMP_ACT_ALLOW");
  add_rule(built, {"clone", "clone3", "fcntl64", "mmap2", "socketcall", "ipc"}, "SCMP_ACT_ALLOW");
  add_personality(built);
  add_rule(built,
           {"socket"},
           "SCMP_ACT_ERRNO",
           {{0, 16, 0, "SCMP_CMP_EQ"}, {2, 9, 0, "SCMP_CMP_EQ"}},
           EINVAL);
  for (const uint32_t index : {2U, 0U, 2U}) {
    add_rule(
        built, {"socket"}, "SCMP_ACT_ALLOW", {{index, index == 0 ? 16U : 9U, 0, "SCMP_CMP_NE"}});
  }
  return built;
}

// --- libseccomp
// -------------------------------------------------------------------------------------

inline uint32_t library_action(const std::string& name, std::optional<uint32_t> errno_ret) {
  const uint32_t data = errno_ret.value_or(EPERM);
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(data);
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(data);
  if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  if (name == "SCMP_ACT_NOTIFY") return SCMP_ACT_NOTIFY;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  return SCMP_ACT_KILL_THREAD;
}

inline scmp_compare library_operator(const std::string& name) {
  if (name == "SCMP_CMP_NE") return SCMP_CMP_NE;
  if (name == "SCMP_CMP_LT") return SCMP_CMP_LT;
  if (name == "SCMP_CMP_LE") return SCMP_CMP_LE;
  if (name == "SCMP_CMP_EQ") return SCMP_CMP_EQ;
  if (name == "SCMP_CMP_GE") return SCMP_CMP_GE;
  if (name == "SCMP_CMP_GT") return SCMP_CMP_GT;
  return SCMP_CMP_MASKED_EQ;
}

inline uint32_t library_arch(const std::string& name) {
  std::string lower = name.substr(std::strlen("SCMP_ARCH_"));
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  return seccomp_arch_resolve_name(lower.c_str());
}

// The program that an engine's usual runtime makes of the profile with libseccomp: rules with the
// default action and unknown names are skipped, several conditions on one argument become rules of
// their own. nullopt when libseccomp refuses the profile; `refusal` is its errno.
class LibraryCompiler {
 public:
  explicit LibraryCompiler(const spec::Seccomp& from) : profile_(from) {}

  std::optional<Program> compile() {
#ifdef __SANITIZE_ADDRESS__
    const __lsan::ScopedDisabler libseccomp_loses_nodes_of_merged_rules;
#endif
    default_action_ = library_action(profile_.default_action, profile_.default_errno_ret);
    context_.reset(seccomp_init(default_action_));
    if (!context_) return std::nullopt;
    for (const auto& name : profile_.architectures) {
      const uint32_t token = library_arch(name);
      if (token != 0) (void)seccomp_arch_add(context_.get(), token);
    }
    for (const auto& entry : profile_.syscalls) {
      if (!add_entry(entry)) return std::nullopt;
    }
    // A binary tree, as usual for long profiles. Without it libseccomp 2.5 forgets to load the
    // number when the first call of an architecture is one that does not exist there; with it,
    // libseccomp 2.5 cannot do without any rule.
    if (added_) (void)seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return exported();
  }

  int refusal() const { return refusal_; }

 private:
  struct Release {
    void operator()(void* context) const { seccomp_release(context); }
  };

  bool add_entry(const spec::SeccompSyscall& entry) {
    const uint32_t action = library_action(entry.action, entry.errno_ret);
    if (action == default_action_) return true;
    for (const auto& name : entry.names) {
      const int number = seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) continue;
      if (!add_call(entry, action, number)) return false;
    }
    return true;
  }

  bool add_call(const spec::SeccompSyscall& entry, uint32_t action, int number) {
    std::vector<scmp_arg_cmp> conditions;
    bool repeated = false;
    uint32_t seen = 0;
    for (const auto& arg : entry.args) {
      conditions.push_back({arg.index, library_operator(arg.op), arg.value, arg.value_two});
      repeated = repeated || (seen & (1U << arg.index)) != 0;
      seen |= 1U << arg.index;
    }
    if (!repeated) return add(action, number, conditions);
    for (const auto& condition : conditions) {
      if (!add(action, number, {condition})) return false;
    }
    return true;
  }

  bool add(uint32_t action, int number, const std::vector<scmp_arg_cmp>& conditions) {
    refusal_ = seccomp_rule_add_array(context_.get(),
                                      action,
                                      number,
                                      static_cast<unsigned>(conditions.size()),
                                      conditions.data());
    added_ = true;
    return refusal_ == 0;
  }

  std::optional<Program> exported() {
    const int fd = memfd_create("bpf", MFD_CLOEXEC);
    if (fd < 0) return std::nullopt;
    std::optional<Program> program;
    if (seccomp_export_bpf(context_.get(), fd) == 0) {
      const off_t size = lseek(fd, 0, SEEK_END);
      program.emplace(static_cast<std::size_t>(size) / sizeof(sock_filter));
      if (pread(fd, program->data(), static_cast<std::size_t>(size), 0) != size) program.reset();
    }
    close(fd);
    return program;
  }

  const spec::Seccomp& profile_;
  uint32_t default_action_ = 0;
  int refusal_ = 0;
  bool added_ = false;
  std::unique_ptr<void, Release> context_;
};

}  // namespace corten::testing
