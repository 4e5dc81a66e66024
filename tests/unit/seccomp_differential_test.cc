// Every program is held against the one that libseccomp makes of the same profile: all system call
// numbers of several architectures, with arguments around the values that the rules compare with.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <unordered_set>

#include "seccomp_support.h"
#include "support.h"
#include <corten/spec/parse.h>

namespace corten::testing {
namespace {

constexpr uint32_t kX32 = 0x40000000;

// What a profile means, written down once more without any program: which rules hold for a call.
class Model {
 public:
  explicit Model(const spec::Seccomp& profile) : profile_(profile) {
    default_ = library_action(profile.default_action, profile.default_errno_ret);
    tokens_ = {seccomp_arch_native()};
    for (const auto& name : profile.architectures) {
      const uint32_t token = library_arch(name);
      const bool same_order = ((token ^ tokens_[0]) & __AUDIT_ARCH_LE) == 0;
      if (token != 0 && same_order) tokens_.push_back(token);
    }
    for (const uint32_t token : tokens_) read(token);
  }

  // All answers that the rules give; more than one where they overlap and disagree.
  std::set<uint32_t> answers(const CallSite& site) const {
    const std::optional<uint32_t> token = token_of(site);
    if (!token) return {SECCOMP_RET_KILL_THREAD};
    std::set<uint32_t> actions;
    const auto found = calls_.find({*token, site.nr});
    if (found != calls_.end()) {
      for (const auto& rule : found->second) {
        if (!holds(rule, *token, site)) continue;
        if (rule.args.empty()) return {rule.action};
        actions.insert(rule.action);
      }
    }
    if (!actions.empty()) return actions;
    return {found == calls_.end() && is_newer(*token, site.nr) ? SCMP_ACT_ERRNO(ENOSYS) : default_};
  }

  bool has_rules(uint32_t nr) const { return numbers_.count(nr) != 0; }

 private:
  struct Rule {
    uint32_t action = 0;
    std::vector<spec::SeccompArg> args;
  };

  // x86_64 programs make x32 calls by a bit of the number.
  std::optional<uint32_t> token_of(const CallSite& site) const {
    const auto listed = [&](uint32_t token) {
      return std::find(tokens_.begin(), tokens_.end(), token) != tokens_.end();
    };
    uint32_t token = site.arch;
    if (site.arch == AUDIT_ARCH_X86_64 && site.nr >= kX32) {
      if (listed(SCMP_ARCH_X32))
        token = SCMP_ARCH_X32;
      else if (site.nr != UINT32_MAX)
        return std::nullopt;
    }
    return listed(token) ? std::optional<uint32_t>(token) : std::nullopt;
  }

  bool is_newer(uint32_t token, uint32_t nr) const {
    const auto newest = newest_.find(token);
    if (profile_.default_action != "SCMP_ACT_ERRNO" || newest == newest_.end()) return false;
    const bool foreign = token == SCMP_ARCH_X86_64 && nr >= kX32;
    return !foreign && newest->second != 0 && nr > newest->second;
  }

  void read(uint32_t token) {
    for (const auto& entry : profile_.syscalls) {
      for (const auto& name : entry.names) {
        const int number = seccomp_syscall_resolve_name_arch(token, name.c_str());
        if (number >= 0) add(token, static_cast<uint32_t>(number), entry, 0);
        if (number <= -100 && number > -300) add_multiplexed(token, number, name, entry);
      }
    }
  }

  void add_multiplexed(uint32_t token,
                       int number,
                       const std::string& name,
                       const spec::SeccompSyscall& entry) {
    if (token != SCMP_ARCH_X86 && token != SCMP_ARCH_MIPSEL && token != SCMP_ARCH_PPC64LE) return;
    const int base = token == SCMP_ARCH_MIPSEL ? 4000 : 0;
    const bool socket = number > -200;
    add(token,
        static_cast<uint32_t>(base + (socket ? 102 : 117)),
        entry,
        static_cast<uint32_t>(-number - (socket ? 100 : 200)),
        false);
    for (int direct = base; direct < base + 600; ++direct) {
      char* found = seccomp_syscall_resolve_num_arch(token, direct);
      if (found != nullptr && name == found) add(token, static_cast<uint32_t>(direct), entry, 0);
      free(found);
    }
  }

