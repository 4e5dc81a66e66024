// Rules of config-linux.md "Seccomp" by what the compiled program answers.
#include <array>
#include <utility>

#include "seccomp_support.h"
#include "support.h"

namespace corten::testing {
namespace {

constexpr uint32_t kX32 = 0x40000000;
constexpr uint32_t kErrnoEperm = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kErrnoEnosys = SECCOMP_RET_ERRNO | ENOSYS;
// Not an error number: calls beyond those of a test's profile get the default action as well.
constexpr const char* kTrap = "SCMP_ACT_TRAP";
constexpr const char* kAllow = "SCMP_ACT_ALLOW";

bool on_x86_64() { return native_audit_arch() == AUDIT_ARCH_X86_64; }

uint32_t answer(const spec::Seccomp& profile, const CallSite& site) {
  const auto compiled = plan::compile_seccomp(profile);
  EXPECT_TRUE(is_ok(compiled));
  if (!compiled) return 0xbad;
  return run_filter(compiled->filter, site).value_or(0xbad);
}

CallSite native(const char* name, std::array<uint64_t, 6> args = {}) {
  CallSite site{native_audit_arch(), number_of(name), {}};
  std::copy(args.begin(), args.end(), site.args);
  return site;
}

TEST(SeccompActions, BecomeReturnValues) {
  struct Case {
    const char* action;
    std::optional<uint32_t> errno_ret;
    uint32_t value;
  };
  const Case cases[] = {
      {"SCMP_ACT_KILL", {}, SECCOMP_RET_KILL_THREAD},
      {"SCMP_ACT_KILL_THREAD", {}, SECCOMP_RET_KILL_THREAD},
      {"SCMP_ACT_KILL_PROCESS", {}, SECCOMP_RET_KILL_PROCESS},
      {"SCMP_ACT_TRAP", {}, SECCOMP_RET_TRAP},
      {"SCMP_ACT_ERRNO", {}, kErrnoEperm},
      {"SCMP_ACT_ERRNO", 0, SECCOMP_RET_ERRNO},
      {"SCMP_ACT_ERRNO", EACCES, SECCOMP_RET_ERRNO | EACCES},
      {"SCMP_ACT_TRACE", {}, SECCOMP_RET_TRACE | EPERM},
      {"SCMP_ACT_TRACE", 0xffff, SECCOMP_RET_TRACE | 0xffff},
      {"SCMP_ACT_ALLOW", {}, SECCOMP_RET_ALLOW},
      {"SCMP_ACT_LOG", {}, SECCOMP_RET_LOG},
      {"SCMP_ACT_NOTIFY", {}, SECCOMP_RET_USER_NOTIF},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.action);
    spec::Seccomp rule = profile(one.value == SECCOMP_RET_ALLOW ? kTrap : kAllow);
    add_rule(rule, {"read"}, one.action, {}, one.errno_ret);
    EXPECT_EQ(answer(rule, native("read")), one.value);

    if (one.value == SECCOMP_RET_USER_NOTIF) continue;
    spec::Seccomp by_default = profile(one.action);
    by_default.default_errno_ret = one.errno_ret;
    EXPECT_EQ(answer(by_default, native("read")), one.value);
  }
}

TEST(SeccompOperators, CompareAll64Bits) {
  struct Case {
    const char* op;
    uint64_t value, value_two, argument;
    bool holds;
  };
  constexpr uint64_t kHigh = uint64_t{1} << 32U;
  const Case cases[] = {
      {"SCMP_CMP_EQ", 5, 0, 5, true},
      {"SCMP_CMP_EQ", 5, 0, kHigh | 5, false},
      {"SCMP_CMP_EQ", kHigh, 0, kHigh, true},
      {"SCMP_CMP_NE", 5, 0, 5, false},
      {"SCMP_CMP_NE", 5, 0, kHigh | 5, true},
      {"SCMP_CMP_NE", 5, 0, 4, true},
      {"SCMP_CMP_GT", kHigh | 5, 0, kHigh | 6, true},
      {"SCMP_CMP_GT", kHigh | 5, 0, kHigh | 5, false},
      {"SCMP_CMP_GT", kHigh | 5, 0, 2 * kHigh, true},
      {"SCMP_CMP_GT", kHigh | 5, 0, 0xffffffff, false},
      {"SCMP_CMP_GE", kHigh | 5, 0, kHigh | 5, true},
      {"SCMP_CMP_GE", kHigh | 5, 0, kHigh | 4, false},
      {"SCMP_CMP_GE", kHigh | 5, 0, 2 * kHigh, true},
      {"SCMP_CMP_LT", kHigh | 5, 0, kHigh | 4, true},
      {"SCMP_CMP_LT", kHigh | 5, 0, kHigh | 5, false},
      {"SCMP_CMP_LT", kHigh | 5, 0, 0xffffffff, true},
      {"SCMP_CMP_LT", kHigh | 5, 0, 2 * kHigh, false},
      {"SCMP_CMP_LE", kHigh | 5, 0, kHigh | 5, true},
      {"SCMP_CMP_LE", kHigh | 5, 0, kHigh | 6, false},
      {"SCMP_CMP_LE", 0, 0, 0, true},
      {"SCMP_CMP_LT", 0, 0, 0, false},
      {"SCMP_CMP_GE", UINT64_MAX, 0, UINT64_MAX, true},
      {"SCMP_CMP_GT", UINT64_MAX, 0, UINT64_MAX, false},
      {"SCMP_CMP_MASKED_EQ", 0xff, 0x10, 0xabcd10, true},
      {"SCMP_CMP_MASKED_EQ", 0xff, 0x10, 0x11, false},
      {"SCMP_CMP_MASKED_EQ", 0xff, 0xf10, 0x10, true},  // bits outside the mask do not count
      {"SCMP_CMP_MASKED_EQ", kHigh, kHigh, kHigh | 7, true},
      {"SCMP_CMP_MASKED_EQ", kHigh, kHigh, 7, false},
      {"SCMP_CMP_MASKED_EQ", 0x7e020000, 0, 0x11, true},
      {"SCMP_CMP_MASKED_EQ", 0x7e020000, 0, 0x10000000, false},
      {"SCMP_CMP_MASKED_EQ", 0, 5, 7, true},
  };
  for (const auto& one : cases) {
    spec::Seccomp rule = profile(kTrap);
    add_rule(rule, {"read"}, kAllow, {{3, one.value, one.value_two, one.op}});
    EXPECT_EQ(answer(rule, native("read", {0, 0, 0, one.argument})) == SECCOMP_RET_ALLOW, one.holds)
        << one.op << " " << one.value << " " << one.value_two << " with " << one.argument;
  }
}

TEST(SeccompOperators, CompareLowHalvesOn32BitArchitectures) {
  if (!on_x86_64()) GTEST_SKIP() << "needs the numbers of x86_64";
  spec::Seccomp rule = profile(kTrap);
  rule.architectures = kX86Arches;
  add_rule(rule, {"read"}, kAllow, {{0, 5, 0, "SCMP_CMP_EQ"}});
  const uint64_t garbage = 0xffffffff00000005;
  EXPECT_EQ(answer(rule, {AUDIT_ARCH_X86_64, 0, {garbage}}), SECCOMP_RET_TRAP);
  EXPECT_EQ(answer(rule, {AUDIT_ARCH_I386, 3, {garbage}}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rule, {AUDIT_ARCH_X86_64, kX32, {garbage}}), SECCOMP_RET_ALLOW);
}

TEST(SeccompRules, ConditionsOfOneRuleAreAnded) {
  spec::Seccomp rule = profile(kTrap);
  add_rule(rule, {"read"}, kAllow, {{0, 1, 0, "SCMP_CMP_EQ"}, {2, 9, 0, "SCMP_CMP_NE"}});
  EXPECT_EQ(answer(rule, native("read", {1, 0, 8})), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rule, native("read", {1, 0, 9})), SECCOMP_RET_TRAP);
  EXPECT_EQ(answer(rule, native("read", {2, 0, 8})), SECCOMP_RET_TRAP);
}

