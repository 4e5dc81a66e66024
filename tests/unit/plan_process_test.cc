// plan/process.cc and plan/capabilities.cc.
#include "plan_support.h"
#include "support.h"

namespace corten::plan {
namespace {

struct Built {
  Process process;
  std::vector<std::string> warnings;
};

Result<Built> process_of(const spec::Spec& spec, const HostFacts& facts = testing::host_v2()) {
  Built built;
  auto process = build_process(*spec.process, &*spec.linux_, facts, built.warnings);
  if (!process) return std::move(process).error();
  built.process = std::move(*process);
  return built;
}

constexpr uint64_t bit(unsigned n) { return uint64_t{1} << n; }
constexpr unsigned kChown = 0;
constexpr unsigned kKill = 5;
constexpr unsigned kSysAdmin = 21;

TEST(Process, CopiesWhatNeedsNoDecision) {
  auto spec = testing::small_spec();
  spec.process->env = {"A=1", "NOEQUALS"};
  spec.process->cwd = "/work";
  spec.process->user = {.uid = 5, .gid = 6, .umask = 027, .additional_gids = {7, 8}};
  spec.process->no_new_privileges = true;
  spec.process->oom_score_adj = -5;
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(spec));
  EXPECT_EQ(built.process.args, std::vector<std::string>{"sh"});
  EXPECT_EQ(built.process.env, (std::vector<std::string>{"A=1", "NOEQUALS"}));
  EXPECT_EQ(built.process.cwd, "/work");
  EXPECT_EQ(built.process.uid, 5U);
  EXPECT_EQ(built.process.gid, 6U);
  EXPECT_EQ(built.process.groups, (std::vector<uint32_t>{7, 8}));
  EXPECT_EQ(built.process.umask, 027U);
  EXPECT_TRUE(built.process.no_new_privileges);
  EXPECT_EQ(built.process.oom_score_adj, -5);
}

TEST(Process, UnsetValuesStayUnset) {
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(testing::small_spec()));
  EXPECT_EQ(built.process.umask, 0022U);
  EXPECT_FALSE(built.process.oom_score_adj.has_value());
  EXPECT_FALSE(built.process.scheduler.has_value());
  EXPECT_FALSE(built.process.io_priority.has_value());
  EXPECT_FALSE(built.process.personality.has_value());
  EXPECT_FALSE(built.process.seccomp.has_value());
  EXPECT_TRUE(built.warnings.empty());
}

TEST(Process, ConsoleSizeNeedsATerminal) {
  auto spec = testing::small_spec();
  spec.process->console_size = spec::ConsoleSize{.height = 24, .width = 80};
  EXPECT_FALSE(process_of(spec)->process.console_size.has_value());
  spec.process->terminal = true;
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(spec));
  EXPECT_EQ(built.process.console_size->rows, 24);
  EXPECT_EQ(built.process.console_size->columns, 80);
}

TEST(Capabilities, AbsentMeansNone) {
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(testing::small_spec()));
  const auto& sets = built.process.capabilities;
  EXPECT_EQ(sets.bounding | sets.effective | sets.permitted | sets.inheritable | sets.ambient, 0U);
}

TEST(Capabilities, EachSetIsItsOwn) {
  auto spec = testing::small_spec();
  spec.process->capabilities = spec::Capabilities{
      .effective = {"CAP_KILL"},
      .bounding = {"CAP_CHOWN", "CAP_KILL", "CAP_SYS_ADMIN"},
      .inheritable = {"CAP_KILL"},
      .permitted = {"CAP_CHOWN", "CAP_KILL"},
      .ambient = {"CAP_KILL"},
  };
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(spec));
  const auto& sets = built.process.capabilities;
  EXPECT_EQ(sets.bounding, bit(kChown) | bit(kKill) | bit(kSysAdmin));
  EXPECT_EQ(sets.permitted, bit(kChown) | bit(kKill));
  EXPECT_EQ(sets.effective, bit(kKill));
  EXPECT_EQ(sets.inheritable, bit(kKill));
  EXPECT_EQ(sets.ambient, bit(kKill));
  EXPECT_TRUE(built.warnings.empty());
}

TEST(Capabilities, UnknownOnesAreOneWarning) {
  auto spec = testing::small_spec();
  spec.process->capabilities = spec::Capabilities{.bounding = {"CAP_CHOWN", "CAP_FUTURE"},
                                                  .permitted = {"CAP_FUTURE", "cap_kill"}};
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(spec));
  EXPECT_EQ(built.process.capabilities.bounding, bit(kChown));
  ASSERT_EQ(built.warnings.size(), 1U);
  EXPECT_NE(built.warnings[0].find("CAP_FUTURE cap_kill"), std::string::npos) << built.warnings[0];
}

