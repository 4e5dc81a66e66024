// The names that config.json may use where only certain values are valid. The rules, the plan
// builders and the features document read the same tables, so they cannot disagree. Values are the
// kernel's where a system call takes them (linux/sched.h, linux/mempolicy.h, linux/ioprio.h,
// linux/seccomp.h ...: written as numbers, since those headers clash with glibc's), enumerators
// where a library or another layer translates them.
#pragma once

#include <sys/resource.h>

#include <cstdint>

#include <corten/base/flags.h>

namespace corten::spec {

// config-linux.md "Namespaces": CLONE_NEW*.
inline constexpr NameTable kNamespaceTypes({
    Named<uint64_t>{"pid", 0x20000000},
    Named<uint64_t>{"network", 0x40000000},
    Named<uint64_t>{"mount", 0x00020000},
    Named<uint64_t>{"ipc", 0x08000000},
    Named<uint64_t>{"uts", 0x04000000},
    Named<uint64_t>{"user", 0x10000000},
    Named<uint64_t>{"cgroup", 0x02000000},
    Named<uint64_t>{"time", 0x00000080},
});

// config.md "Hooks", in the order in which they run.
enum class HookKind : uint8_t {
  Prestart,
  CreateRuntime,
  CreateContainer,
  StartContainer,
  Poststart,
  Poststop,
};
inline constexpr NameTable kHookKinds({
    Named<HookKind>{"prestart", HookKind::Prestart},
    Named<HookKind>{"createRuntime", HookKind::CreateRuntime},
    Named<HookKind>{"createContainer", HookKind::CreateContainer},
    Named<HookKind>{"startContainer", HookKind::StartContainer},
    Named<HookKind>{"poststart", HookKind::Poststart},
    Named<HookKind>{"poststop", HookKind::Poststop},
});

// getrlimit(2): RLIMIT_*.
inline constexpr NameTable kRlimits({
    Named<int>{"RLIMIT_AS", RLIMIT_AS},
    Named<int>{"RLIMIT_CORE", RLIMIT_CORE},
    Named<int>{"RLIMIT_CPU", RLIMIT_CPU},
    Named<int>{"RLIMIT_DATA", RLIMIT_DATA},
    Named<int>{"RLIMIT_FSIZE", RLIMIT_FSIZE},
    Named<int>{"RLIMIT_LOCKS", 10},
    Named<int>{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    Named<int>{"RLIMIT_MSGQUEUE", 12},
    Named<int>{"RLIMIT_NICE", 13},
    Named<int>{"RLIMIT_NOFILE", RLIMIT_NOFILE},
    Named<int>{"RLIMIT_NPROC", RLIMIT_NPROC},
    Named<int>{"RLIMIT_RSS", RLIMIT_RSS},
    Named<int>{"RLIMIT_RTPRIO", 14},
    Named<int>{"RLIMIT_RTTIME", 15},
    Named<int>{"RLIMIT_SIGPENDING", 11},
    Named<int>{"RLIMIT_STACK", RLIMIT_STACK},
});

// sched(7). SCHED_ISO has a number but no kernel implements it.
inline constexpr uint32_t kSchedOther = 0;
inline constexpr uint32_t kSchedFifo = 1;
inline constexpr uint32_t kSchedRr = 2;
inline constexpr uint32_t kSchedDeadline = 6;
inline constexpr NameTable kSchedulerPolicies({
    Named<uint32_t>{"SCHED_OTHER", kSchedOther},
    Named<uint32_t>{"SCHED_FIFO", kSchedFifo},
    Named<uint32_t>{"SCHED_RR", kSchedRr},
    Named<uint32_t>{"SCHED_BATCH", 3},
    Named<uint32_t>{"SCHED_ISO", 4},
    Named<uint32_t>{"SCHED_IDLE", 5},
    Named<uint32_t>{"SCHED_DEADLINE", kSchedDeadline},
});

// sched_setattr(2).
inline constexpr NameTable kSchedulerFlags({
    Named<uint64_t>{"SCHED_FLAG_RESET_ON_FORK", 0x01},
    Named<uint64_t>{"SCHED_FLAG_RECLAIM", 0x02},
    Named<uint64_t>{"SCHED_FLAG_DL_OVERRUN", 0x04},
    Named<uint64_t>{"SCHED_FLAG_KEEP_POLICY", 0x08},
    Named<uint64_t>{"SCHED_FLAG_KEEP_PARAMS", 0x10},
    Named<uint64_t>{"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    Named<uint64_t>{"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
});

// ioprio_set(2): the class, to be shifted by 13.
inline constexpr NameTable kIoPriorityClasses({
    Named<int>{"IOPRIO_CLASS_RT", 1},
    Named<int>{"IOPRIO_CLASS_BE", 2},
    Named<int>{"IOPRIO_CLASS_IDLE", 3},
});

// set_mempolicy(2).
inline constexpr NameTable kMemoryPolicyModes({
    Named<int>{"MPOL_DEFAULT", 0},
    Named<int>{"MPOL_BIND", 2},
    Named<int>{"MPOL_INTERLEAVE", 3},
    Named<int>{"MPOL_WEIGHTED_INTERLEAVE", 6},
    Named<int>{"MPOL_PREFERRED", 1},
    Named<int>{"MPOL_PREFERRED_MANY", 5},
    Named<int>{"MPOL_LOCAL", 4},
});
inline constexpr NameTable kMemoryPolicyFlags({
    Named<int>{"MPOL_F_NUMA_BALANCING", 1 << 13},
    Named<int>{"MPOL_F_RELATIVE_NODES", 1 << 14},
    Named<int>{"MPOL_F_STATIC_NODES", 1 << 15},
});

// personality(2).
inline constexpr NameTable kPersonalityDomains({
    Named<unsigned long>{"LINUX", 0},
    Named<unsigned long>{"LINUX32", 8},
});

// mount_namespaces(7): MS_*. The spec lists the first four; engines send the recursive forms.
inline constexpr NameTable kRootfsPropagations({
    Named<uint64_t>{"shared", 1U << 20U},
    Named<uint64_t>{"slave", 1U << 19U},
    Named<uint64_t>{"private", 1U << 18U},
    Named<uint64_t>{"unbindable", 1U << 17U},
    Named<uint64_t>{"rshared", (1U << 20U) | (1U << 14U)},
    Named<uint64_t>{"rslave", (1U << 19U) | (1U << 14U)},
    Named<uint64_t>{"rprivate", (1U << 18U) | (1U << 14U)},
    Named<uint64_t>{"runbindable", (1U << 17U) | (1U << 14U)},
});

// time_namespaces(7): CLOCK_*.
inline constexpr NameTable kTimeOffsetClocks({
    Named<int>{"monotonic", 1},
    Named<int>{"boottime", 7},
});

// config-linux.md "Seccomp".
enum class SeccompAction : uint8_t {
  KillThread,
  KillProcess,
  Trap,
  Errno,
  Trace,
  Allow,
  Log,
  Notify,
};
inline constexpr NameTable kSeccompActions({
    Named<SeccompAction>{"SCMP_ACT_KILL", SeccompAction::KillThread},
    Named<SeccompAction>{"SCMP_ACT_KILL_PROCESS", SeccompAction::KillProcess},
    Named<SeccompAction>{"SCMP_ACT_KILL_THREAD", SeccompAction::KillThread},
    Named<SeccompAction>{"SCMP_ACT_TRAP", SeccompAction::Trap},
    Named<SeccompAction>{"SCMP_ACT_ERRNO", SeccompAction::Errno},
    Named<SeccompAction>{"SCMP_ACT_TRACE", SeccompAction::Trace},
    Named<SeccompAction>{"SCMP_ACT_ALLOW", SeccompAction::Allow},
    Named<SeccompAction>{"SCMP_ACT_LOG", SeccompAction::Log},
    Named<SeccompAction>{"SCMP_ACT_NOTIFY", SeccompAction::Notify},
});

enum class SeccompOperator : uint8_t { Ne, Lt, Le, Eq, Ge, Gt, MaskedEq };
inline constexpr NameTable kSeccompOperators({
    Named<SeccompOperator>{"SCMP_CMP_NE", SeccompOperator::Ne},
    Named<SeccompOperator>{"SCMP_CMP_LT", SeccompOperator::Lt},
    Named<SeccompOperator>{"SCMP_CMP_LE", SeccompOperator::Le},
    Named<SeccompOperator>{"SCMP_CMP_EQ", SeccompOperator::Eq},
    Named<SeccompOperator>{"SCMP_CMP_GE", SeccompOperator::Ge},
    Named<SeccompOperator>{"SCMP_CMP_GT", SeccompOperator::Gt},
    Named<SeccompOperator>{"SCMP_CMP_MASKED_EQ", SeccompOperator::MaskedEq},
});

enum class SeccompArch : uint8_t {
  X86,
  X86_64,
  X32,
  Arm,
  Aarch64,
  Mips,
  Mips64,
  Mips64N32,
  Mipsel,
  Mipsel64,
  Mipsel64N32,
  Ppc,
  Ppc64,
  Ppc64Le,
  S390,
  S390X,
  Parisc,
  Parisc64,
  Riscv64,
  Loongarch64,
  M68k,
  Sh,
  Sheb,
};
inline constexpr NameTable kSeccompArches({
    Named<SeccompArch>{"SCMP_ARCH_X86", SeccompArch::X86},
    Named<SeccompArch>{"SCMP_ARCH_X86_64", SeccompArch::X86_64},
    Named<SeccompArch>{"SCMP_ARCH_X32", SeccompArch::X32},
    Named<SeccompArch>{"SCMP_ARCH_ARM", SeccompArch::Arm},
    Named<SeccompArch>{"SCMP_ARCH_AARCH64", SeccompArch::Aarch64},
    Named<SeccompArch>{"SCMP_ARCH_MIPS", SeccompArch::Mips},
    Named<SeccompArch>{"SCMP_ARCH_MIPS64", SeccompArch::Mips64},
    Named<SeccompArch>{"SCMP_ARCH_MIPS64N32", SeccompArch::Mips64N32},
    Named<SeccompArch>{"SCMP_ARCH_MIPSEL", SeccompArch::Mipsel},
    Named<SeccompArch>{"SCMP_ARCH_MIPSEL64", SeccompArch::Mipsel64},
    Named<SeccompArch>{"SCMP_ARCH_MIPSEL64N32", SeccompArch::Mipsel64N32},
    Named<SeccompArch>{"SCMP_ARCH_PPC", SeccompArch::Ppc},
    Named<SeccompArch>{"SCMP_ARCH_PPC64", SeccompArch::Ppc64},
    Named<SeccompArch>{"SCMP_ARCH_PPC64LE", SeccompArch::Ppc64Le},
    Named<SeccompArch>{"SCMP_ARCH_S390", SeccompArch::S390},
    Named<SeccompArch>{"SCMP_ARCH_S390X", SeccompArch::S390X},
    Named<SeccompArch>{"SCMP_ARCH_PARISC", SeccompArch::Parisc},
    Named<SeccompArch>{"SCMP_ARCH_PARISC64", SeccompArch::Parisc64},
    Named<SeccompArch>{"SCMP_ARCH_RISCV64", SeccompArch::Riscv64},
    Named<SeccompArch>{"SCMP_ARCH_LOONGARCH64", SeccompArch::Loongarch64},
    Named<SeccompArch>{"SCMP_ARCH_M68K", SeccompArch::M68k},
    Named<SeccompArch>{"SCMP_ARCH_SH", SeccompArch::Sh},
    Named<SeccompArch>{"SCMP_ARCH_SHEB", SeccompArch::Sheb},
});

// seccomp(2).
inline constexpr NameTable kSeccompFlags({
    Named<uint32_t>{"SECCOMP_FILTER_FLAG_TSYNC", 1U << 0U},
    Named<uint32_t>{"SECCOMP_FILTER_FLAG_LOG", 1U << 1U},
    Named<uint32_t>{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", 1U << 2U},
    Named<uint32_t>{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1U << 5U},
});

}  // namespace corten::spec