TEST(SeccompRules, ConditionsOnOneArgumentAreAlternatives) {
  spec::Seccomp rule = profile(kTrap);
  add_rule(rule,
           {"read"},
           kAllow,
           {{0, 1, 0, "SCMP_CMP_EQ"}, {0, 2, 0, "SCMP_CMP_EQ"}, {1, 7, 0, "SCMP_CMP_EQ"}});
  EXPECT_EQ(answer(rule, native("read", {1})), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rule, native("read", {2})), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rule, native("read", {3, 7})), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rule, native("read", {3, 8})), SECCOMP_RET_TRAP);
}

TEST(SeccompRules, SeveralRulesForOneCallAreAlternatives) {
  spec::Seccomp rules = profile(kTrap);
  add_personality(rules);
  for (const uint64_t value : {0x0U, 0x8U, 0x20000U, 0x20008U, 0xffffffffU}) {
    EXPECT_EQ(answer(rules, native("personality", {value})), SECCOMP_RET_ALLOW);
  }
  EXPECT_EQ(answer(rules, native("personality", {0x40000})), SECCOMP_RET_TRAP);
  EXPECT_EQ(answer(rules, native("personality", {UINT64_MAX})), SECCOMP_RET_TRAP);
}

TEST(SeccompRules, FirstRuleWithoutConditionsDecides) {
  spec::Seccomp rules = profile(kTrap);
  add_rule(rules, {"read"}, "SCMP_ACT_LOG", {{0, 1, 0, "SCMP_CMP_EQ"}});
  add_rule(rules, {"read"}, kAllow);
  add_rule(rules, {"read"}, "SCMP_ACT_KILL");
  EXPECT_EQ(answer(rules, native("read", {1})), SECCOMP_RET_ALLOW);
}