  void add(uint32_t token,
           uint32_t number,
           const spec::SeccompSyscall& entry,
           uint32_t selector,
           bool known = true) {
    if (known) newest_[token] = std::max(newest_[token], number);
    const uint32_t action = library_action(entry.action, entry.errno_ret);
    if (action == default_) return;
    numbers_.insert(number);
    std::set<uint32_t> indexes;
    for (const auto& arg : entry.args) indexes.insert(arg.index);
    std::vector<Rule> alternatives;
    if (indexes.size() == entry.args.size()) {
      alternatives.push_back({action, entry.args});
    } else {
      for (const auto& arg : entry.args) alternatives.push_back({action, {arg}});
    }
    for (auto& rule : alternatives) {
      if (selector != 0) {
        std::erase_if(rule.args, [](const auto& arg) { return arg.index == 0; });
        rule.args.push_back({0, selector, 0, "SCMP_CMP_EQ"});
      }
      std::erase_if(rule.args, [&](const auto& arg) { return always(arg, token); });
      calls_[{token, number}].push_back(rule);
    }
    // The first rule without conditions decides alone.
    auto& rules = calls_[{token, number}];
    const auto unconditional = std::find_if(
        rules.begin(), rules.end(), [](const auto& rule) { return rule.args.empty(); });
    if (unconditional != rules.end()) rules = {*unconditional};
  }

  static bool is_32_bit(uint32_t token) {
    return (token & __AUDIT_ARCH_64BIT) == 0 || token == SCMP_ARCH_MIPSEL64N32 ||
           token == SCMP_ARCH_MIPS64N32;
  }

  static bool always(const spec::SeccompArg& arg, uint32_t token) {
    return arg.op == "SCMP_CMP_MASKED_EQ" &&
           (is_32_bit(token) ? arg.value & UINT32_MAX : arg.value) == 0;
  }

  static bool holds(const Rule& rule, uint32_t token, const CallSite& site) {
    return std::all_of(rule.args.begin(), rule.args.end(), [&](const auto& arg) {
      const uint64_t width = is_32_bit(token) ? UINT32_MAX : UINT64_MAX;
      const uint64_t a = site.args[arg.index] & width;
      const uint64_t v = arg.value & width;
      if (arg.op == "SCMP_CMP_NE") return a != v;
      if (arg.op == "SCMP_CMP_LT") return a < v;
      if (arg.op == "SCMP_CMP_LE") return a <= v;
      if (arg.op == "SCMP_CMP_EQ") return a == v;
      if (arg.op == "SCMP_CMP_GE") return a >= v;
      if (arg.op == "SCMP_CMP_GT") return a > v;
      return (a & v) == (arg.value_two & v);
    });
  }