TEST(Capabilities, UngrantableOnesAreDroppedWithAWarning) {
  auto spec = testing::small_spec();
  spec.process->capabilities = spec::Capabilities{.effective = {"CAP_SYS_ADMIN", "CAP_KILL"},
                                                  .bounding = {"CAP_SYS_ADMIN", "CAP_KILL"},
                                                  .inheritable = {},
                                                  .permitted = {"CAP_SYS_ADMIN", "CAP_KILL"},
                                                  .ambient = {"CAP_KILL"}};
  auto facts = testing::host_v2();
  facts.bounding_capabilities = facts.permitted_capabilities = ~bit(kSysAdmin);
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(spec, facts));
  EXPECT_EQ(built.process.capabilities.bounding, bit(kKill));
  EXPECT_EQ(built.process.capabilities.permitted, bit(kKill));
  EXPECT_EQ(built.process.capabilities.effective, bit(kKill));
  EXPECT_EQ(built.process.capabilities.ambient, 0U) << "ambient needs inheritable";
  ASSERT_EQ(built.warnings.size(), 1U);
  EXPECT_NE(built.warnings[0].find("CAP_SYS_ADMIN"), std::string::npos) << built.warnings[0];
}

TEST(Capabilities, NewerThanTheKernelAreUnknown) {
  auto spec = testing::small_spec();
  spec.process->capabilities =
      spec::Capabilities{.bounding = {"CAP_BPF", "CAP_CHECKPOINT_RESTORE"}};
  auto facts = testing::host_v2();
  facts.last_capability = 39;
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(spec, facts));
  EXPECT_EQ(built.process.capabilities.bounding, bit(39));
  EXPECT_EQ(built.warnings.size(), 1U);
}

TEST(Capabilities, UserNamespaceGrantsWhatTheCallerLacks) {
  auto spec = testing::small_spec();
  testing::add_namespace(spec, "user");
  spec.process->capabilities = spec::Capabilities{
      .effective = {"CAP_KILL"}, .bounding = {"CAP_KILL"}, .permitted = {"CAP_KILL"}};
  auto facts = testing::host_v2();
  facts.bounding_capabilities = facts.permitted_capabilities = 0;
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(spec, facts));
  EXPECT_EQ(built.process.capabilities.effective, bit(kKill));
  EXPECT_TRUE(built.warnings.empty());
}

TEST(Rlimits, NamesBecomeNumbers) {
  auto spec = testing::small_spec();
  spec.process->rlimits = {{.type = "RLIMIT_NOFILE", .soft = 1, .hard = 2},
                           {.type = "RLIMIT_CORE", .soft = 0, .hard = UINT64_MAX}};
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(spec));
  EXPECT_EQ(built.process.rlimits[0].resource, RLIMIT_NOFILE);
  EXPECT_EQ(built.process.rlimits[0].soft, 1U);
  EXPECT_EQ(built.process.rlimits[1].hard, UINT64_MAX);
  spec.process->rlimits[1].type = "RLIMIT_NOFILE";
  EXPECT_ERROR(process_of(spec), ErrorKind::InvalidSpec, "/process/rlimits/1/type");
  spec.process->rlimits[1].type = "RLIMIT_FOO";
  EXPECT_ERROR(process_of(spec), ErrorKind::InvalidSpec, "/process/rlimits/1/type");
}

TEST(Scheduling, PolicyFlagsAndValues) {
  auto spec = testing::small_spec();
  spec.process->scheduler =
      spec::Scheduler{.policy = "SCHED_DEADLINE",
                      .nice = 0,
                      .priority = 0,
                      .flags = {"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM"},
                      .runtime = 1,
                      .deadline = 2,
                      .period = 3};
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(spec));
  EXPECT_EQ(built.process.scheduler->policy, 6U);
  EXPECT_EQ(built.process.scheduler->flags, 3U);
  EXPECT_EQ(built.process.scheduler->deadline, 2U);
  spec.process->scheduler->flags = {"SCHED_FLAG_X"};
  EXPECT_ERROR(process_of(spec), ErrorKind::InvalidSpec, "/process/scheduler/flags/0");
  spec.process->scheduler->policy = "SCHED_ISO";
  EXPECT_ERROR(process_of(spec), ErrorKind::Unsupported, "/process/scheduler/policy");
  spec.process->scheduler->policy = "SCHED_X";
  EXPECT_ERROR(process_of(spec), ErrorKind::InvalidSpec, "/process/scheduler/policy");
}

TEST(Scheduling, IoPriorityIsClassAndLevel) {
  auto spec = testing::small_spec();
  spec.process->io_priority = spec::IoPriority{.io_class = "IOPRIO_CLASS_BE", .priority = 4};
  EXPECT_EQ(process_of(spec)->process.io_priority, (2 << 13) | 4);
  spec.process->io_priority->priority = 8;
  EXPECT_ERROR(process_of(spec), ErrorKind::InvalidSpec, "/process/ioPriority/priority");
  spec.process->io_priority->io_class = "BE";
  EXPECT_ERROR(process_of(spec), ErrorKind::InvalidSpec, "/process/ioPriority/class");
}