TEST(SeccompRules, RuleWithTheDefaultActionIsSkipped) {
  spec::Seccomp rules = profile(kTrap);
  add_rule(rules, {"read"}, kTrap);
  add_rule(rules, {"read"}, kAllow, {{0, 1, 0, "SCMP_CMP_EQ"}});
  EXPECT_EQ(answer(rules, native("read", {1})), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rules, native("read", {2})), SECCOMP_RET_TRAP);
}

TEST(SeccompRules, HigherArgumentsComeFirst) {
  for (const bool swapped : {false, true}) {
    spec::Seccomp rules = profile(kTrap);
    const spec::SeccompArg first = {0, 1, 0, "SCMP_CMP_EQ"};
    const spec::SeccompArg second = {1, 1, 0, "SCMP_CMP_EQ"};
    add_rule(rules, {"read"}, swapped ? "SCMP_ACT_LOG" : kAllow, {swapped ? second : first});
    add_rule(rules, {"read"}, swapped ? kAllow : "SCMP_ACT_LOG", {swapped ? first : second});
    EXPECT_EQ(answer(rules, native("read", {1, 1})), SECCOMP_RET_LOG);
  }
}

TEST(SeccompRules, EqualConditionsWithOtherActionsAreAnError) {
  spec::Seccomp rules = profile(kTrap);
  add_rule(rules, {"read"}, kAllow, {{0, 1, 0, "SCMP_CMP_EQ"}});
  add_rule(rules, {"write"}, kAllow);
  add_rule(rules, {"read"}, "SCMP_ACT_LOG", {{0, 1, 0, "SCMP_CMP_EQ"}});
  EXPECT_ERROR(plan::compile_seccomp(rules), ErrorKind::InvalidSpec, "/linux/seccomp/syscalls/2");
}

TEST(SeccompNames, UnknownCallsAreIgnored) {
  spec::Seccomp rules = profile(kTrap);
  add_rule(rules, {"no_such_call", "read"}, kAllow);
  EXPECT_EQ(answer(rules, native("read")), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rules, native("write")), SECCOMP_RET_TRAP);
}

TEST(SeccompArches, NativeIsAlwaysThere) {
  spec::Seccomp rules = profile(kTrap);
  rules.architectures = {"SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"};
  add_rule(rules, {"read"}, kAllow);
  EXPECT_EQ(answer(rules, native("read")), SECCOMP_RET_ALLOW);
}

TEST(SeccompArches, OthersAreKilled) {
  if (!on_x86_64()) GTEST_SKIP() << "needs the numbers of x86_64";
  const spec::Seccomp rules = profile(kAllow);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, 0}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 3}), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_AARCH64, 63}), SECCOMP_RET_KILL_THREAD);
}