  const spec::Seccomp& profile_;
  uint32_t default_ = 0;
  std::vector<uint32_t> tokens_;
  std::map<std::pair<uint32_t, uint32_t>, std::vector<Rule>> calls_;
  std::map<uint32_t, uint32_t> newest_;
  std::unordered_set<uint32_t> numbers_;  // all that have rules, whatever the architecture
};

std::vector<uint32_t> numbers() {
  std::vector<uint32_t> all;
  for (uint32_t nr = 0; nr < 620; ++nr) {
    all.push_back(nr);
    all.push_back(nr | kX32);
  }
  for (uint32_t nr : {4000U, 4102U, 4117U, 4183U, 4500U, 5000U, 6001U, 983041U, 983045U})
    all.push_back(nr);
  for (uint32_t nr : {kX32 - 1, 0x7fffffffU, 0x80000000U, 0xfffffffeU, 0xffffffffU})
    all.push_back(nr);
  return all;
}

std::vector<uint32_t> audit_arches(const spec::Seccomp& profile) {
  std::set<uint32_t> arches = {
      AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, AUDIT_ARCH_S390X, 0};
  for (const auto& name : profile.architectures) {
    const uint32_t token = library_arch(name);
    if (token != 0 && token != SCMP_ARCH_X32) arches.insert(token);
  }
  return {arches.begin(), arches.end()};
}

// Values around those that the rules name, and the same with other high halves.
std::vector<uint64_t> interesting_values(const spec::Seccomp& profile) {
  std::set<uint64_t> values = {
      0, 1, 2, UINT32_MAX, UINT64_MAX, uint64_t{1} << 32U, uint64_t{1} << 63U};
  for (const auto& entry : profile.syscalls) {
    for (const auto& arg : entry.args) {
      for (const uint64_t base : {arg.value, arg.value_two}) {
        for (const uint64_t near : {base - 1, base, base + 1}) {
          values.insert(near);
          values.insert(near ^ (uint64_t{1} << 32U));
          values.insert(near | 0xffffffff00000000U);
          values.insert(near & UINT32_MAX);
        }
      }
    }
  }
  return {values.begin(), values.end()};
}

std::string describe(const spec::Seccomp& profile) {
  std::string text = "default " + profile.default_action + "\n";
  for (const auto& arch : profile.architectures) text += arch + " ";
  for (const auto& entry : profile.syscalls) {
    text += "\n" + entry.action + " " + std::to_string(entry.errno_ret.value_or(EPERM));
    for (const auto& name : entry.names) text += " " + name;
    for (const auto& arg : entry.args) {
      text += " [" + std::to_string(arg.index) + " " + arg.op + " " + std::to_string(arg.value) +
              " " + std::to_string(arg.value_two) + "]";
    }
  }
  return text;
}

std::string describe(const CallSite& site) {
  std::string text =
      "arch " + std::to_string(site.arch) + " nr " + std::to_string(site.nr) + " args";
  for (const uint64_t arg : site.args) text += " " + std::to_string(arg);
  return text;
}

// Argument vectors for each number that has rules, and for each of the others.
struct Effort {
  unsigned ruled = 0;
  unsigned others = 0;
};

struct Counts {
  uint64_t sites = 0;           // calls compared, of numbers that have rules
  uint64_t disputed = 0;        // rules that hold there disagree
  uint64_t disputed_other = 0;  // and libseccomp takes another one than we do
  uint64_t library_wrong = 0;   // libseccomp answers what no rule says
  uint64_t library_refuses = 0;
};

class Comparer {
 public:
  Comparer(const spec::Seccomp& profile, uint64_t seed, Counts& counts)
      : profile_(profile),
        model_(profile),
        values_(interesting_values(profile)),
        random_(seed),
        counts_(counts) {}

  // Fails where `ours` does not do what the profile says. Without `theirs` only the profile counts.
  ::testing::AssertionResult compare(const Program& ours,
                                     const std::optional<Program>& theirs,
                                     const Effort& effort) {
    for (const uint32_t arch : audit_arches(profile_)) {
      for (const uint32_t nr : numbers()) {
        const unsigned times = model_.has_rules(nr) ? effort.ruled : effort.others;
        for (unsigned i = 0; i < times; ++i) {
          const CallSite site = random_site(arch, nr);
          const auto our_answer = run_filter(ours, site);
          const auto their_answer = theirs ? run_filter(*theirs, site) : our_answer;
          if (our_answer && their_answer && judge(site, *our_answer, *their_answer)) continue;
          return ::testing::AssertionFailure() << std::hex << "ours " << our_answer.value_or(0xbad)
                                               << ", libseccomp's " << their_answer.value_or(0xbad)
                                               << std::dec << " for " << describe(site) << " with\n"
                                               << describe(profile_);
        }
      }
    }
    return ::testing::AssertionSuccess();
  }

 private:
  bool judge(const CallSite& site, uint32_t ours, uint32_t theirs) {
    const std::set<uint32_t> allowed = model_.answers(site);
    if (model_.has_rules(site.nr)) ++counts_.sites;
    if (allowed.size() > 1) {
      ++counts_.disputed;
      if (ours != theirs) ++counts_.disputed_other;
    } else if (ours != theirs && !is_enosys_rule(ours, theirs)) {
      ++counts_.library_wrong;
    }
    return allowed.count(ours) != 0;
  }

  // The one documented difference: numbers beyond all that the profile speaks of.
  bool is_enosys_rule(uint32_t ours, uint32_t theirs) const {
    return ours == SCMP_ACT_ERRNO(ENOSYS) && profile_.default_action == "SCMP_ACT_ERRNO" &&
           theirs == library_action(profile_.default_action, profile_.default_errno_ret);
  }

  CallSite random_site(uint32_t arch, uint32_t nr) {
    CallSite site{arch, nr, {}};
    for (uint64_t& arg : site.args) arg = values_[random_() % values_.size()];
    return site;
  }