TEST(Personality, DomainsAndNoFlags) {
  auto spec = testing::small_spec();
  spec.linux_->personality = spec::Personality{.domain = "LINUX32", .flags = {}};
  EXPECT_EQ(process_of(spec)->process.personality, 8UL);
  spec.linux_->personality->flags = {"ADDR_NO_RANDOMIZE"};
  EXPECT_ERROR(process_of(spec), ErrorKind::InvalidSpec, "/linux/personality/flags");
  spec.linux_->personality->domain = "BSD";
  EXPECT_ERROR(process_of(spec), ErrorKind::InvalidSpec, "/linux/personality/domain");
}

TEST(MemoryPolicy, NodesBecomeAMask) {
  auto spec = testing::small_spec();
  spec.linux_->memory_policy = spec::MemoryPolicy{
      .mode = "MPOL_INTERLEAVE", .nodes = "0-2,7,65", .flags = {"MPOL_F_STATIC_NODES"}};
  ASSERT_OK_AND_ASSIGN(const auto built, process_of(spec));
  EXPECT_EQ(built.process.memory_policy->mode, 3 | (1 << 15));
  EXPECT_EQ(built.process.memory_policy->nodes, (std::vector<uint64_t>{0x87, 0x2}));
}

TEST(MemoryPolicy, ModesSayWhetherTheyTakeNodes) {
  struct Case {
    const char* mode;
    const char* nodes;
    bool fine;
  };
  const Case cases[] = {{"MPOL_DEFAULT", "", true},
                        {"MPOL_DEFAULT", "0", false},
                        {"MPOL_LOCAL", "", true},
                        {"MPOL_LOCAL", "0", false},
                        {"MPOL_PREFERRED", "", true},
                        {"MPOL_PREFERRED", "1", true},
                        {"MPOL_BIND", "", false},
                        {"MPOL_BIND", "0", true},
                        {"MPOL_WEIGHTED_INTERLEAVE", "", false},
                        {"MPOL_PREFERRED_MANY", "0-1", true},
                        {"MPOL_BIND", "3-1", false},
                        {"MPOL_BIND", "1024", false},
                        {"MPOL_BIND", "0,,1", false},
                        {"MPOL_BIND", "a", false},
                        {"MPOL_BIND", "-1", false}};
  for (const auto& one : cases) {
    auto spec = testing::small_spec();
    spec.linux_->memory_policy =
        spec::MemoryPolicy{.mode = one.mode, .nodes = one.nodes, .flags = {}};
    if (one.fine) {
      EXPECT_OK(process_of(spec)) << one.mode << " " << one.nodes;
    } else {
      EXPECT_ERROR(process_of(spec), ErrorKind::InvalidSpec, "/linux/memoryPolicy/nodes")
          << one.mode << " " << one.nodes;
    }
  }
  auto spec = testing::small_spec();
  spec.linux_->memory_policy = spec::MemoryPolicy{.mode = "MPOL_X", .nodes = "", .flags = {}};
  EXPECT_ERROR(process_of(spec), ErrorKind::InvalidSpec, "/linux/memoryPolicy/mode");
}

TEST(Labels, NeedTheirModule) {
  auto spec = testing::small_spec();
  auto facts = testing::host_v2();
  spec.process->apparmor_profile = "docker-default";
  EXPECT_ERROR(process_of(spec, facts), ErrorKind::Unsupported, "/process/apparmorProfile");
  spec.process->apparmor_profile = "unconfined";
  EXPECT_OK(process_of(spec, facts));
  facts.apparmor = true;
  EXPECT_EQ(process_of(spec, facts)->process.apparmor_profile, "unconfined");
  spec.process->selinux_label = "u:r:t:s0";
  EXPECT_ERROR(process_of(spec, facts), ErrorKind::Unsupported, "/process/selinuxLabel");
  facts.selinux = true;
  EXPECT_EQ(process_of(spec, facts)->process.selinux_label, "u:r:t:s0");
}

TEST(Process, OptionsOfTheCommandLine) {
  auto spec = testing::small_spec();
  spec.annotations = {{"run.oci.keep_original_groups", "1"}};
  spec.process->exec_cpu_affinity = spec::ExecCpuAffinity{.initial = "0", .final = "1"};
  auto options = testing::options();
  options.no_new_keyring = true;
  options.preserve_fds = 2;
  ASSERT_OK_AND_ASSIGN(const auto plan, build(spec, options, testing::host_v2()));
  EXPECT_TRUE(plan.process->keep_groups);
  EXPECT_FALSE(plan.process->new_session_keyring);
  EXPECT_EQ(plan.process->preserve_fds, 2U);
  EXPECT_EQ(plan.process->initial_affinity, "") << "for exec only";
  EXPECT_EQ(process_of(spec)->process.initial_affinity, "0");
  EXPECT_EQ(process_of(spec)->process.final_affinity, "1");
}

}  // namespace
}  // namespace corten::plan