TEST(SeccompArches, X32NumbersAreKilledUnlessListed) {
  if (!on_x86_64()) GTEST_SKIP() << "needs the numbers of x86_64";
  spec::Seccomp rules = profile(kAllow);
  add_rule(rules, {"write"}, kTrap);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, kX32 | 0}), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, kX32 | 1}), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, UINT32_MAX - 1}), SECCOMP_RET_KILL_THREAD);
  // A tracer's "skip this call".
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, UINT32_MAX}), SECCOMP_RET_ALLOW);

  rules.architectures = {"SCMP_ARCH_X32"};
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, kX32 | 0}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, kX32 | 1}), SECCOMP_RET_TRAP);
}

TEST(SeccompArches, EveryNameOfTheSpecIsTaken) {
  spec::Seccomp rules = profile(kTrap);
  for (const auto& [name, arch] : spec::kSeccompArches) rules.architectures.emplace_back(name);
  add_rule(rules, {"read"}, kAllow);
  EXPECT_EQ(answer(rules, native("read")), SECCOMP_RET_ALLOW);
  // What the kernel cannot run has no section: the other byte order.
  const uint32_t other =
      native_audit_arch() == AUDIT_ARCH_S390X ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_S390X;
  EXPECT_EQ(answer(rules, {other, 3}), SECCOMP_RET_KILL_THREAD);
}

TEST(SeccompArches, UnknownNameIsAnError) {
  spec::Seccomp rules = profile(kTrap);
  rules.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_PDP11"};
  EXPECT_ERROR(
      plan::compile_seccomp(rules), ErrorKind::InvalidSpec, "/linux/seccomp/architectures/1");
}

TEST(SeccompMultiplexed, SocketCallsOfX86AreReachedBothWays) {
  if (!on_x86_64()) GTEST_SKIP() << "needs the numbers of x86_64";
  spec::Seccomp rules = profile(kTrap);
  rules.architectures = kX86Arches;
  add_rule(rules, {"socket", "send", "shmget"}, kAllow);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 359}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 102, {1}}),
            SECCOMP_RET_ALLOW);  // socketcall(SYS_SOCKET)
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 102, {2}}), SECCOMP_RET_TRAP);   // socketcall(SYS_BIND)
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 102, {9}}), SECCOMP_RET_ALLOW);  // socketcall(SYS_SEND)
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 117, {23}}), SECCOMP_RET_ALLOW);  // ipc(SHMGET)
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 395}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, 41}), SECCOMP_RET_ALLOW);
}

TEST(SeccompMultiplexed, SelectorTakesThePlaceOfArgumentZero) {
  if (!on_x86_64()) GTEST_SKIP() << "needs the numbers of x86_64";
  spec::Seccomp rules = profile(kTrap);
  rules.architectures = kX86Arches;
  add_rule(rules, {"socket"}, kAllow, {{0, 40, 0, "SCMP_CMP_NE"}});
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 102, {1}}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 359, {40}}), SECCOMP_RET_TRAP);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 359, {2}}), SECCOMP_RET_ALLOW);
}

// The direct numbers are a table of ours: libseccomp must name them alike.
TEST(SeccompMultiplexed, DirectNumbersAreTheLibrarys) {
  if (!on_x86_64()) GTEST_SKIP() << "needs a little-endian x86_64";
  const std::pair<const char*, uint32_t> arches[] = {{"SCMP_ARCH_X86", SCMP_ARCH_X86},
                                                     {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL},
                                                     {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE}};
  for (const auto& [name, token] : arches) {
    const uint32_t base = token == SCMP_ARCH_MIPSEL ? 4000 : 0;
    for (uint32_t number = base; number < base + 500; ++number) {
      char* call = seccomp_syscall_resolve_num_arch(token, static_cast<int>(number));
      if (call == nullptr) continue;
      spec::Seccomp rules = profile(kTrap);
      rules.architectures = {name};
      add_rule(rules, {call}, kAllow);
      EXPECT_EQ(answer(rules, {token, number}), SECCOMP_RET_ALLOW) << name << " " << call;
      free(call);
    }
  }
}