  const spec::Seccomp& profile_;
  Model model_;
  std::vector<uint64_t> values_;
  std::mt19937_64 random_;
  Counts& counts_;
};

// libseccomp refuses what it takes for contradictions; what we refuse, it must refuse as well.
::testing::AssertionResult compare_with_library(const spec::Seccomp& profile,
                                                const Effort& effort,
                                                uint64_t seed,
                                                Counts& counts) {
  LibraryCompiler library(profile);
  const auto theirs = library.compile();
  if (!theirs) ++counts.library_refuses;
  const auto ours = plan::compile_seccomp(profile);
  if (!ours) {
    if (!theirs) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << ours.error().message() << "\n" << describe(profile);
  }
  return Comparer(profile, seed, counts).compare(ours->filter, theirs, effort);
}

// --- random profiles
// ---------------------------------------------------------------------------------

struct Shape {
  std::vector<std::string> actions;
  std::vector<std::string> operators;
  std::vector<std::string> architectures;
  unsigned max_conditions = 3;
  std::vector<uint64_t> values = {
      0, 1, 5, 7, 0x80000000U, 0xffffffffU, 0x100000000U, 0x100000005U, UINT64_MAX};
};

class ProfileGenerator {
 public:
  ProfileGenerator(Shape shape, uint64_t seed) : shape_(std::move(shape)), random_(seed) {}

  spec::Seccomp next() {
    spec::Seccomp profile;
    profile.default_action =
        pick(std::vector<std::string>{"SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_TRAP"});
    for (const auto& arch : shape_.architectures) {
      if (random_() % 2 == 0) profile.architectures.push_back(arch);
    }
    const std::size_t entries = 1 + random_() % 8;
    for (std::size_t i = 0; i < entries; ++i) profile.syscalls.push_back(entry());
    return profile;
  }

 private:
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[random_() % from.size()];
  }

  spec::SeccompSyscall entry() {
    static const std::vector<std::string> kNames = {"read",
                                                    "write",
                                                    "clone",
                                                    "personality",
                                                    "socket",
                                                    "bind",
                                                    "semop",
                                                    "shmat",
                                                    "recvmmsg",
                                                    "accept4",
                                                    "ioctl",
                                                    "openat2",
                                                    "futex",
                                                    "mmap2",
                                                    "mmap",
                                                    "send",
                                                    "nonsense",
                                                    "clock_gettime64",
                                                    "execve"};
    spec::SeccompSyscall built;
    const std::size_t names = 1 + random_() % 3;
    for (std::size_t i = 0; i < names; ++i) built.names.push_back(pick(kNames));
    built.action = pick(shape_.actions);
    if (built.action == "SCMP_ACT_ERRNO")
      built.errno_ret = 2 + static_cast<uint32_t>(random_() % 3);
    const std::size_t conditions = random_() % (shape_.max_conditions + 1);
    for (std::size_t i = 0; i < conditions; ++i) {
      built.args.push_back({static_cast<uint32_t>(random_() % 3),
                            pick(shape_.values),
                            pick(shape_.values),
                            pick(shape_.operators)});
    }
    return built;
  }

  Shape shape_;
  std::mt19937_64 random_;
};

const std::vector<std::string> kEqualities = {"SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_MASKED_EQ"};
const std::vector<std::string> kOperators = {"SCMP_CMP_EQ",
                                             "SCMP_CMP_NE",
                                             "SCMP_CMP_MASKED_EQ",
                                             "SCMP_CMP_LT",
                                             "SCMP_CMP_LE",
                                             "SCMP_CMP_GE",
                                             "SCMP_CMP_GT"};
const std::vector<std::string> kLittleEndianArches = {"SCMP_ARCH_X86",
                                                      "SCMP_ARCH_X86_64",
                                                      "SCMP_ARCH_X32",
                                                      "SCMP_ARCH_ARM",
                                                      "SCMP_ARCH_AARCH64",
                                                      "SCMP_ARCH_MIPSEL",
                                                      "SCMP_ARCH_MIPSEL64",
                                                      "SCMP_ARCH_MIPSEL64N32",
                                                      "SCMP_ARCH_PPC64LE",
                                                      "SCMP_ARCH_RISCV64"};

class SeccompDifferential : public ::testing::Test {
 protected:
  void SetUp() override {
    if (seccomp_arch_native() != SCMP_ARCH_X86_64)
      GTEST_SKIP() << "the numbers below are those of x86_64";
  }