TEST(SeccompNewerCalls, GetEnosysWhenTheDefaultIsAnErrorNumber) {
  spec::Seccomp rules = profile("SCMP_ACT_ERRNO");
  add_rule(rules, {"read", "openat2"}, kAllow);
  const uint32_t newest = number_of("openat2");
  const uint32_t arch = native_audit_arch();
  EXPECT_EQ(answer(rules, {arch, newest}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(rules, {arch, newest - 1}), kErrnoEperm);
  EXPECT_EQ(answer(rules, {arch, newest + 1}), kErrnoEnosys);
  EXPECT_EQ(answer(rules, {arch, 100000}), kErrnoEnosys);
}

TEST(SeccompNewerCalls, RulesWithTheDefaultActionCountAsKnown) {
  spec::Seccomp rules = profile("SCMP_ACT_ERRNO");
  add_rule(rules, {"read"}, kAllow);
  add_rule(rules, {"openat2"}, "SCMP_ACT_ERRNO", {}, EPERM);
  EXPECT_EQ(answer(rules, native("openat2")), kErrnoEperm);
}

TEST(SeccompNewerCalls, GetOtherDefaultActionsUnchanged) {
  for (const auto& [action, value] : {std::pair("SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD),
                                      std::pair("SCMP_ACT_LOG", SECCOMP_RET_LOG)}) {
    spec::Seccomp rules = profile(action);
    add_rule(rules, {"read", "openat2"}, kAllow);
    EXPECT_EQ(answer(rules, {native_audit_arch(), 100000}), value);
  }
}

TEST(SeccompNewerCalls, EachArchitectureHasItsOwnNewest) {
  if (!on_x86_64()) GTEST_SKIP() << "needs the numbers of x86_64";
  spec::Seccomp rules = profile("SCMP_ACT_ERRNO");
  rules.architectures = kX86Arches;
  add_rule(rules, {"read", "write", "execve"}, kAllow);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, 58}), kErrnoEperm);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, 60}), kErrnoEnosys);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_I386, 12}), kErrnoEnosys);
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, kX32 | 60}), kErrnoEperm);  // x32 execve is 520
  EXPECT_EQ(answer(rules, {AUDIT_ARCH_X86_64, kX32 | 600}), kErrnoEnosys);
}

TEST(SeccompFlags, BecomeFilterFlags) {
  constexpr uint32_t kWaitKillable = 1U << 5U;
  struct Case {
    std::optional<std::vector<std::string>> names;
    bool notify;
    uint32_t flags;
  };
  const Case cases[] = {
      {{}, false, SECCOMP_FILTER_FLAG_SPEC_ALLOW},
      {{{}}, false, 0},
      {{{"SECCOMP_FILTER_FLAG_LOG"}}, false, SECCOMP_FILTER_FLAG_LOG},
      {{{"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"}},
       false,
       SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW},
      {{{"SECCOMP_FILTER_FLAG_TSYNC"}},
       true,
       SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH},
      {{{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}}, true, kWaitKillable},
      {{{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}}, false, 0},
  };
  for (const auto& one : cases) {
    spec::Seccomp rules = profile(kAllow);
    rules.flags = one.names;
    if (one.notify) add_rule(rules, {"mkdir"}, "SCMP_ACT_NOTIFY");
    ASSERT_OK_AND_ASSIGN(const plan::Seccomp compiled, plan::compile_seccomp(rules));
    EXPECT_EQ(compiled.flags, one.flags);
    EXPECT_EQ(compiled.notify, one.notify);
  }
  spec::Seccomp unknown = profile(kAllow);
  unknown.flags = {{"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_NEW_LISTENER"}};
  EXPECT_ERROR(plan::compile_seccomp(unknown), ErrorKind::InvalidSpec, "/linux/seccomp/flags/1");
}

TEST(SeccompNotify, ListenerIsPassedOn) {
  spec::Seccomp rules = profile(kAllow);
  add_rule(rules, {"mkdir", "write"}, "SCMP_ACT_NOTIFY");
  rules.listener_path = "/run/agent.sock";
  rules.listener_metadata = "tag";
  ASSERT_OK_AND_ASSIGN(const plan::Seccomp compiled, plan::compile_seccomp(rules));
  EXPECT_TRUE(compiled.notify);
  EXPECT_EQ(compiled.listener_path, "/run/agent.sock");
  EXPECT_EQ(compiled.listener_metadata, "tag");
}