  // Profiles of seeds 0 to `profiles` - 1.
  void compare_random(const Shape& shape, uint64_t profiles) {
    for (uint64_t seed = 0; seed < profiles; ++seed) {
      const auto profile = ProfileGenerator(shape, seed).next();
      ASSERT_TRUE(compare_with_library(
          profile, Effort{.ruled = 50, .others = seed % 10 == 0 ? 1U : 0U}, seed, counts_))
          << "seed " << seed;
    }
  }

  Counts counts_;
};

TEST_F(SeccompDifferential, EngineProfilesAreTheSame) {
  EXPECT_TRUE(compare_with_library(docker_like_profile(), {20, 1}, 1, counts_));
  EXPECT_TRUE(compare_with_library(podman_like_profile(), {20, 1}, 2, counts_));
  EXPECT_EQ(counts_.library_refuses, 0U);
  EXPECT_EQ(counts_.library_wrong, 0U);
  EXPECT_EQ(counts_.disputed_other, 0U);
}

TEST_F(SeccompDifferential, OneConditionOneActionIsTheSame) {
  compare_random({.actions = {"SCMP_ACT_ALLOW"},
                  .operators = kEqualities,
                  .architectures = kX86Arches,
                  .max_conditions = 1},
                 60);
  EXPECT_EQ(counts_.library_refuses, 0U);
  EXPECT_EQ(counts_.library_wrong, 0U);
}

// Where the compilers differ from here on, the profile itself says which one is right (see Model):
// libseccomp 2.5 loses or widens a few rules when it merges their trees.
TEST_F(SeccompDifferential, SeveralConditionsOneAction) {
  compare_random(
      {.actions = {"SCMP_ACT_ALLOW"}, .operators = kOperators, .architectures = kX86Arches}, 60);
  EXPECT_EQ(counts_.library_refuses, 0U);
  EXPECT_LT(counts_.library_wrong * 100, counts_.sites);
}

TEST_F(SeccompDifferential, OverlappingRulesFollowTheLibrarysPrecedence) {
  const std::vector<std::string> actions = {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG"};
  compare_random({.actions = actions, .operators = kOperators, .architectures = kX86Arches}, 60);
  EXPECT_GT(counts_.disputed, 500U);
  // Not always: a merged node of libseccomp's tree can pull a rule forward.
  EXPECT_LT(counts_.disputed_other * 5, counts_.disputed);
  EXPECT_LT(counts_.library_wrong * 100, counts_.sites);
}

// All pairs of operators on one argument, with other actions.
TEST_F(SeccompDifferential, PairsOfRulesFollowTheLibrarysPrecedence) {
  for (const auto& [first, second] : {std::pair(3U, 5U), std::pair(5U, 3U), std::pair(5U, 5U)}) {
    for (const auto& one : kOperators) {
      for (const auto& other : kOperators) {
        spec::Seccomp rules = profile("SCMP_ACT_TRAP");
        add_rule(rules, {"read"}, "SCMP_ACT_ALLOW", {{0, first, 1, one}});
        add_rule(rules, {"read"}, "SCMP_ACT_LOG", {{0, second, 1, other}});
        LibraryCompiler library(rules);
        const auto theirs = library.compile();
        const auto ours = plan::compile_seccomp(rules);
        ASSERT_EQ(ours.has_value(), theirs.has_value()) << describe(rules);
        for (uint64_t arg = 0; ours && arg < 9; ++arg) {
          const CallSite site{AUDIT_ARCH_X86_64, number_of("read"), {arg}};
          EXPECT_EQ(run_filter(ours->filter, site), run_filter(*theirs, site)) << arg << " with\n"
                                                                               << describe(rules);
        }
      }
    }
  }
}

TEST_F(SeccompDifferential, ForeignArchitecturesAreTheSame) {
  compare_random({.actions = {"SCMP_ACT_ALLOW"},
                  .operators = kEqualities,
                  .architectures = kLittleEndianArches,
                  .max_conditions = 1},
                 40);
  EXPECT_EQ(counts_.library_refuses, 0U);
  EXPECT_EQ(counts_.library_wrong, 0U);
}

}  // namespace
}  // namespace corten::testing