TEST(SeccompNotify, WhatTheHandOverNeedsCannotNotify) {
  EXPECT_ERROR(plan::compile_seccomp(profile("SCMP_ACT_NOTIFY")),
               ErrorKind::Unsupported,
               "/linux/seccomp/defaultAction");
  spec::Seccomp rules = profile(kAllow);
  add_rule(rules, {"mkdir"}, "SCMP_ACT_NOTIFY");
  add_rule(rules, {"recvmsg", "sendmsg"}, "SCMP_ACT_NOTIFY");
  EXPECT_ERROR(plan::compile_seccomp(rules), ErrorKind::Unsupported, "/linux/seccomp/syscalls/1");
}

TEST(SeccompErrors, NameTheProperty) {
  EXPECT_ERROR(plan::compile_seccomp(profile("ALLOW")),
               ErrorKind::InvalidSpec,
               "/linux/seccomp/defaultAction");
  spec::Seccomp action = profile(kAllow);
  add_rule(action, {"read"}, "SCMP_ACT_EXPLODE");
  EXPECT_ERROR(
      plan::compile_seccomp(action), ErrorKind::InvalidSpec, "/linux/seccomp/syscalls/0/action");
  spec::Seccomp op = profile(kAllow);
  add_rule(op, {"read"}, kTrap, {{0, 0, 0, "SCMP_CMP_EQ"}, {1, 0, 0, "=="}});
  EXPECT_ERROR(
      plan::compile_seccomp(op), ErrorKind::InvalidSpec, "/linux/seccomp/syscalls/0/args/1/op");
  spec::Seccomp index = profile(kAllow);
  add_rule(index, {"read"}, kTrap, {{6, 0, 0, "SCMP_CMP_EQ"}});
  EXPECT_ERROR(plan::compile_seccomp(index),
               ErrorKind::InvalidSpec,
               "/linux/seccomp/syscalls/0/args/0/index");
}

// Targets further away than a conditional jump reaches, at each length around the limit.
TEST(SeccompProgram, LongProgramsJumpRight) {
  const std::vector<std::string> names = native_names_except({});
  spec::Seccomp rules = profile(kTrap);
  std::size_t longest = 0;
  for (std::size_t count = 1; count <= 150; ++count) {
    const std::size_t last = count - 1;
    add_rule(rules,
             {names[2 * last]},
             last % 3 == 0 ? "SCMP_ACT_LOG" : kAllow,
             {{0, last, 0, "SCMP_CMP_EQ"},
              {1, last + 1, 0, "SCMP_CMP_LT"},
              {2, last, 0, "SCMP_CMP_NE"}});
    ASSERT_OK_AND_ASSIGN(const plan::Seccomp compiled, plan::compile_seccomp(rules));
    longest = compiled.filter.size();
    for (std::size_t i = 0; i < count; ++i) {
      const CallSite holds = native(names[2 * i].c_str(), {i, i, i + 1});
      const CallSite fails = native(names[2 * i].c_str(), {i, i + 1, i + 1});
      ASSERT_EQ(run_filter(compiled.filter, holds),
                i % 3 == 0 ? SECCOMP_RET_LOG : SECCOMP_RET_ALLOW)
          << count;
      ASSERT_EQ(run_filter(compiled.filter, fails), SECCOMP_RET_TRAP) << count;
    }
  }
  EXPECT_GT(longest, 1000U);
}

TEST(SeccompProgram, TooManyRulesAreRefused) {
  spec::Seccomp rules = profile(kTrap);
  for (uint64_t i = 0; i < 1100; ++i)
    add_rule(rules, {"read"}, kAllow, {{0, i << 32U | i, 0, "SCMP_CMP_EQ"}});
  EXPECT_ERROR(plan::compile_seccomp(rules), ErrorKind::Unsupported, "/linux/seccomp");
}

// The kernel runs the filter on each call: a search among some 70 ranges takes 7 comparisons.
TEST(SeccompProgram, EngineProfilesDecideInAFewInstructions) {
  ASSERT_OK_AND_ASSIGN(const plan::Seccomp compiled, plan::compile_seccomp(docker_like_profile()));
  EXPECT_LT(compiled.filter.size(), 500U);
  for (const auto& name : native_names_except(calls_that_engines_refuse())) {
    EXPECT_LE(count_steps(compiled.filter, to_data(native(name.c_str()))), 13U) << name;
  }
}

}  // namespace
}  // namespace corten::testing
